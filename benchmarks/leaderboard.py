"""Every model on the same splits: five random ones with paired intervals, then the notebook's own, once.

Few users and many books, where no real table is at hand: `few_readers`, on tables whose truth is known.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.stats import sem, t

from planted_tables import SIZES, planted_table
from results import Figure
from shelfaware.data.splits import Split
from timings import arrays_of, rival

MODELS = (
    "blend",
    "bpmf:shelves",
    "bpmf:ratings",
    "gp:shelves",
    "gp:ratings",
    "gmf",
    "als",
    "autoencoder",
    "bias",
    "mean",
    "ease",
    "popularity",
)
REPEATS, ROUNDS = 5, (1, 2, 3, 4, 5)
RANKS = (6, 12, 20)
"""Of myFM; the tables' own is 12."""
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
    ("gp:shelves", "fit_seconds"): (None, 8),
}
"""On the notebook's split."""


def leaderboard(dataset: Path) -> list[Figure]:
    """Errors on five random splits, everything on the notebook's split, and the tenths of the best single model there."""
    import shelfaware
    from shelfaware.evaluation.compare import compare

    data = shelfaware.load(dataset)
    notebook = compare(data, MODELS, "notebook", on_model=lambda name: print(NOTEBOOK, name, flush=True))
    return [*random_splits(data), *of_board(notebook), *tenths(data)]


def random_splits(data: Any) -> list[Figure]:
    """MSE over five random splits with the interval of `shelfaware compare --repeats 5`, without the lists that it makes too;
    and by how much each model errs more than the best one, with the paired interval."""
    from shelfaware.evaluation.board import squares
    from shelfaware.evaluation.plan import Plan
    from shelfaware.evaluation.protocol import forecasts
    from shelfaware.evaluation.verdicts import Sampled, pairs
    from shelfaware.models.base import of_stars
    from shelfaware.models.registry import create

    samples: dict[str, list[Sampled]] = {name: [] for name in MODELS if name not in ("ease", "popularity")}
    for part in Plan("random:0.1", 0, REPEATS, 0).rounds(data):
        test = part.test.ratings()
        for name, rounds in samples.items():
            held = forecasts(of_stars(create(name, {"seed": part.seed})).fit_stars(part.train), test)
            rounds.append(squares(held))
            print(RANDOM, part.seed, name, float(rounds[-1].values.mean()), flush=True)
        overlap = len(test) / part.train.n_ratings
    means, told = pairs(samples, overlap, less_is_better=True)
    best = min(means, key=lambda name: means[name].mean)
    apart = {pair.a: pair.difference for pair in told if pair.b == best}
    return [
        figure
        for name, mean in means.items()
        for figure in (
            Figure(f"{RANDOM}: {name}: MSE", [mean.mean]),
            Figure(f"{RANDOM}: {name}: MSE, 95 % interval", [mean.low, mean.high]),
            *([Figure(f"{RANDOM}: {name} less {best}: MSE, 95 % interval", _bounds(apart[name]))] if name in apart else []),
        )
    ]


def _bounds(interval: Any) -> list[float]:
    return [interval.low, interval.high]


def of_board(board: dict[str, Any]) -> list[Figure]:
    """Each figure of each model that it has, on the notebook's split."""
    figures = []
    for row in board["models"]:
        for key, what in SHOWN.items():
            if row.get(key) is not None:
                least, most = TARGETS.get((row["model"], key), (None, None))
                unit = "s" if key == "fit_seconds" else ""
                figures.append(Figure(f"{NOTEBOOK}: {row['model']}: {what}", [row[key]], least, most, unit))
    return figures


def tenths(data: Any) -> list[Figure]:
    """90 % intervals of `bpmf:shelves` by tenths of reader activity and of book popularity, on the notebook's split."""
    import shelfaware
    from shelfaware.evaluation.protocol import forecasts
    from shelfaware.evaluation.segments import coverage_by_decile
    from shelfaware.models.base import of_stars
    from shelfaware.models.registry import create

    train, test = shelfaware.split(data, "notebook")
    model = of_stars(create("bpmf:shelves")).fit_stars(train)
    found = coverage_by_decile(forecasts(model, test.ratings()), model.known_readers)
    return [
        Figure(f"bpmf:shelves: inside 90 %, tenths by {of}", [one.mean.mean for one in parts], 0.85, 0.95)
        for of, parts in found.items()
    ]


def few_readers(_dataset: Path) -> list[Figure]:
    """Share of the way from `bias` to the planted truth, on tables of few users and many books (`planted_tables.py`).

    myFM's rank is chosen for it, on a tenth of the training ratings of the first table of a size.
    """
    figures = []
    for size in SIZES:
        rank = chosen_rank(size)
        rounds = [closed(size, seed, rank) for seed in ROUNDS]
        shares = {name: [one[name] for one in rounds] for name in rounds[0]}
        where = f"{size[0]:,} users x {size[1]:,} books"
        figures += [
            Figure(f"{where}: {name}: share of the way from bias to the truth", of, 0.0 if name == "gp" else None, seeds=ROUNDS)
            for name, of in shares.items()
        ]
        apart = np.subtract(shares["bpmf"], shares["myFM"])
        paired = t.interval(0.95, len(apart) - 1, apart.mean(), sem(apart))
        figures.append(Figure(f"{where}: bpmf less myFM, mean", [float(apart.mean())], 0.0))
        figures.append(Figure(f"{where}: bpmf less myFM, paired 95 % interval", [float(bound) for bound in paired]))
        figures.append(Figure(f"{where}: myFM's rank, of {', '.join(map(str, RANKS))}", [rank]))
    return figures


def chosen_rank(size: tuple[int, int, int]) -> int:
    """The rank with which myFM does best on a tenth of the training ratings."""
    from shelfaware.data.splits import split

    train, _ = split(planted_table(*size, ROUNDS[0]).data, "random:0.1", seed=ROUNDS[0])
    validated = split(train, "random:0.1", seed=0)
    return min(RANKS, key=lambda rank: myfm_mse(validated, 0, rank))


def myfm_mse(parts: Split, seed: int, rank: int) -> float:
    """What myFM errs on the second part, having learned from the first."""
    with TemporaryDirectory() as folder:
        arrays = arrays_of(parts, Path(folder) / "planted.npz")
        return float(next(iter(rival("myfm", arrays, seed, rank).values()))["mse"])


def closed(size: tuple[int, int, int], seed: int, rank: int) -> dict[str, float]:
    """The share that `bpmf`, `gp` and myFM of a rank cover on one table."""
    from shelfaware.data.splits import split
    from shelfaware.models.base import of_stars
    from shelfaware.models.registry import create

    table = planted_table(*size, seed)
    train, test = split(table.data, "random:0.1", seed=seed)
    test, mse = test.ratings(), {}
    for name in ("bias", "bpmf", "gp"):
        model = of_stars(create(name)).fit_stars(train)
        stars = model.scale.clip(model.forecast(model.known_readers, test.user_index, test.book_index).stars)
        mse[name] = float(np.mean((stars - test.stars) ** 2))
    mse["myFM"] = myfm_mse((train, test), seed, rank)
    bias, truth = mse.pop("bias"), table.truth_mse(test)
    return {name: (bias - one) / (bias - truth) for name, one in mse.items()}
