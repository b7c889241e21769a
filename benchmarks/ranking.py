"""What to read next: our rankers beside iALS, BPR and ELSA on the same split, and the best ten for everybody at full speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from results import Figure
from shelfaware.models.base import Ranker
from shelfaware.models.ease import EASE
from timings import in_fresh_process, rival

if TYPE_CHECKING:
    from shelfaware import Interactions
    from shelfaware.arrays import Floats
    from shelfaware.models.base import Model
    from shelfaware.models.readers import Readers

N_USERS, N_BOOKS, FACTORS, MEAN_ROWS, TURNS = 679_113, 14_473, 64, 52, 3
TARGETS = {"gp:shelves": (0.64, 0.66)}


@dataclass(kw_only=True, eq=False)
class Vectors(Ranker):
    """Somebody else's ranker: score = user . book, or x A A^T - x where there are no users."""

    name: ClassVar[str] = "rival"
    books_found: Any = field(repr=False)
    users_found: Any = field(repr=False, default=None)

    def _fit(self, train: Any, validation: Any, run: Any) -> dict[str, Any]:
        return {}

    def _scores(self, readers: Readers) -> Floats:
        if self.users_found is not None:
            return np.asarray(self.users_found[readers.user_index] @ self.books_found.T, np.float64)
        x = readers.dense(EASE().taken(readers), len(self.books_found))
        return np.asarray(x @ self.books_found @ self.books_found.T - x, np.float64)


def ranking(dataset: Path) -> list[Figure]:
    """On the notebook's split; what was chosen was chosen on validation (`validation` prints that)."""
    import shelfaware

    figures = []
    for name, row in table(*shelfaware.split(shelfaware.load(dataset), "notebook")).items():
        least = dict(zip(("nDCG@10, A", "nDCG@10, B"), TARGETS.get(name, (None, None)), strict=True))
        figures += [Figure(f"{name}: {what}", [value], least.get(what)) for what, value in row.items() if value is not None]
    return [*figures, *in_fresh_process(top_ten)]


def validation(dataset: Path) -> None:
    """The same table, the mean of two random tenths of the training ratings."""
    import shelfaware

    train, _ = shelfaware.split(shelfaware.load(dataset), "notebook")
    tables = [table(*shelfaware.split(train, "random:0.1", seed=seed)) for seed in (1, 2)]
    for name, first in tables[0].items():
        known = [what for what in first if first[what] is not None]
        print(name, {what: round(float(np.mean([one[name][what] for one in tables])), 4) for what in known})


def table(train: Interactions, test: Interactions) -> dict[str, dict[str, float | None]]:
    from shelfaware.models.registry import create

    models: dict[str, Callable[[], Model]] = {
        name: lambda name=name: create(name).fit(train) for name in ("popularity", "ease", "gp:ratings", "gp:shelves")
    }
    models["ease, 100 neighbours"] = lambda: EASE(neighbours=100).fit(train)
    return {name: judged(make(), train, test) for name, make in (models | strangers(train)).items()}


def judged(model: Model, train: Interactions, test: Interactions) -> dict[str, float | None]:
    from shelfaware.evaluation.beyond import beyond_accuracy
    from shelfaware.evaluation.protocol import ranked_lists, ranking_figures

    lists = ranked_lists(model, test)
    figures = ranking_figures(lists, test.n_books) | beyond_accuracy(lists, train)
    return {
        "nDCG@10, A": figures["ndcg_at_10"],
        "nDCG@10, B": figures["ndcg_at_10_unshelved"],
        **{f"A, {name} books": value for name, value in figures["ndcg_at_10_by_popularity"].items()},
        "books shown": figures["catalogue_coverage_at_10"],
        "novelty": figures["novelty_at_10"],
        "diversity": figures["diversity_at_10"],
    }


def strangers(train: Interactions) -> dict[str, Callable[[], Model]]:
    """iALS, BPR and ELSA, fitted in an environment of their own."""
    from shelfaware.models.readers import Readers

    with TemporaryDirectory() as folder:
        arrays, out = Path(folder) / "arrays.npz", Path(folder) / "out.npz"
        taken = EASE().taken(Readers.of(train))
        rows = np.column_stack([train.user_index, train.book_index, taken])
        np.savez(arrays, train=rows, shape=np.array([train.n_users, train.n_books]))
        rival("rankers", arrays, out)
        found = dict(np.load(out))
    return {
        name: lambda name=name: Vectors(books_found=found[f"{name} books"], users_found=found.get(f"{name} users")).fit(train)
        for name in ("iALS", "BPR", "ELSA")
    }


def top_ten() -> list[Figure]:
    """Ten of 14,473 books for each of 679,113 users with vectors of 64, in turn with the bare product of the same matrices.

    Both by the seconds of one core that they used: other programs slow them down, but hardly change those.
    """
    from threadpoolctl import threadpool_limits

    from shelfaware.scale.top_n import USERS, top_n_blocked

    rng = np.random.default_rng(0)
    users, books = (rng.normal(size=(n, FACTORS)).astype(np.float32) for n in (N_USERS, N_BOOKS))
    owner = np.repeat(np.arange(N_USERS), rng.integers(0, 2 * MEAN_ROWS, N_USERS))
    owner, has = np.divmod(np.unique(owner * N_BOOKS + rng.integers(0, N_BOOKS, len(owner))), N_BOOKS)
    indptr = np.searchsorted(owner, np.arange(N_USERS + 1))
    out = np.empty((USERS, N_BOOKS), np.float32)

    def product() -> None:
        for first in range(0, N_USERS, USERS):
            some = users[first : first + USERS]
            np.matmul(some, books.T, out=out[: len(some)])

    with threadpool_limits(1):
        runs = [(used(product), used(top_n_blocked, users, books, 10, indptr, has.astype(np.int32))) for _ in range(TURNS)]
    what = f"top 10 of {N_BOOKS:,} books for {N_USERS:,} users"
    return [
        Figure(f"{what}: share of the bare product's speed", [a / b for a, b in runs], 0.5, judged="median"),
        Figure(f"{what}: users a second and core", [N_USERS / b for _, b in runs], judged="median"),
    ]


def used(call: Callable[..., object], *arguments: object) -> float:
    """Processor seconds."""
    started = time.process_time()
    call(*arguments)
    return time.process_time() - started
