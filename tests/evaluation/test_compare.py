"""Models side by side."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.errors import DataError, EvaluationError, ModelError, TrainingError
from shelfaware.evaluation import compare as module
from shelfaware.evaluation.compare import compare, fit_and_evaluate, peak_megabytes
from shelfaware.evaluation.plan import Plan
from shelfaware.evaluation.protocol import evaluate
from shelfaware.models.baselines import Bias
from shelfaware.models.gmf import DeadNetworkError
from shelfaware.training.history import History
from shelfaware.training.interrupts import TrainingInterruptedError

KEYS = {"model", "mse", "rmse", "mae", "n", "ndcg_at_10", "ndcg_at_10_unshelved", "catalogue_coverage_at_10"} | {
    "coverage_90",
    "spearman",
    "auc",
    "fit_seconds",
    "peak_mb",
}


def test_a_leaderboard_of_two(planted: Interactions) -> None:
    seen: list[str] = []
    board = compare(planted, ["popularity", "bias"], "random:0.2", seed=3, on_model=seen.append)
    assert board.keys() == {"holdout", "seeds", "folds", "models", "best", "pairs"}
    assert board["holdout"] == "random:0.2"
    assert [row["model"] for row in board["models"]] == seen == ["popularity", "bias"]
    json.dumps(board, allow_nan=False)
    train, test = split(planted, "random:0.2", seed=3)
    own = evaluate(Bias(seed=3).fit(train), test)
    for row in board["models"]:
        assert row.keys() >= KEYS
        assert 30 < row["peak_mb"] < 1500
        assert 0 < row["fit_seconds"] < 60
    assert {key: board["models"][1][key] for key in own} == own
    assert board["models"][0]["mse"] is None


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits in this process: the same figures but for seconds and memory."""

    class Here:
        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> Here:
            return self

        def __exit__(self, *_: object) -> None: ...

        def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
            done: Future[Any] = Future()
            done.set_result(call(*arguments))
            return done

    monkeypatch.setattr(module, "ProcessPoolExecutor", Here)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("plan", [Plan(repeats=3), Plan(folds=3)], ids=str)
def test_rounds_are_put_together(planted: Interactions, plan: Plan) -> None:
    seen: list[str] = []
    board = compare(planted, ["mean", "bias", "popularity"], plan, on_model=seen.append)
    assert seen[:4] == ["mean, round 1 of 3", "bias, round 1 of 3", "popularity, round 1 of 3", "mean, round 2 of 3"]
    json.dumps(board, allow_nan=False)
    own = [evaluate(Bias(seed=one.seed).fit(one.train), one.test) for one in plan.rounds(planted)]
    row = board["models"][1]
    assert row["n"] == sum(figures["n"] for figures in own)
    for key in ("mse", "mae", "ndcg_at_10", "ndcg_at_10_unshelved", "catalogue_coverage_at_10"):
        assert row[key] == pytest.approx(np.mean([figures[key] for figures in own]), rel=1e-12)
    low, high = row["intervals"]["mse"]
    assert low < row["mse"] < high
    assert row["ndcg_at_10_by_popularity"].keys() == {"rare", "middle", "popular"}
    assert (board["holdout"], board["seeds"], board["folds"]) == (str(plan), plan.seeds, plan.folds)


@pytest.mark.usefixtures("in_process")
def test_every_two_models_have_a_verdict(planted: Interactions) -> None:
    board = compare(planted, ["mean", "als", "popularity"], Plan())
    assert board["best"]["mse"] == "als"
    verdicts = {row["model"]: row["verdicts"] for row in board["models"]}
    assert (verdicts["als"]["mse"], verdicts["mean"]["mse"]) == ("best", "worse")
    assert "mse" not in verdicts["popularity"]
    told_of_shelves = {name for name, of in verdicts.items() if "ndcg_at_10_unshelved" in of}
    assert told_of_shelves == {"mean", "popularity"}
    assert all("ndcg_at_10" in of for of in verdicts.values())
    by_mse = {(pair["a"], pair["b"]): pair for pair in board["pairs"] if pair["figure"] == "mse"}
    assert by_mse.keys() == {("mean", "als"), ("als", "mean")}
    there, back = by_mse["mean", "als"], by_mse["als", "mean"]
    assert (there["verdict"], back["verdict"]) == ("worse", "better")
    assert (there["difference"], there["low"]) == pytest.approx((-back["difference"], -back["high"]))
    means = {row["model"]: row["mse"] for row in board["models"]}
    assert there["difference"] == pytest.approx(means["mean"] - means["als"])
    assert len([pair for pair in board["pairs"] if pair["figure"] == "ndcg_at_10"]) == 6


@pytest.mark.usefixtures("in_process")
def test_a_model_alone_is_the_best(planted: Interactions) -> None:
    board = compare(planted, ["bias"])
    assert (board["pairs"], board["models"][0]["verdicts"]["mse"]) == ([], "best")


def test_a_model_twice(planted: Interactions) -> None:
    with pytest.raises(EvaluationError, match="named twice"):
        compare(planted, ["bias", "mean", "bias"])
    with pytest.raises(EvaluationError, match="nothing to compare"):
        compare(planted, [])


def test_peak_memory_is_this_process_s() -> None:
    before = peak_megabytes()
    block = bytearray(150_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert 50 < before < peak_megabytes() < 20_000
    assert peak_megabytes() >= 150


def test_a_process_that_is_killed_is_named(planted: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def __enter__(self) -> Killed:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def submit(self, *_: object) -> Future[object]:
            future: Future[object] = Future()
            future.set_exception(BrokenProcessPool("abruptly"))
            return future

    monkeypatch.setattr(module, "ProcessPoolExecutor", Killed)
    with pytest.raises(TrainingError, match="the process that fitted bias in round 1 was killed, perhaps for want of memory"):
        compare(planted, ["bias"])


def test_a_wrong_name_is_refused_before_anything_is_fitted(planted: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ProcessPoolExecutor", None)
    with pytest.raises(ModelError, match="no model is called 'svd'"):
        compare(planted, ["mean", "svd"])
    with pytest.raises(DataError, match="no split is called 'thirds'"):
        compare(planted, ["mean"], "thirds")


def test_nothing_held_out(planted: Interactions) -> None:
    with pytest.raises(EvaluationError, match="nothing was held out"):
        fit_and_evaluate("mean", 0, *split(planted, "none"))


def test_errors_cross_processes_whole() -> None:
    for error in (TrainingInterruptedError(15, "epoch 3", None), DeadNetworkError({"head": np.zeros(3)}, History(redraws=2))):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - as a worker process sends it
        assert (type(again), str(again)) == (type(error), str(error))
