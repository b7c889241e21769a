"""als and neighbours beside dense solvers and loops over users."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shelfaware.data.interactions import READ, Interactions, Scale
from shelfaware.models.als import ALS
from shelfaware.models.neighbours import Neighbours
from shelfaware.models.readers import Readers


@pytest.mark.parametrize("biases", [True, False])
def test_als_folds_in_by_ridge_regression(planted: Interactions, biases: bool) -> None:
    model = ALS(factors=3, epochs=4, regularisation=2.0, biases=biases).fit(planted)
    some = model.known_readers.take(np.array([7])).ratings()
    q, mu = model.arrays["book_vectors"].astype(float), model.arrays["book_means"].astype(float)
    x = np.column_stack([q, np.ones(40)]) if biases else q
    of = x[some.book_index]
    p = np.linalg.solve(of.T @ of + 2.0 * np.eye(x.shape[1]), of.T @ (some.stars - mu[some.book_index]))
    np.testing.assert_allclose(model.expect(some)[0], mu + x @ p, rtol=1e-9)
    assert (mu == 0).all() == (not biases)


def test_als_ends_where_no_side_can_do_better(planted: Interactions) -> None:
    """At the end each book is the ridge regression on the users, too."""
    model = ALS(factors=2, epochs=300, regularisation=3.0).fit(planted)
    rated = planted.ratings()
    q, mu = model.arrays["book_vectors"].astype(float), model.arrays["book_means"].astype(float)
    center = float(model.arrays["center"][0])
    x = np.column_stack([q, np.ones(40)])
    p = np.zeros((300, 3))
    for u in range(300):
        mine = rated.user_index == u
        of = x[rated.book_index[mine]]
        p[u] = np.linalg.solve(of.T @ of + 3 * np.eye(3), of.T @ (rated.stars[mine] - mu[rated.book_index[mine]]))
    for i in range(40):
        mine = rated.book_index == i
        of = np.column_stack([p[rated.user_index[mine], :2], np.ones(mine.sum())])
        target = rated.stars[mine] - center - p[rated.user_index[mine], 2]
        wanted = np.linalg.solve(of.T @ of + 3 * np.eye(3), of.T @ target)
        np.testing.assert_allclose([*q[i], mu[i] - center], wanted, atol=0.02)


def test_als_left_out_is_the_row_removed(planted: Interactions) -> None:
    model = ALS(factors=3, epochs=3).fit(planted)
    some = model.known_readers.take(np.arange(4)).ratings()
    for row, told in enumerate(model.left_out(some)):
        rest = some.only(np.arange(len(some.stars)) != row)
        assert told == pytest.approx(model.expect(rest)[some.owner[row], some.book_index[row]], abs=1e-9)


@pytest.mark.parametrize(("weights", "centered"), [((0.0, 0.0), True), ((0.0, 0.0), False), ((1.0, 0.5), True)])
def test_neighbours_one_user_at_a_time(planted: Interactions, weights: tuple[float, float], centered: bool) -> None:
    model = Neighbours(neighbours=25, common=3, read_weight=weights[0], shelved_weight=weights[1], centered=centered)
    readers = model.fit(planted).known_readers
    readers = readers if model.uses_shelves else readers.ratings()
    stars = readers.dense(np.where(readers.rated, readers.stars, 0.0), 40)
    x = readers.dense(np.where(readers.rated, readers.stars, 0) + weights[0] * (readers.shelf == READ) + weights[1], 40)
    mean = np.array([row[row > 0].mean() for row in stars])
    got = model.expect(readers.take(np.array([5])))[0]
    alike = np.array([0.0 if v == 5 else similarity(x[5], x[v], centered) for v in range(300)])
    alike[alike < np.sort(alike)[-25] - 1e-9] = 0.0
    for book in range(40):
        who = np.flatnonzero((stars[:, book] > 0) & (alike > 0))
        center = float(model.arrays["center"][0])
        wanted = mean[5] if centered else center
        if len(who):
            said = stars[who, book] - mean[who] * centered
            wanted = mean[5] * centered + np.average(said, weights=alike[who])
        assert got[book] == pytest.approx(wanted, abs=1e-5)


def similarity(x: np.ndarray, y: np.ndarray, shrunken: bool) -> float:
    both = (x > 0) & (y > 0)
    n = int(both.sum())
    if n < 3 or np.ptp(x[both]) < 1e-9 or np.ptp(y[both]) < 1e-9:
        return 0.0
    return max(float(np.corrcoef(x[both], y[both])[0, 1]), 0.0) * (n / (n + 10) if shrunken else 1.0)


def test_a_user_is_not_their_own_neighbour(planted: Interactions) -> None:
    model = Neighbours(neighbours=300, common=2).fit(planted)
    known = model.known_readers.take(np.array([7]))
    stranger = Readers(known.indptr, known.book_index, known.stars, known.shelf, np.array([-1]))
    assert np.abs(model.expect(known) - model.expect(stranger)).max() > 0.1


def test_no_stars_are_a_rating_too(planted: Interactions) -> None:
    """On a scale from 0 neighbours say what they say on the same one from 1, a star less."""
    lower = replace(planted, stars=planted.stars - 1, scale=Scale(0.0, 4.0, 1.0))
    assert (lower.stars == 0).any()
    answers = [Neighbours(neighbours=20, common=3).fit_stars(data) for data in (planted, lower)]
    readers = [model.known_readers.take(np.arange(40)) for model in answers]
    high, low = (model.expect(some) for model, some in zip(answers, readers, strict=True))
    np.testing.assert_allclose(low, high - 1, atol=1e-9)
