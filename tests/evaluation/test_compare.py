"""Models side by side."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.errors import DataError, EvaluationError, ModelError
from shelfaware.evaluation import compare as module
from shelfaware.evaluation.compare import compare, fit_and_evaluate, peak_megabytes
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
    assert board.keys() == {"holdout", "models"}
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


def test_peak_memory_is_this_process_s() -> None:
    before = peak_megabytes()
    block = bytearray(150_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert 50 < before < peak_megabytes() < 20_000
    assert peak_megabytes() >= 150


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
    for error in (TrainingInterruptedError(15, 3, None), DeadNetworkError({"head": np.zeros(3)}, History(redraws=2))):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - as a worker process sends it
        assert (type(again), str(again)) == (type(error), str(error))
