"""`report`, and the marks of `compare`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shelfaware.models.registry import MODELS

Command = Callable[..., Any]


def test_one_page_is_written(workshop: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = command("report", workshop / "sample", "--models", "mean,bias", "--no-curves", "--repeats", 2, "--out", out)
    assert (done.code, done.out) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert out.stat().st_mode & 0o777 == 0o600
    text = out.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "--models mean,bias --holdout random:0.1 --repeats 2 --seed 0" in text.replace("</span> <span>", " ")
    assert "fitting bias, round 2 of 2 ..." in done.err
    assert done.err.splitlines()[-1] == f"The report is in {out}; open it in a browser."
    assert "These ratings are simulated" in done.err


def test_an_older_page_stays_whole_where_no_report_can_be_made(workshop: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("older")
    done = command("report", workshop / "sample", "--models", "popularity", "--out", out)
    assert done.code == 2
    assert "a report needs a model that predicts stars" in done.err
    assert out.read_text() == "older"


@pytest.mark.parametrize("verb", ["report", "compare"])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--repeats", 2, "--folds", 2), "folds and repeats are two plans"),
        (("--repeats", 2, "--holdout", "notebook"), "is the same every time"),
        (("--models", "bias,bias"), "a model is named twice"),
        (("--models", "bias,svd"), "no model is called 'svd'"),
        (("--folds", 1), "cannot be cut into 1 folds"),
    ],
)
def test_plans_that_are_none(
    workshop: Path, command: Command, tmp_path: Path, verb: str, options: tuple[object, ...], sentence: str
) -> None:
    out = ("--out", tmp_path / "r.html") if verb == "report" else ()
    done = command(verb, workshop / "sample", *options, *out)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert not list(tmp_path.iterdir())


def test_every_model_is_compared_where_none_is_named(workshop: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def compared(_data: object, names: list[str], *_: object, **__: object) -> dict[str, Any]:
        told.extend(names)
        return {"holdout": "random:0.1", "models": []}

    monkeypatch.setattr("shelfaware.evaluation.compare.compare", compared)
    command("compare", workshop / "sample", "--json")
    assert len(set(told)) == len(told)
    assert {name.partition(":")[0] for name in told} == set(MODELS)


def test_compare_marks_the_best_and_what_is_like_it(workshop: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ("ndcg_at_10", "ndcg_at_10_unshelved", "coverage_90", "spearman")
    verdicts = {"good": (0.5, "best"), "like": (0.51, "not distinguishable"), "bad": (0.9, "worse")}
    rows = [
        {"model": name, "mse": mse, "verdicts": {"mse": verdict}, "fit_seconds": 1.0, "peak_mb": 99.0, **dict.fromkeys(keys)}
        for name, (mse, verdict) in verdicts.items()
    ]
    monkeypatch.setattr("shelfaware.evaluation.compare.compare", lambda *_, **__: {"holdout": "3 folds", "models": rows})
    done = command("compare", workshop / "sample")
    assert [line.split()[:2] for line in done.out.splitlines() if line.split()[:1] and line.split()[0] in verdicts] == [
        ["good", "0.500*"],
        ["like", "0.510~"],
        ["bad", "0.900"],
    ]
    assert "* the best; ~ not distinguishable from it" in done.err
    assert all(len(line) <= 80 for line in done.out.splitlines())


def test_evaluate_shows_coverage_by_tenths(workshop: Path, command: Command) -> None:
    figures = command("evaluate", workshop / "gp", workshop / "sample", "--json").json
    for of, tenths in figures["coverage_90_by_ratings_of"].items():
        by_mse = figures["mse_by_ratings_of"][of]
        assert [(one["least"], one["n"]) for one in tenths] == [(one["least"], one["n"]) for one in by_mse]
        mean = sum(one["n"] * one["mean"]["mean"] for one in tenths) / figures["n"]
        assert mean == pytest.approx(figures["coverage_90"])
    assert "in 90 %" in command("evaluate", workshop / "gp", workshop / "sample").out
    assert command("evaluate", workshop / "bias", workshop / "sample", "--json").json["coverage_90_by_ratings_of"] == {}
