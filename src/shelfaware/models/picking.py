"""Two questions in one score: would they pick it up (a ranker), and would they love it (a rating model)?

    score_j = log(max(pick_j, FLOOR)) + star_weight * stars_j          pick from the ranker, stars clipped to the scale

`star_weight` is fitted without a second fit and without a metric: each loved book of a reader, left out, should have been
chosen among the books they do not have. With x = (log pick, stars) that is a conditional logit,

    P(i) = exp(w . x_i) / (exp(w . x_i) + sum over books j not in the history of exp(w . x_j))

maximised over w = (w_pick, w_stars); star_weight = w_stars / w_pick, if both are positive. EASE's zero diagonal leaves a
book's own entry out of its pick; the rating model says what its stars would be were it not rated (`left_out`).
"""

from __future__ import annotations

import numpy as np

from shelfaware.arrays import Floats, Mask, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.errors import ModelError
from shelfaware.models.base import Model, Ranker, RatingModel
from shelfaware.models.ease import EASE
from shelfaware.models.readers import Readers
from shelfaware.seeding import generator

FLOOR = 1e-3
"""The least pick that counts: EASE can be negative, and its logarithm must not rule the score."""

MOST_READERS = 1000
"""Readers that the weight is fitted on, fewer where MOST_CELLS readers x books are less."""
MOST_CELLS = 4_000_000


def fit_ranker(train: Interactions) -> Ranker:
    """EASE, whole or truncated, as the number of books has it."""
    return EASE().fit(train)


def scores(model: Model, readers: Readers, *, own: bool = True) -> Floats:
    """What `model` would recommend by: the score of each reader and book, higher is better [n_readers, n_books].

    Without `own`, which costs time, the scores of books that a reader has mean nothing.
    """
    pick = picks(model, readers)  # [n_readers, n_books]
    if not isinstance(model, RatingModel):
        return pick
    pick = np.log(np.maximum(pick, FLOOR))
    if not model.star_weight:
        return np.asarray(pick)
    return np.asarray(pick + model.star_weight * model.scale.clip(model.expect(readers, own=own)), np.float64)


def picks(model: Model, readers: Readers) -> Floats:
    """How likely each reader is to pick up each book, as the model's ranker scores it [n_readers, n_books]."""
    if isinstance(model, Ranker):
        return model.scores(readers)
    if not (isinstance(model, RatingModel) and model.ranker):
        raise ModelError(f"this {model.name} has no ranker, so it cannot recommend; train it again")
    return model.ranker.scores(model.told(readers))


def fit_star_weight(model: RatingModel, ranker: Ranker, readers: Readers) -> float:
    """The weight of stars beside log pick; 0 where the model cannot leave a book out or its stars say nothing."""
    some = judges(model.seed, readers.n_ratings, int(readers.book_index.max(initial=0)) + 1)
    return star_weight_of(model, ranker, readers.take(some))


def judges(seed: int, n_ratings: Positions, n_books: int) -> Positions:
    """The users that the weight is fitted on, ascending: some of those with several ratings, of n_ratings [n_users]."""
    several = np.flatnonzero(n_ratings > 1)
    size = min(MOST_READERS, max(MOST_CELLS // n_books, 1), len(several))
    return np.sort(generator(seed, "star weight").choice(several, size, replace=False))


def star_weight_of(model: RatingModel, ranker: Ranker, some: Readers) -> float:
    """`fit_star_weight` on all of `some`."""
    left_out = model.left_out(some)
    loved = some.stars[some.rated] >= model.scale.loved
    if left_out is None or not loved.any():
        return 0.0
    owner, book = some.owner[some.rated][loved], some.book_index[some.rated][loved]
    pick = np.log(np.maximum(ranker.scores(model.told(some)), FLOOR))  # [b, n_books]
    features = np.stack([pick, model.scale.clip(model.expect(some, own=False))], axis=-1)  # [b, n_books, 2]
    chosen = np.stack([pick[owner, book], model.scale.clip(left_out[loved])], axis=-1)  # [n, 2]
    w_pick, w_stars = conditional_logit(features, ~some.has(pick.shape[1]), chosen, owner)
    return float(w_stars / w_pick) if min(w_pick, w_stars) > 0 else 0.0


def conditional_logit(features: Floats, candidates: Mask, chosen: Floats, owner: Positions) -> Floats:
    """The weights w [d] that make the choices likeliest.

    features [b, n_books, d] of everything, candidates [b, n_books] what could have been chosen instead, chosen [n, d] the
    features of each choice, owner [n] whose choice it was.
    """
    from scipy.optimize import minimize

    with_candidates = np.asarray(candidates.any(axis=1))[owner]
    chosen, owner = chosen[with_candidates], owner[with_candidates]

    def loss(w: Floats) -> tuple[float, Floats]:
        utility = np.where(candidates, features @ w, -np.inf)  # [b, n_books]
        most = utility.max(axis=1, initial=-1e300, keepdims=True)
        weight = np.exp(utility - most)  # [b, n_books]
        total = np.maximum(weight.sum(axis=1), 1e-300)  # [b]
        expected = np.einsum("bn,bnd->bd", weight, features) / total[:, None]  # [b, d]
        others = np.log(total) + most[:, 0]  # [b]
        own = chosen @ w  # [n]
        missed = 1 / (1 + np.exp(np.clip(own - others[owner], -700, 700)))  # [n]
        value = np.mean(np.logaddexp(0.0, others[owner] - own)) if len(own) else 0.0
        gradient = -np.einsum("n,nd->d", missed, chosen - expected[owner]) / max(len(own), 1)
        return float(value), gradient

    return np.asarray(minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").x, np.float64)
