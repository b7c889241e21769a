"""How good the models are: on the notebook's split of the original data, and on the simulated sample."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results import SEEDS, Figure

if TYPE_CHECKING:
    from shelfaware import GMF, Interactions

DRAWS = tuple(range(20))
DEAD_DEVIATION = 1e-3
"""Stars; a network whose output deviates less than this over its training rows is dead."""


def accuracy(dataset: Path) -> list[Figure]:
    """The notebook's network, `gmf` and `gp` on the notebook's test ratings, once a seed."""
    import shelfaware

    data = shelfaware.load(dataset)
    runs = [shelfaware.rerun_notebook(data, seed=seed) for seed in SEEDS]
    gmf, ratings, shelves = (evaluations(data, "notebook", name) for name in ("gmf", "gp:ratings", "gp:shelves"))
    return [
        _of("notebook: rows to train on", [run["train_rows"] for run in runs], 120_751, 120_751),
        _of("notebook: rows to validate on", [run["validation_rows"] for run in runs], 30_188, 30_188),
        _of("notebook: loss of the last epoch", [run["loss"][-1] for run in runs], 0.075, 0.095),
        _of("notebook: test MSE", [run["test_mse"] for run in runs], 0.67, 0.80),
        _of("gmf: test MSE", _each(gmf, "mse"), None, 0.67),
        _of("gp from ratings alone: test MSE", _each(ratings, "mse"), None, 0.590),
        _of("gp with shelf states: test MSE", _each(shelves, "mse"), None, 0.578),
        *(
            _of(f"{of}: {what}", _each(figures, key), least, most)
            for of, figures in (("gp from ratings alone", ratings), ("gp with shelf states", shelves))
            for what, key, least, most in CALIBRATION
        ),
        _of("gp from ratings alone: nDCG@10, A", _each(ratings, "ndcg_at_10"), 0.615),
        _of("gp with shelf states: nDCG@10, A", _each(shelves, "ndcg_at_10"), 0.615),
        _of("gp with shelf states: nDCG@10, B", _each(shelves, "ndcg_at_10_unshelved"), 0.64),
    ]


CALIBRATION = (
    ("share inside the 90 % interval", "coverage_90", 0.88, 0.92),
    ("Spearman of error and deviation", "spearman", 0.38, None),
    ("AUC of errors above 1 star", "auc", 0.70, None),
)


def networks(dataset: Path) -> list[Figure]:
    """How many of 20 fits end as a network that returns one number, at 16 and 99 factors."""
    import shelfaware
    from shelfaware.models.registry import create

    train, _ = shelfaware.split(shelfaware.load(dataset), "notebook")
    figures = []
    for name, factors in itertools.product(("gmf",), (16, 99)):
        fits = [fate(create(name, {"seed": seed, "factors": factors}), train) for seed in DRAWS]
        dead, thrown_away = (sum(counts) for counts in zip(*fits, strict=True))
        figures += [
            Figure(f"{name}, {factors} factors: dead networks returned, of 20", [dead], None, 0, seeds=DRAWS),
            Figure(f"{name}, {factors} factors: dead draws thrown away", [thrown_away], seeds=DRAWS),
        ]
    return figures


def fate(model: Any, train: Interactions) -> tuple[bool, int]:
    """Whether the fit returned a dead network, and the dead draws it threw away; a fit that gives up returns nothing."""
    from shelfaware.models.gmf import DeadNetworkError

    try:
        model.fit(train)
    except DeadNetworkError as death:
        return False, death.history.redraws
    return output_deviation(model, train) < DEAD_DEVIATION, model.history.redraws


def output_deviation(model: GMF, train: Interactions) -> float:
    """Deviation of a relu(w . (u * v) + c) + d over the training rows, in stars: what the network says without its biases."""
    rated, head = train.ratings(), model.arrays["head"]
    users, books = (model.arrays[name][:, : model.factors] for name in ("users", "books"))
    dot = np.einsum("nk,nk,k->n", users[rated.user_index], books[rated.book_index], head[:-3])
    return float(np.std(head[-2] * np.maximum(dot + head[-3], 0) + head[-1]))


def sample(dataset: Path) -> list[Figure]:
    """The share of the way from `bias` to the planted truth that `gp` covers on the default sample. Needs no `dataset`."""
    import shelfaware

    simulation = shelfaware.simulate(shelfaware.load_catalogue())
    train, test = shelfaware.split(simulation.data, "random:0.1")
    truth = simulation.truth_mse_of(test)
    bias = shelfaware.evaluate(shelfaware.Bias().fit(train), test)["mse"]
    gp = _each(evaluations(simulation.data, "random:0.1", "gp"), "mse")
    return [
        _of("sample: share of the way from bias to the truth", [(bias - mse) / (bias - truth) for mse in gp], 0.60),
        Figure("sample: test MSE of bias", [bias]),
        _of("sample: test MSE of gp", gp),
        Figure("sample: test MSE of the planted truth", [truth]),
    ]


def evaluations(data: Interactions, holdout: str, name: str) -> list[dict[str, Any]]:
    """The figures of one model, once a seed."""
    import shelfaware
    from shelfaware.models.registry import create

    train, test = shelfaware.split(data, holdout)
    return [shelfaware.evaluate(create(name, {"seed": seed}).fit(train), test) for seed in SEEDS]


def _each(evaluated: Sequence[dict[str, Any]], key: str) -> list[float]:
    return [figures[key] for figures in evaluated]


def _of(what: str, values: Sequence[float], least: float | None = None, most: float | None = None) -> Figure:
    return Figure(what, values, least, most, seeds=SEEDS)
