"""`gp` trained on a dataset that does not fit: the same fit and the same ranker, their rows read a part at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shelfaware.arrays import Positions
from shelfaware.data.parts import Parts
from shelfaware.models.base import Origin, Ranker, star_counts
from shelfaware.models.baselines import Popularity
from shelfaware.models.ease import EASE
from shelfaware.models.gp import GP
from shelfaware.models.picking import judges, star_weight_of
from shelfaware.models.readers import Readers
from shelfaware.models.source import Source
from shelfaware.training.loop import Run


def fit_parts(model: GP, parts: Parts, run: Run | None = None) -> GP:
    """Learns what `fit_stars` learns from a dataset folder, two of its parts in memory at a time; no ranker.

    With one part it learns the same, bit for bit. No rating is watched, so patience does nothing. What must be kept of all
    parts stands in files without a name beside the run's checkpoint. The model knows no users afterwards: `know` gives it
    some, or all.
    """
    from shelfaware.models.gp_fitting import fitted

    run = run or Run()
    model._check_settings()
    model.written_version = ""
    model.books, model.scale, model.simulated = parts.books, parts.scale, parts.simulated
    model.origin, model.users, model.readers = Origin(parts.fingerprint, parts.ratings), None, None
    arrays = fitted(model, _source(model, parts, run), None, run)
    counts = sum((star_counts(part) for part in parts), np.zeros((parts.n_books, 1), np.int32))  # [n_books, n_values]
    model.arrays = {**arrays, "star_counts": counts}
    return model


def rank_parts(model: GP, parts: Parts, run: Run | None = None, *, by_popularity: bool = False) -> GP:
    """Gives a model of `fit_parts` the ranker that a fit in memory gives it, and its weight of stars.

    `by_popularity`: the number of ratings of each book in its place, where EASE would take too much. The model then knows the
    users of the first part.
    """
    source = _source(model, parts, run or Run())
    ranker: Ranker = Popularity() if by_popularity else EASE()
    ranker.books, ranker.scale, ranker.simulated, ranker.origin = model.books, model.scale, model.simulated, model.origin
    if isinstance(ranker, EASE):
        arrays = ranker.learned(_Histories(source), source.n_books, source.folder)
    else:
        arrays = {"count": model.n_ratings.astype(np.float64)}
    ranker.arrays = {**arrays, "star_counts": model.arrays["star_counts"]}
    some = _some(parts, judges(model.seed, *_rated(parts)))
    model.ranker, model.star_weight = ranker, star_weight_of(model, ranker, some)
    return model.know(parts.part(0))


def _source(model: GP, parts: Parts, run: Run) -> Source:
    folder = run.checkpoint.parent if run.checkpoint else Path(tempfile.gettempdir())
    return Source.of_parts(parts, folder, shelves=model.uses_shelves)


@dataclass(frozen=True, eq=False)
class _Histories:
    """The readers of each part, any number of times."""

    source: Source

    def __iter__(self) -> Iterator[Readers]:
        return map(Readers.of, self.source)


def _rated(parts: Parts) -> tuple[Positions, int]:
    """How many books each user rated [n_users], and one more than the last book on any shelf."""
    n_ratings, n_books = np.zeros(parts.n_users, np.int64), 1
    for part in parts:
        n_ratings += part.user_ratings()
        n_books = max(n_books, int(part.book_index.max(initial=0)) + 1)
    return n_ratings, n_books


def _some(parts: Parts, users: Positions) -> Readers:
    """The readers of some users, ascending, whichever part they are in."""
    chosen = np.zeros(parts.n_users, bool)
    chosen[users] = True
    pieces = []
    for part in parts:
        mine = np.unique(part.user_index)
        pieces.append(Readers.of(part).take(mine[chosen[mine]].astype(np.int64)))
    return Readers.joined(pieces)
