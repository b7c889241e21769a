"""What `train` leaves beside a model of how it was judged, against figures made by hand and by the plain functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split, split
from shelfaware.evaluation import standing as room
from shelfaware.evaluation.protocol import evaluate
from shelfaware.evaluation.standing import standing
from shelfaware.models.base import Forecast, Model
from shelfaware.models.baselines import Bias, Mean, Popularity

Small = Callable[[str], Model]


def told(model: Model, parts: Split) -> dict[str, Any]:
    return json.loads(json.dumps(standing(model, parts[1], learned=parts[0], known=parts[0]), allow_nan=False))


@pytest.fixture(scope="module")
def of_gp(small: Small, planted_split: Split) -> dict[str, Any]:
    return told(small("gp"), planted_split)


def test_the_figures_are_those_of_evaluate(of_gp: dict[str, Any], small: Small, planted_split: Split) -> None:
    figures = evaluate(small("gp"), planted_split[1])
    assert set(of_gp) - set(figures) == {"calibration", "leaderboard"}
    assert {name: of_gp[name] for name in figures} == figures
    assert {one["level"]: one["share"] for one in of_gp["calibration"]["coverage"]}[0.9] == figures["coverage_90"]


def test_the_others_are_judged_on_the_same_rows(of_gp: dict[str, Any], small: Small, planted_split: Split) -> None:
    train, test = planted_split
    board = of_gp["leaderboard"]
    values = {figure: {row["model"]: row["value"] for row in rows} for figure, rows in board.items()}
    stars = test.ratings()
    by_hand = float(((stars.stars - train.stars[train.rated].mean(dtype=np.float64)) ** 2).mean())
    assert values["mse"]["mean"] == pytest.approx(by_hand, rel=1e-6)
    assert values["mse"]["bias"] == pytest.approx(evaluate(Bias().fit(train), test)["mse"], rel=1e-9)
    assert values["mse"]["gp"] == pytest.approx(evaluate(small("gp"), test)["mse"], rel=1e-9)
    popular = evaluate(Popularity().fit(train), test)["ndcg_at_10"]
    assert values["ndcg_at_10"] == {"popularity": pytest.approx(popular), "gp": evaluate(small("gp"), test)["ndcg_at_10"]}


def test_the_best_stands_first_and_verdicts_are_against_it(of_gp: dict[str, Any]) -> None:
    for figure, rows in of_gp["leaderboard"].items():
        values = [row["value"] for row in rows]
        assert values == sorted(values, reverse=figure != "mse")
        assert [row["verdict"] == "best" for row in rows] == [True] + [False] * (len(rows) - 1)
        assert all(row["low"] < row["value"] < row["high"] for row in rows)
    assert of_gp["leaderboard"]["mse"][0]["model"] == "gp"
    assert {row["verdict"] for row in of_gp["leaderboard"]["mse"][1:]} == {"worse"}


class Other(Mean):
    """The mean by another name."""

    name = "other"


def test_equals_cannot_be_told_apart_and_a_baseline_stands_once(planted_split: Split) -> None:
    rows = {row["model"]: row for row in told(Other().fit(planted_split[0]), planted_split)["leaderboard"]["mse"]}
    assert set(rows) == {"other", "bias", "mean"}
    assert rows["other"]["value"] == rows["mean"]["value"]
    assert {rows["other"]["verdict"], rows["mean"]["verdict"]} <= {"best", "not distinguishable"}
    again = told(Mean().fit(planted_split[0]), planted_split)["leaderboard"]["mse"]
    assert sorted(row["model"] for row in again) == ["bias", "mean"]


class Sure(Mean):
    """Says 3 stars of everything; its deviation is what it is told."""

    name = "sure"
    said = 1.0

    def _forecast(self, readers: Any, reader: Any, book_index: Any) -> Forecast:
        return Forecast(np.full(len(reader), 3.0), np.full(len(reader), self.said))


def test_calibration_by_hand(planted_split: Split) -> None:
    train, test = planted_split
    found = told(Sure().fit(train), planted_split)["calibration"]
    (only,) = found["bins"]
    off = test.ratings().stars.astype(np.float64) - 3
    assert (only["deviation"], only["n"]) == (1.0, len(off))
    assert only["error"] == pytest.approx(float(np.sqrt((off**2).mean())))
    assert only["low"] < only["error"] < only["high"]
    levels = [one["level"] for one in found["coverage"]]
    assert levels == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    shares = {one["level"]: one["share"] for one in found["coverage"]}
    assert shares[0.5] == pytest.approx(float((off == 0).mean()))  # 0.674 deviations
    assert shares[0.8] == pytest.approx(float((np.abs(off) <= 1).mean()))  # 1.282 deviations


def test_who_says_not_how_sure_has_no_calibration_and_a_ranker_no_stars(small: Small, planted_split: Split) -> None:
    assert told(small("bias"), planted_split)["calibration"] is None
    found = told(small("ease"), planted_split)
    assert found["calibration"] is None
    assert set(found["leaderboard"]) == {"ndcg_at_10"}


def test_where_nobody_loved_anything_there_is_no_board_of_lists(planted: Interactions) -> None:
    data = replace(planted, stars=np.where(planted.rated, np.minimum(planted.stars, 3), planted.stars).astype(np.float32))
    parts = split(data, "random:0.1", seed=1)
    found = told(Bias().fit(parts[0]), parts)
    assert set(found["leaderboard"]) == {"mse"}


def test_the_others_learn_from_what_the_model_learned_from(
    small: Small, planted_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = planted_split
    seen, _ = split(train, "random:0.5", seed=3)
    asked: list[int] = []
    fit = Mean.fit_stars
    monkeypatch.setattr(room.Mean, "fit_stars", lambda self, data: (asked.append(data.n_ratings), fit(self, data))[1])
    standing(small("gp"), test, learned=seen, known=train)
    assert asked == [seen.n_ratings]
