"""Which features a book has, how their weights are found, and what a book nobody rated gains by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from shelfaware.data.books import Books
from shelfaware.data.interactions import Interactions
from shelfaware.data.simulator import load_catalogue, simulate
from shelfaware.models.base import RatingModel
from shelfaware.models.baselines import Bias
from shelfaware.models.bpmf import BPMF
from shelfaware.models.features import Features, of_books, of_shelves
from shelfaware.models.gp import GP
from shelfaware.models.readers import Readers


def test_features_of_books_by_hand() -> None:
    """An author of two, a genre of three, a decade of two; the series stands once, and says nothing."""
    books = Books.of(
        pl.DataFrame(
            {
                "book_id": [1, 2, 3, 4],
                "authors": [["Ada"], ["Ada", "Bo"], ["Cy"], None],
                "genres": [["war"], ["war"], ["war"], None],
                "series": ["Ring", None, None, None],
                "year": [1954, 1959, 1960, None],
            }
        )
    )
    rows = of_books(books).toarray()
    assert rows.shape == (4, 3)
    np.testing.assert_allclose(np.sort(rows[:2], axis=1), np.full((2, 3), 3**-0.5))
    np.testing.assert_allclose(np.sort(rows[2]), [0, 0, 1])
    np.testing.assert_allclose(rows[3], 0)


def test_an_author_and_a_genre_of_one_name_are_two_features() -> None:
    table = {"book_id": [1, 2, 3, 4], "authors": [["X"], ["X"], [], []], "genres": [[], [], ["X"], ["X"]]}
    rows = of_books(Books.of(pl.DataFrame(table))).toarray()
    np.testing.assert_allclose(rows[0], rows[1])
    np.testing.assert_allclose(rows[0] @ rows[2:].T, 0)


def test_books_of_which_nothing_is_known_have_no_features() -> None:
    features = Features.of(of_books(Books.of(pl.DataFrame({"book_id": [1, 2]}))))
    assert features.n == 0
    assert features.means(np.zeros((0, 3))).shape == (2, 3)
    assert features.draw(np.ones((2, 3)), 1.0, np.random.default_rng(0)).shape == (0, 3)


def test_weights_are_drawn_from_their_regression() -> None:
    """With much to go by a draw is near the truth, and its spread is that of ridge regression."""
    rng = np.random.default_rng(0)
    matrix = csr_array(rng.binomial(1, 0.3, (4000, 5)).astype(float))
    truth = rng.normal(size=(5, 2))
    white = matrix @ truth + rng.normal(size=(4000, 2))
    features = Features.of(matrix)
    draws = np.array([features.draw(white, features.draw_precision(white, rng), rng) for _ in range(400)])
    np.testing.assert_allclose(draws.mean(axis=0), truth, atol=0.1)
    spread = np.sqrt(np.diag(np.linalg.inv((matrix.T @ matrix).toarray())))
    np.testing.assert_allclose(draws.std(axis=0), np.tile(spread[:, None], 2), rtol=0.15)
    np.testing.assert_allclose(features.fit(white), draws.mean(axis=0), atol=4 * spread.max() / 20)


def test_products_are_those_of_correlated_rows() -> None:
    rng = np.random.default_rng(1)
    matrix = csr_array(rng.binomial(1, 0.4, (6, 9)).astype(float))
    columns = rng.normal(size=(6, 3))
    covariance = np.eye(6) + (matrix @ matrix.T).toarray() / 0.7
    wanted = columns.T @ np.linalg.inv(covariance) @ columns
    np.testing.assert_allclose(Features.of(matrix).products(columns, 0.7), wanted, rtol=1e-10)


def test_shelves_count_every_pair_of_a_user() -> None:
    readers = Readers(
        np.array([0, 3, 4]), np.array([0, 1, 2, 1], np.int32), np.full(4, np.nan), np.array([0, 1, 0, 1], np.int8), np.arange(2)
    )
    features, place = of_shelves(readers, 3)
    np.testing.assert_array_equal(place, [[0, 3], [3, 1], [2, 3]])
    np.testing.assert_allclose(features.matrix.toarray(), [[3**-0.5] * 3, [0, 1, 0]])


@pytest.fixture(scope="module")
def errors() -> dict[str, float]:
    """On books that nobody rated in training."""
    data = simulate(load_catalogue(), n_users=400, seed=0).data
    cold = np.isin(data.book_index, np.arange(3, data.n_books, 7))
    train, test = data.take(~cold), data.take(cold & data.rated)
    bare = replace(train, books=Books.of_ids(train.books.ids))
    made = {
        "bias": (Bias(), train),
        "bpmf": (_small(), train),
        "bpmf of ids": (_small(), bare),
        "gp": (GP(factors=4), train),
        "gp of ids": (GP(factors=4), bare),
    }
    return {name: _mse(model.fit_stars(told), test) for name, (model, told) in made.items()}


def _small() -> BPMF:
    return BPMF(factors=4, epochs=40, samples=20)


def _mse(model: RatingModel, test: Interactions) -> float:
    stars = model.scale.clip(model.forecast(model.known_readers, test.user_index, test.book_index).stars)
    return float(np.mean((stars - test.stars) ** 2))


@pytest.mark.parametrize(("name", "most"), [("bpmf", 0.93), ("gp", 0.98)])
def test_a_book_that_nobody_rated_is_known_by_its_author_series_and_genre(
    errors: dict[str, float], name: str, most: float
) -> None:
    assert errors[name] < most * min(errors["bias"], errors[f"{name} of ids"])
