"""The answer to "what should I read next?": books in order, what we would guess, how sure, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import Floats, Mask, Positions
from shelfaware.data.ids import Id
from shelfaware.data.interactions import TO_READ
from shelfaware.errors import DataError, ModelError
from shelfaware.library.library import Library
from shelfaware.models.base import Explanation, Model, RatingModel, of_stars
from shelfaware.models.picking import picks, scores
from shelfaware.models.readers import Readers
from shelfaware.recommending.choosing import choose
from shelfaware.recommending.recommendations import Recommendation, Recommendations, Share, Why
from shelfaware.recommending.strangers import Person, person_of
from shelfaware.recommending.wishes import Wishes, allowed, in_series_order

Who = Id | Mapping[Id, float] | Readers | Person | Library
"""Who can be answered: a known user's id, a stranger's {book id or title: stars}, a Library, a Person, or one of Readers."""

TENTH = 1.2815515655446004
"""Deviations from the middle of a normal distribution to its outer tenths: between them lie 80 %."""

REASONS = 20
"""Rated books that a reason names; the others' shares are summed."""

PLAUSIBLE = 200
"""Books that somebody could take up: so many of the likeliest."""

NO_WISHES = Wishes()


@dataclass(frozen=True)
class Asker:
    """Who asks: what the model is told of them, and which books they have, in any edition or state, or have read."""

    reader: Readers
    has: Mask
    read: Mask

    @classmethod
    def of(cls, model: Model, who: Who) -> Asker:
        person = person_for(model, who)
        reader, works = person.reader, model.catalogue.works
        started = reader.book_index[reader.shelf != TO_READ]
        has = np.isin(works, works[np.concatenate([reader.book_index, person.besides])])
        return cls(reader, has, np.isin(works, works[np.concatenate([started, person.besides])]))


def recommend(
    model: Model,
    who: Who,
    n: int = 10,
    wishes: Wishes = NO_WISHES,
    *,
    reasons: int | None = REASONS,
) -> Recommendations:
    """The n best books for a known user's id, a stranger's {book id or title: stars}, a Library, or one of Readers.

    By the combined score of `models.picking`, ties by id, as `wishes` has it; never a book that they have, rated or on a
    shelf, in any edition. `reasons`: how many rated books the reasons name; None: all.
    """
    _check_count(n)
    asker, books = Asker.of(model, who), model.catalogue
    score = _adventurous(model, asker.reader, wishes)
    score[asker.has | ~allowed(books, wishes)] = -np.inf
    if wishes.in_order:
        score[~in_series_order(books, asker.read)] = -np.inf
    chosen = choose(books, _one_edition(model, score), n, wishes, model.vectors)
    return answers(model, asker.reader, chosen, score, reasons)


def rank_to_read(model: Model, who: Who, wishes: Wishes = NO_WISHES) -> Recommendations:
    """The books on a reader's own to-read shelf, those first of which we expect most: stars + adventure * deviation."""
    asker = Asker.of(model, who)
    mine = asker.reader.book_index[asker.reader.shelf == TO_READ].astype(np.int64)
    mine = mine[allowed(model.catalogue, wishes)[mine]]
    expected = _expected(model, asker.reader, mine, wishes.adventure)
    return answers(model, asker.reader, mine[np.argsort(-expected[mine], kind="stable")], expected)


def would_dislike(model: Model, who: Who, n: int = 10, wishes: Wishes = NO_WISHES) -> Recommendations:
    """The n books of which we expect least among the PLAUSIBLE that they would likeliest take up."""
    _check_count(n)
    asker = Asker.of(model, who)
    pick = picks(model, asker.reader)[0]  # [n_books]
    pick[asker.has | ~allowed(model.catalogue, wishes)] = -np.inf
    plausible = np.argsort(-pick, kind="stable")[:PLAUSIBLE]
    plausible = plausible[np.isfinite(pick[plausible])]
    expected = _expected(model, asker.reader, plausible, wishes.adventure)
    worst = plausible[np.argsort(expected[plausible], kind="stable")][:n]
    return answers(model, asker.reader, worst, expected)


