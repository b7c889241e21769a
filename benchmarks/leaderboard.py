"""Every model on the same splits: five random ones with paired intervals, then the notebook's own, once.

Few users and many books, where no real table is at hand: `few_readers`, on tables whose truth is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from planted_tables import SIZES, planted_table
from results import Figure

MODELS = (
    "blend",
    "bpmf:shelves",
    "bpmf:ratings",
    "gp:shelves",
    "gp:ratings",
    "gmf",
    "als",
    "bias",
    "mean",
    "ease",
    "popularity",
)
REPEATS, ROUNDS = 5, (1, 2, 3, 4, 5)
RANDOM, NOTEBOOK = "five random splits", "the notebook's split"

SHOWN = {
    "mse": "MSE",
    "coverage_90": "inside 90 %",
    "spearman": "Spearman",
    "auc": "AUC",
    "ndcg_at_10": "nDCG@10, A",
    "ndcg_at_10_unshelved": "nDCG@10, B",
    "fit_seconds": "fit",
}
TARGETS: dict[tuple[str, str], tuple[float | None, float | None]] = {
    ("bpmf:ratings", "mse"): (None, 0.580),
    ("bpmf:shelves", "mse"): (None, 0.565),
    ("blend", "mse"): (None, 0.555),
    ("bpmf:shelves", "coverage_90"): (0.88, 0.92),
    ("bpmf:shelves", "spearman"): (0.40, None),
    ("bpmf:shelves", "auc"): (0.72, None),
    ("gp:shelves", "ndcg_at_10"): (0.64, None),
    ("gp:shelves", "ndcg_at_10_unshelved"): (0.66, None),
    ("bpmf:shelves", "fit_seconds"): (None, 60),
}
"""On the notebook's split."""


def leaderboard(dataset: Path) -> list[Figure]:
    """`shelfaware compare --repeats 5` and `--holdout notebook` over all models, and the tenths of the best single one."""
    import shelfaware
    from shelfaware.evaluation.compare import compare
    from shelfaware.evaluation.plan import Plan

    data = shelfaware.load(dataset)
    random = compare(data, MODELS, Plan("random:0.1", 0, REPEATS, 0), on_model=print)
    notebook = compare(data, MODELS, "notebook", on_model=print)
    return [*of_board(random, RANDOM), *of_board(notebook, NOTEBOOK), *tenths(data)]


def of_board(board: dict[str, Any], split: str) -> list[Figure]:
    """Each figure of each model that it has, and of several rounds the interval of its MSE."""
    figures = []
    for row in board["models"]:
        for key, what in SHOWN.items():
            if row.get(key) is not None:
                least, most = TARGETS.get((row["model"], key), (None, None)) if split == NOTEBOOK else (None, None)
                unit = "s" if key == "fit_seconds" else ""
                figures.append(Figure(f"{split}: {row['model']}: {what}", [row[key]], least, most, unit))
        bounds = (row.get("intervals") or {}).get("mse")
        if split == RANDOM and bounds:
            figures.append(Figure(f"{split}: {row['model']}: MSE, 95 % interval", bounds))
    return figures


def tenths(data: Any) -> list[Figure]:
    """90 % intervals of `bpmf:shelves` by tenths of reader activity and of book popularity, on the notebook's split."""
    import shelfaware
    from shelfaware.evaluation.protocol import forecasts
    from shelfaware.evaluation.segments import coverage_by_decile
    from shelfaware.models.registry import create

    train, test = shelfaware.split(data, "notebook")
    model = create("bpmf:shelves").fit_stars(train)  # type: ignore[attr-defined]
    found = coverage_by_decile(forecasts(model, test.ratings()), model.known_readers)
    return [
        Figure(f"bpmf:shelves: inside 90 %, tenths by {of}", [one.mean.mean for one in parts], 0.85, 0.95)
        for of, parts in found.items()
    ]


def few_readers(_dataset: Path) -> list[Figure]:
    """Share of the way from `bias` to the planted truth, on tables of few users and many books (`planted_tables.py`)."""
    figures = []
    for size in SIZES:
        closed = {name: list[float]() for name in ("bpmf", "gp")}
        for seed in ROUNDS:
            for name, share in _closed(size, seed, closed):
                closed[name].append(share)
        where = f"{size[0]:,} users x {size[1]:,} books"
        figures += [
            Figure(
                f"{where}: {name}: share of the way from bias to the truth", shares, 0.0 if name == "gp" else None, seeds=ROUNDS
            )
            for name, shares in closed.items()
        ]
    return figures


def _closed(size: tuple[int, int, int], seed: int, names: Iterable[str]) -> Iterable[tuple[str, float]]:
    from shelfaware.data.splits import split
    from shelfaware.models.registry import create

    table = planted_table(*size, seed)
    train, test = split(table.data, "random:0.1", seed=seed)
    truth, mse = table.truth_mse(test), {}
    for name in ("bias", *names):
        model = create(name).fit_stars(train)  # type: ignore[attr-defined]
        stars = model.scale.clip(model.forecast(model.known_readers, test.user_index, test.book_index).stars)
        mse[name] = float(np.mean((stars - test.stars) ** 2))
    return [(name, (mse["bias"] - mse[name]) / (mse["bias"] - truth)) for name in names]
