"""EASE over all books: the conditions that its solution must meet, scikit-learn's ridge, and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import READ, Interactions
from shelfaware.models.ease import EASE
from shelfaware.models.readers import Readers

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def x(planted: Interactions) -> Floats:
    """How much each user took to each book, by a plain loop."""
    taken = np.zeros((planted.n_users, planted.n_books))
    rows = zip(planted.user_index, planted.book_index, planted.stars, planted.shelf, strict=True)
    for user, book, stars, shelf in rows:
        taken[user, book] = float(stars) / 5 if not np.isnan(stars) else 0.6 if shelf == READ else 0.25
    return taken


@pytest.fixture(scope="module")
def ease(planted: Interactions) -> EASE:
    return EASE().fit(planted)


def weights_of(model: EASE) -> Floats:
    """B [n_books, n_books]: what five stars for one book add to the scores of somebody who has read nothing."""
    one = np.arange(40)
    each = Readers(np.arange(41), one.astype(np.int32), np.full(40, 5.0), np.zeros(40, np.int8), np.full(40, -1))
    return model.scores(each) - model.scores(each.take(np.array([-1])))


def test_the_gradient_vanishes_off_a_zero_diagonal(ease: EASE, x: Floats) -> None:
    weights = weights_of(ease)
    assert not np.diagonal(weights).any()
    centered = x - x.mean(axis=0)
    gradient = centered.T @ (centered @ weights - centered) + 50 * weights
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 1e-4
    assert np.abs(weights).max() > 0.01


@pytest.mark.parametrize("book", [0, 7, 39])
def test_a_column_is_the_ridge_regression_on_the_other_books(ease: EASE, x: Floats, book: int) -> None:
    others = np.arange(40) != book
    oracle = Ridge(alpha=50.0).fit(x[:, others], x[:, book])
    np.testing.assert_allclose(weights_of(ease)[others, book], oracle.coef_, atol=1e-6)


def test_scores_by_a_plain_loop(ease: EASE, planted: Interactions, x: Floats) -> None:
    scores, weights, mean = ease.scores(Readers.of(planted)), weights_of(ease), x.mean(axis=0)
    for user in (0, 50, 299):
        for book in (0, 11, 39):
            wanted = mean[book] + sum((x[user, i] - mean[i]) * weights[i, book] for i in range(40))
            assert scores[user, book] == pytest.approx(wanted, abs=1e-6)


def test_without_a_history_the_ridge_says_its_intercept(ease: EASE, planted: Interactions, x: Floats) -> None:
    nobody = Readers.of(planted).take(np.array([-1]))
    others = np.arange(40) != 11
    assert ease.scores(nobody)[0, 11] == pytest.approx(Ridge(alpha=50.0).fit(x[:, others], x[:, 11]).intercept_, abs=1e-6)


def test_readers_without_a_history_teach_nothing(planted: Interactions) -> None:
    some = planted.take(planted.user_index < 200)
    known = Interactions(
        **{name: getattr(some, name) for name in ("user_index", "book_index", "stars", "shelf", "books", "scale")},
        users=IdMap(some.users.ids[:200], "user"),
    )
    np.testing.assert_array_equal(weights_of(EASE().fit(some)), weights_of(EASE().fit(known)))