def answers(
    model: Model, reader: Readers, book_index: Positions, score: Floats, reasons: int | None = REASONS
) -> Recommendations:
    """A Recommendation for each of `book_index` [n], in that order; `score` [n_books]."""
    n, books, n_ratings = len(book_index), model.catalogue, model.n_ratings
    stars = low = high = deviation = np.full(n, np.nan)
    why: list[Why | None] = [None] * n
    if isinstance(model, RatingModel):
        explanation, given = model.explain(reader, book_index), reader.stars[reader.rated]
        expected, clip = explanation.stars, model.scale.clip
        deviation = deviation if explanation.deviation is None else explanation.deviation
        low, stars, high = clip(expected - TENTH * deviation), clip(expected), clip(expected + TENTH * deviation)
        why = [_why(model, explanation, given, i, reasons) for i in range(n)]
    return Recommendations(
        Recommendation(
            book_id=books.ids.id_of(b),
            title=books.title(b),
            authors=books.authors(b),
            stars=_known(stars[i]),
            low=_known(low[i]),
            high=_known(high[i]),
            deviation=_known(deviation[i]),
            n_ratings=int(n_ratings[b]),
            score=float(score[b]),
            why=why[i],
        )
        for i, b in enumerate(book_index.tolist())
    )


def _adventurous(model: Model, reader: Readers, wishes: Wishes) -> Floats:
    """The combined score + adventure * deviation [n_books]."""
    score = scores(model, reader, own=False)[0]
    if wishes.adventure:
        score = score + wishes.adventure * _deviation(model, reader, np.arange(len(score)))
    return np.asarray(score, np.float64)


def _deviation(model: Model, reader: Readers, book_index: Positions) -> Floats:
    forecast = of_stars(model).forecast(reader, np.zeros(len(book_index), np.int64), book_index)
    if forecast.deviation is None:
        raise ModelError(f"{model.name} does not know how sure it is, so there is no safe and no adventurous; train a gp")
    return forecast.deviation


def _expected(model: Model, reader: Readers, book_index: Positions, adventure: float) -> Floats:
    """stars + adventure * deviation of the books at `book_index`, NaN elsewhere [n_books]."""
    expected = np.full(len(model.catalogue), np.nan)
    expected[book_index] = of_stars(model).forecast(reader, np.zeros(len(book_index), np.int64), book_index).stars
    if adventure:
        expected[book_index] += adventure * _deviation(model, reader, book_index)
    return expected


def _one_edition(model: Model, score: Floats) -> Floats:
    """The scores with -inf for every edition of a work but its best."""
    works = model.catalogue.works
    order = np.argsort(-score, kind="stable")
    _, first = np.unique(works[order], return_index=True)
    best = np.full(len(score), -np.inf)
    best[order[first]] = score[order[first]]
    return best


def _why(model: Model, explanation: Explanation, given: Floats, i: int, reasons: int | None) -> Why:
    shares, rated, books = explanation.shares[i], explanation.books, model.catalogue
    order = np.argsort(-np.abs(shares), kind="stable")
    named, rest = (order, order[:0]) if reasons is None else (order[:reasons], order[reasons:])
    listed = [Share(books.ids.id_of(rated[j]), books.title(rated[j]), float(given[j]), float(shares[j])) for j in named]
    return Why(float(explanation.base[i]), float(explanation.shelves[i]), listed, float(shares[rest].sum()), len(rest))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _check_count(n: int) -> None:
    if n < 1:
        raise DataError(f"{n} books cannot be recommended; ask for 1 or more")


def person_for(model: Model, who: Who) -> Person:
    """What the model is told of somebody, and what else they have."""
    if isinstance(who, Library):
        return person_of(who, model)
    if isinstance(who, Person):
        return who
    if isinstance(who, Mapping):
        return Person(Readers.stranger(model.catalogue, model.scale, who))
    reader = who if isinstance(who, Readers) else model.reader(who)
    if len(reader) != 1:
        raise DataError(f"recommendations are for one reader, not {len(reader)}")
    return Person(reader)
