"""The baselines beside dense solvers and hand-computed numbers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Interactions
from shelfaware.models.baselines import Bias, Mean, Popularity
from shelfaware.models.readers import Readers


def dense_biases(data: Interactions, user_decay: float, book_decay: float) -> tuple[np.ndarray, np.ndarray]:
    """The same ridge regression as one least-squares problem: a column a bias, and a row more for each decay."""
    rated = data.ratings()
    m, n, k = rated.n_users, len(rated), rated.n_users + rated.n_books
    rows = np.zeros((n, k))
    rows[np.arange(n), rated.user_index] = 1
    rows[np.arange(n), m + rated.book_index] = 1
    decay = np.diag(np.sqrt(np.r_[np.full(m, user_decay), np.full(rated.n_books, book_decay)]))
    right = np.concatenate([rated.stars.astype(float) - rated.stars.mean(dtype=float), np.zeros(k)])
    solution = np.linalg.lstsq(np.vstack([rows, decay]), right, rcond=None)[0]
    return solution[:m], solution[m:]


@pytest.fixture(scope="module")
def few(planted: Interactions) -> Interactions:
    """60 users, so that a dense problem is small."""
    return planted.take(planted.user_index < 60)


@pytest.mark.parametrize("decays", [(4.0, 4.0), (1.0, 20.0), (0.1, 0.01)])
def test_biases_are_those_of_least_squares(few: Interactions, decays: tuple[float, float]) -> None:
    model = Bias(user_decay=decays[0], book_decay=decays[1]).fit(few)
    users, books = dense_biases(few, *decays)
    center = few.stars[few.rated].mean(dtype=float)
    np.testing.assert_allclose(model.arrays["bias"], books, atol=1e-7)
    np.testing.assert_allclose(model.expect(Readers.of(few)), center + users[:, None] + books, atol=1e-7)


def test_without_decay_and_with_users_and_books_without_ratings(few: Interactions) -> None:
    """300 users are known and 60 have rows; a book loses all of its."""
    data = few.take(few.book_index != 3)
    model = Bias(user_decay=0.0, book_decay=0.0).fit(data)
    stars = model.expect(Readers.of(data))
    assert np.isfinite(stars).all()
    users, books = dense_biases(data, 1e-9, 1e-9)
    rated = data.ratings()
    wanted = rated.stars.mean(dtype=float) + users[rated.user_index] + books[rated.book_index]
    np.testing.assert_allclose(stars[rated.user_index, rated.book_index], wanted, atol=1e-5)
    assert model.arrays["bias"][3] == 0


def test_bias_left_out_is_the_row_removed(few: Interactions) -> None:
    model = Bias(user_decay=2.5).fit(few)
    readers = model.readers.take(np.arange(5)).ratings()
    for row, told in enumerate(model.left_out(readers)):
        removed = readers.only(np.arange(len(readers.stars)) != row)
        assert told == pytest.approx(model.expect(removed)[readers.owner[row], readers.book_index[row]], abs=1e-12)


def hand() -> Interactions:
    rows = [(1, 1, 5, "read"), (1, 2, 3, "read"), (2, 1, 4, "read"), (2, 3, None, "to_read")]
    schema = {"user_id": pl.Int64, "book_id": pl.Int64, "stars": pl.Float32, "shelf": pl.String}
    return Interactions.from_frame(pl.DataFrame(rows, schema=schema, orient="row"), users=IdMap(pl.Series([1, 2, 3]), "user"))


def test_mean_by_hand() -> None:
    model = Mean().fit(hand())
    assert model.arrays["center"].tolist() == [4.0]
    assert model.predict([1, 2, 99], [1, 3, 99]).tolist() == [4.0, 4.0, 4.0]


def test_bias_of_one_user_by_hand() -> None:
    """A reader who gave 5 to a book of bias 0 has (5 - 4) / (1 + 4) = 0.2."""
    model = Bias().fit(hand())
    model.arrays["bias"][:] = [0.0, -0.5, 0.25]
    reader = Readers(np.array([0, 1]), np.array([0], np.int32), np.array([5.0]), np.zeros(1, np.int8), np.array([-1]))
    np.testing.assert_allclose(model.expect(reader), [[4.2, 3.7, 4.45]])
    np.testing.assert_allclose(model.left_out(reader), [4.0])


def test_popularity_counts_ratings() -> None:
    model = Popularity().fit(hand())
    assert model.scores(Readers.of(hand())).tolist() == [[2, 1, 0]] * 3
