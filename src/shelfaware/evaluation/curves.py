"""How a model fares with less: of the data, of a reader's ratings, of a book's. MSE with its interval at every point.

Each curve judges all its points on the same held-out ratings, so that a step of it is the model's and not the sample's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.errors import EvaluationError
from shelfaware.evaluation import metrics
from shelfaware.evaluation.metrics import Interval
from shelfaware.evaluation.plan import Round
from shelfaware.evaluation.protocol import forecasts
from shelfaware.models.base import RatingModel
from shelfaware.models.registry import create
from shelfaware.seeding import generator

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
FIRST = (0, 1, 2, 5, 10, 20)
"""Ratings that a cold user or book has."""
COLD_SHARE = 0.2
"""Of the users or books with more than FIRST[-1] ratings, how many are taken for cold; at least LEAST_COLD where there are."""
LEAST_COLD = 30


@dataclass(frozen=True)
class Point:
    """The error at one amount of data: `x` is a share, or a number of ratings."""

    x: float
    mse: Interval


@dataclass(frozen=True)
class Curve:
    """The points in ascending order, and how much the last errs more than the first, paired by rating."""

    points: list[Point]
    change: Interval


def rating_model(name: str, seed: int) -> RatingModel:
    """A model by name. Raises EvaluationError for one that predicts no stars."""
    model = create(name, {"seed": seed})
    if not isinstance(model, RatingModel):
        raise EvaluationError(f"{name} predicts no stars, so it has no error to draw")
    return model


def by_size(name: str, part: Round, *, of: Literal["ratings", "users"] = "ratings", shares: Sequence[float] = SHARES) -> Curve:
    """MSE of a model fitted on a share of the training rows, or of the training users; each share holds the smaller ones.

    A model fitted on some users is then told the histories of all, as strangers; one that has a row for each user it was
    trained on cannot be asked.
    """
    if of == "users" and rating_model(name, 0).holds_users:
        raise EvaluationError(f"{name} has a row for each user it was trained on and cannot answer a stranger")
    errors = {}
    for share in shares:
        some = part.train.take(_some(part, of) < share)
        model = rating_model(name, part.seed).fit(some)
        model.know(part.train if of == "users" else some)
        errors[share] = _squares(model, part.test)
    return _curve(errors, part.test)


def _some(part: Round, of: Literal["ratings", "users"]) -> AnyArray:
    """A place from 0 to 1 of each training row in a random order of all rows, or of their users."""
    n = len(part.train) if of == "ratings" else part.train.n_users
    place = generator(part.seed, "learning curve").permutation(n) / max(n, 1)
    return place if of == "ratings" else place[part.train.user_index]


def _squares(model: RatingModel, test: Interactions) -> Floats:
    held = forecasts(model, test.ratings())
    return metrics.squared_errors(held.test.stars, held.clipped)


def _curve(errors: Mapping[float, Floats], test: Interactions, of: Literal["users", "books"] = "users") -> Curve:
    """From the squared errors on the ratings of `test` at each amount of data; who is new is drawn again whole."""
    index = test.user_index if of == "users" else test.book_index
    groups, first, last = index[test.rated], min(errors), max(errors)
    points = [Point(x, metrics.bootstrap_mean(squares, groups=groups)) for x, squares in errors.items()]
    return Curve(points, metrics.paired_difference(errors[last], errors[first], groups=groups))


@dataclass(frozen=True, eq=False)
class Cold:
    """Some users, or books, that are taken for new.

    turn  i64 [n]  the place of a row among its owner's ratings, from 0; OTHERS in rows of nobody new, UNRATED in their shelves
    """

    data: Interactions
    turn: Positions

    def told(self, n: int) -> Interactions:
        """The first n ratings of each."""
        return self.data.take((self.turn >= 0) & (self.turn < n))

    def known(self, n: int) -> Interactions:
        """The rows of everybody else, and the first n ratings of each."""
        return self.data.take((self.turn == OTHERS) | ((self.turn >= 0) & (self.turn < n)))

    @property
    def test(self) -> Interactions:
        """The ratings that are predicted, the same however many are told."""
        return self.data.take(self.turn >= FIRST[-1])


OTHERS, UNRATED = -1, -2


def cold(data: Interactions, of: Literal["user", "book"], *, seed: int = 0) -> Cold:
    """Some of the users (or books) with more than FIRST[-1] ratings. Raises EvaluationError where there are not two.

    Ratings are in the order of their times where those are known, else in a random one.
    """
    index = data.user_index if of == "user" else data.book_index
    able = np.flatnonzero((data.user_ratings() if of == "user" else data.book_ratings()) > FIRST[-1])
    if len(able) < 2:
        raise EvaluationError(f"fewer than two {of}s have more than {FIRST[-1]} ratings, so none can be taken for new")
    size = min(max(int(COLD_SHARE * len(able)), LEAST_COLD), len(able) // 2)
    chosen = generator(seed, f"cold {of}s").choice(able, size, replace=False)
    theirs = np.isin(index, chosen)
    turn = np.where(theirs, UNRATED, OTHERS)
    turn[theirs & data.rated] = _turns(data.take(theirs & data.rated), index[theirs & data.rated], seed)
    return Cold(data, turn)


def _turns(rated: Interactions, owner: AnyArray, seed: int) -> Positions:
    """The place of each row among its owner's, from 0 [n]."""
    chance = generator(seed, "turns").random(len(rated))
    when = chance if rated.time is None or np.isnat(rated.time).any() else rated.time
    order = np.lexsort((chance, when, owner))
    turn = np.empty(len(rated), np.int64)
    turn[order] = np.arange(len(rated)) - np.searchsorted(owner[order], owner[order])
    return turn


def cold_users(name: str, people: Cold, *, seed: int = 0) -> Curve:
    """MSE for strangers of whom the first 0, 1, 2, ... ratings are told; they took no part in the fit."""
    model = rating_model(name, seed)
    if model.holds_users:
        raise EvaluationError(f"{name} has a row for each user it was trained on and cannot answer a stranger")
    model.fit(people.known(0))
    return _curve({n: _squares(model.know(people.told(n)), people.test) for n in FIRST}, people.test)


def cold_books(name: str, books: Cold, *, seed: int = 0) -> Curve:
    """MSE for books that have 0, 1, 2, ... ratings in the training data: a fit for each."""
    errors: dict[float, Floats] = {n: _squares(rating_model(name, seed).fit(books.known(n)), books.test) for n in FIRST}
    return _curve(errors, books.test, of="books")
