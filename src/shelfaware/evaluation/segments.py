"""Where a model errs and where it is too sure: its error, its bias and its intervals by kind of reader and of book.

Every figure is of many ratings of several users and books: a segment below LEAST_RATINGS, LEAST_USERS or LEAST_BOOKS is left
out, so that none is of one person or one title.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Mask
from shelfaware.data.interactions import Interactions
from shelfaware.evaluation import calibration, metrics
from shelfaware.evaluation.metrics import Decile, Interval, bootstrap_mean
from shelfaware.evaluation.protocol import Held, activity
from shelfaware.models.readers import Readers

LEAST_RATINGS, LEAST_USERS, LEAST_BOOKS = 50, 20, 5
LEVEL = 0.99
"""Of the intervals of mean errors: some forty segments are looked at, and one in twenty would stand out by chance."""
MOST = 5


@dataclass(frozen=True)
class Segment:
    """Ratings of one kind: `error` is their mean stars - prediction, positive where the model guesses too low."""

    name: str
    n: int
    error: Interval
    mse: float


def coverage_by_decile(held: Held, train: Readers, level: float = 0.9) -> dict[str, list[Decile]]:
    """The share of ratings inside their `level` interval, by tenths of user activity and of book popularity.

    Empty where the model has no deviation.
    """
    if held.forecast.deviation is None:
        return {}
    inside = calibration.inside_interval(held.test.stars, held.clipped, held.forecast.deviation, level)
    users = held.test.user_index
    return {of: metrics.by_decile(inside, counts, groups=users) for of, counts in activity(train, held.test).items()}


def systematic_errors(held: Held, train: Readers, *, most: int = MOST) -> list[Segment]:
    """The segments whose mean error is farthest from 0 and whose interval leaves 0 out, the worst first."""
    residual = metrics.residuals(held.test.stars, held.clipped)
    found = [
        _segment(name, mask, residual, held.test)
        for name, mask in kinds(train, held.test)
        if _enough(mask, held.test) and len(np.unique(held.test.book_index[mask])) >= LEAST_BOOKS
    ]
    real = [one for one in found if 0 not in one.error]
    return sorted(real, key=lambda one: -abs(one.error.mean))[:most]


def kinds(train: Readers, test: Interactions) -> Iterator[tuple[str, Mask]]:
    """Kinds of held-out ratings that are known before their stars are, each with who belongs to it [n]."""
    for of, counts in activity(train, test).items():
        tenth = metrics.equal_count_bins(counts)
        for one in np.unique(tenth):
            inside = tenth == one
            yield f"{_WHOSE[of]} {_span(counts[inside])} ratings", inside
    yield from _habits(train, test)
    yield from _genres(test)
    yield from _years(test)


_WHOSE = {"user": "readers with", "book": "books with"}


def _habits(train: Readers, test: Interactions) -> Iterator[tuple[str, Mask]]:
    """Readers by how generous they have been."""
    total = np.bincount(train.owner[train.rated], train.stars[train.rated], minlength=len(train))
    mean = np.where(train.n_ratings > 0, total / np.maximum(train.n_ratings, 1), np.nan)[test.user_index]
    low, high = test.scale.min, test.scale.max
    edges = low + (high - low) * np.array([0.0, 0.5, 0.625, 0.75, 0.875, 1.0])
    for least, below in zip(edges, [*edges[1:-1], high + 1], strict=False):
        upper = min(below, high)
        yield f"readers whose mean is {least:g} to {upper:g} stars", (mean >= least) & (mean < below)


def _genres(test: Interactions) -> Iterator[tuple[str, Mask]]:
    genres = test.books.table["genres"]
    for genre in genres.explode().drop_nulls().unique().sort().to_list():
        yield f"books of the genre {genre}", genres.list.contains(genre).to_numpy()[test.book_index]


def _years(test: Interactions) -> Iterator[tuple[str, Mask]]:
    year = test.books.table["year"].cast(float).fill_null(float("nan")).to_numpy()[test.book_index]
    for name, least, below in _AGES:
        yield name, (year >= least) & (year < below)


_AGES = (
    ("books from before 1900", -1e4, 1900),
    ("books from 1900 to 1949", 1900, 1950),
    ("books from 1950 to 1979", 1950, 1980),
    ("books from 1980 to 1999", 1980, 2000),
    ("books from 2000 on", 2000, 1e4),
)


def _enough(mask: Mask, test: Interactions) -> bool:
    return int(mask.sum()) >= LEAST_RATINGS and len(np.unique(test.user_index[mask])) >= LEAST_USERS


def _segment(name: str, mask: Mask, residual: Floats, test: Interactions) -> Segment:
    error = bootstrap_mean(residual[mask], groups=test.user_index[mask], level=LEVEL)
    return Segment(name, int(mask.sum()), error, float(np.mean(residual[mask] ** 2)))


def _span(counts: AnyArray) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def titles_apart(held: Held, *, most: int = MOST) -> list[Segment]:
    """Books by the same rule as `systematic_errors`. For simulated ratings alone: of others no title is named."""
    if not held.test.simulated:
        return []
    residual = metrics.residuals(held.test.stars, held.clipped)
    found = []
    for book in np.unique(held.test.book_index):
        mask = held.test.book_index == book
        if _enough(mask, held.test):
            found.append(_segment(held.test.books.title(int(book)), mask, residual, held.test))
    return sorted((one for one in found if 0 not in one.error), key=lambda one: -abs(one.error.mean))[:most]
