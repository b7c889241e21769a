"""EASE: the conditions that its solution must meet, scikit-learn's ridge, and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from shelfaware.data.interactions import READ, Interactions
from shelfaware.errors import ModelError
from shelfaware.models.ease import EASE
from shelfaware.models.readers import Readers

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def x(planted: Interactions) -> Floats:
    """How much each user took to each book, by a plain loop."""
    taken = np.zeros((planted.n_users, planted.n_books))
    rows = zip(planted.user_index, planted.book_index, planted.stars, planted.shelf, strict=True)
    for user, book, stars, shelf in rows:
        taken[user, book] = float(stars) / 5 if not np.isnan(stars) else 0.8 if shelf == READ else 0.4
    return taken


@pytest.fixture(scope="module")
def ease(planted: Interactions) -> EASE:
    return EASE().fit(planted)


def weights_of(model: EASE) -> Floats:
    """B [n_books, n_books]: the scores of readers who gave five stars to one book each."""
    one = np.arange(40)
    return model.scores(Readers(np.arange(41), one.astype(np.int32), np.full(40, 5.0), np.zeros(40, np.int8), np.full(40, -1)))


def test_the_gradient_vanishes_off_a_zero_diagonal(ease: EASE, x: Floats) -> None:
    weights = weights_of(ease)
    assert not np.diagonal(weights).any()
    gradient = x.T @ (x @ weights - x) + 50 * weights
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 1e-4
    assert np.abs(weights).max() > 0.01


@pytest.mark.parametrize("book", [0, 7, 39])
def test_a_column_is_the_ridge_regression_on_the_other_books(ease: EASE, x: Floats, book: int) -> None:
    others = np.arange(40) != book
    oracle = Ridge(alpha=50.0, fit_intercept=False).fit(x[:, others], x[:, book])
    np.testing.assert_allclose(weights_of(ease)[others, book], oracle.coef_, atol=1e-6)


def test_scores_by_a_plain_loop(ease: EASE, planted: Interactions, x: Floats) -> None:
    scores, weights = ease.scores(Readers.of(planted)), weights_of(ease)
    for user in (0, 50, 299):
        for book in (0, 11, 39):
            wanted = sum(x[user, i] * weights[i, book] for i in range(40))
            assert scores[user, book] == pytest.approx(wanted, abs=1e-12)


def test_a_column_keeps_its_largest_weights(ease: EASE, planted: Interactions) -> None:
    whole, pruned = weights_of(ease), EASE(neighbours=5).fit(planted)
    assert pruned.arrays["weights"].size == 5 * 40
    for j, column in enumerate(weights_of(pruned).T):
        largest = np.argsort(-np.abs(whole[:, j]))[:5]
        assert set(np.flatnonzero(column)) == set(largest)
        np.testing.assert_array_equal(column[largest], whole[largest, j])


def test_without_a_history_a_book_scores_its_share_of_readers(ease: EASE, planted: Interactions) -> None:
    nobody = Readers.of(planted).take(np.array([-1]))
    share = [len(set(planted.user_index[planted.book_index == book].tolist())) / 300 for book in range(40)]
    np.testing.assert_allclose(ease.scores(nobody), [share])


def test_too_many_books_are_refused(planted: Interactions) -> None:
    with pytest.raises(ModelError, match="40 books are more than its 39"):
        EASE(max_books=39).fit(planted)
    EASE(max_books=40).fit(planted)
