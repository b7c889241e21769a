"""`evaluate`, `compare` and `plot`: what they print and write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
EVALUATED = {"mse", "rmse", "mae", "n", "ndcg_at_10", "ndcg_at_10_unshelved", "catalogue_coverage_at_10"} | {
    "coverage_90",
    "spearman",
    "auc",
}


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("gp", set()),
        ("gmf", {"coverage_90", "spearman", "auc"}),
        ("bias", {"coverage_90", "spearman", "auc"}),
        ("ease", {"mse", "rmse", "mae", "coverage_90", "spearman", "auc"}),
    ],
)
def test_evaluate(workshop: Path, command: Command, model: str, missing: set[str]) -> None:
    figures = command("evaluate", workshop / model, workshop / "sample", "--json").json
    assert figures.keys() >= EVALUATED
    assert {key for key, value in figures.items() if value is None} == missing
    shown = command("evaluate", workshop / model, workshop / "sample")
    assert f"{model} on {figures['n']:,} held-out ratings" in shown.out
    assert ("MSE by ratings of the book" in shown.out) == (figures["mse"] is not None)


def test_compare(workshop: Path, command: Command) -> None:
    done = command("compare", workshop / "sample", "--holdout", "random:0.1", "--models", "mean, popularity", "--json")
    board = done.json
    assert board.keys() == {"holdout", "seeds", "folds", "models", "best", "pairs"}
    assert [row["model"] for row in board["models"]] == ["mean", "popularity"]
    assert all(row.keys() >= EVALUATED | {"fit_seconds", "peak_mb"} for row in board["models"])
    assert "fitting mean" in done.err


def test_the_leaderboard_s_order(workshop: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(model: str, mse: float | None, ndcg: float) -> dict[str, Any]:
        return dict.fromkeys(EVALUATED) | {
            "model": model,
            "mse": mse,
            "ndcg_at_10": ndcg,
            "intervals": {"mse": [mse - 0.1, mse + 0.3]} if mse else None,
            "fit_seconds": 1.0,
            "peak_mb": 99.0,
            "verdicts": {},
        }

    rows = [row("popular", None, 0.3), row("worse", 0.9, 0.5), row("better", 0.8, 0.4), row("ranker", None, 0.6)]
    monkeypatch.setattr("shelfaware.evaluation.compare.compare", lambda *_, **__: {"holdout": "user:1", "models": rows})
    lines = command("compare", workshop / "sample").out.splitlines()
    named = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in {one["model"] for one in rows}]
    assert named == ["better", "worse", "ranker", "popular"]
    assert "Held out: user:1" in lines[0]
    assert [line.split()[2] for line in lines if line.split()[:1] == ["better"]] == ["0.200"]


def test_plot(workshop: Path, command: Command, tmp_path: Path) -> None:
    done = command("plot", workshop / "gp", "--out", tmp_path / "model")
    drawn = {path.stem for path in (tmp_path / "model").iterdir()}
    assert drawn == {"learning-curve", "error-by-user", "error-by-book", "calibration"}
    assert {Path(line) for line in done.err.splitlines()} == set((tmp_path / "model").iterdir())
    assert command("plot", workshop / "sample", "--out", tmp_path / "data").code == 0
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"ratings.png", "ratings.svg"}
    assert command("plot", workshop / "all", "--out", tmp_path / "none").code == 0
