"""The answer to "what should I read next?": books in order, what we would guess, how sure, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import Floats, Positions
from shelfaware.data.ids import Id
from shelfaware.errors import DataError
from shelfaware.models.base import Explanation, Model, RatingModel
from shelfaware.models.picking import scores
from shelfaware.models.readers import Readers


@dataclass(frozen=True)
class Share:
    """What one rated book, given `stars`, adds to the expected stars of another."""

    book_id: Id
    title: str
    stars: float
    share: float


@dataclass(frozen=True)
class Why:
    """base + shelves + all shares = the expected stars before clipping. Books by the size of their share, largest first."""

    base: float
    shelves: float
    books: list[Share]


@dataclass(frozen=True)
class Recommendation:
    """One book. stars, deviation and why are None where the model has no stars, variance or reasons."""

    book_id: Id
    title: str
    authors: list[str]
    stars: float | None
    deviation: float | None
    score: float
    why: Why | None


def recommend(model: Model, who: Id | Mapping[Id, float] | Readers, n: int = 10) -> list[Recommendation]:
    """The n best books for a known user's id, for a stranger's {book id or title: stars}, or for one of Readers.

    By the combined score of `models.picking`, ties by id; never a book that they have, rated or on a shelf.
    """
    if n < 1:
        raise DataError(f"{n} books cannot be recommended; ask for 1 or more")
    reader = _reader(model, who)
    score = scores(model, reader)[0]  # [n_books]
    score[reader.book_index] = -np.inf
    order = np.argsort(-score, kind="stable")[:n]
    return answers(model, reader, order[np.isfinite(score[order])], score)


def answers(model: Model, reader: Readers, book_index: Positions, score: Floats) -> list[Recommendation]:
    """A Recommendation for each of `book_index` [n], in that order; `score` [n_books]."""
    n, books = len(book_index), model.catalogue
    stars: list[float | None] = [None] * n
    deviation: list[float | None] = [None] * n
    why: list[Why | None] = [None] * n
    if isinstance(model, RatingModel):
        forecast = model.forecast(reader, np.zeros(n, np.int64), book_index)
        stars = model.scale.clip(forecast.stars).tolist()
        deviation = deviation if forecast.deviation is None else forecast.deviation.tolist()
        explanation = model.explain(reader, book_index)
        given = reader.stars[reader.rated]
        why = [_why(model, explanation, given, i) for i in range(n)]
    return [
        Recommendation(books.ids.id_of(b), books.title(b), books.authors(b), stars[i], deviation[i], float(score[b]), why[i])
        for i, b in enumerate(book_index.tolist())
    ]


def _why(model: Model, explanation: Explanation, given: Floats, i: int) -> Why:
    shares, rated, books = explanation.shares[i], explanation.books, model.catalogue
    order = np.argsort(-np.abs(shares), kind="stable")
    reasons = [Share(books.ids.id_of(rated[j]), books.title(rated[j]), float(given[j]), float(shares[j])) for j in order]
    return Why(float(explanation.base[i]), float(explanation.shelves[i]), reasons)


def _reader(model: Model, who: Id | Mapping[Id, float] | Readers) -> Readers:
    if isinstance(who, Readers):
        if len(who) != 1:
            raise DataError(f"recommendations are for one reader, not {len(who)}")
        return who
    if isinstance(who, Mapping):
        return Readers.stranger(model.catalogue, model.scale, who)
    return model.reader(who)
