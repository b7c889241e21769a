"""EASE over the strongest neighbours: the whole one where all are kept, and a plain loop where few are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from shelfaware.data.interactions import Interactions
from shelfaware.errors import ModelError
from shelfaware.models import ease as whole
from shelfaware.models import ease_histories, ease_truncated
from shelfaware.models.ease import EASE
from shelfaware.models.ease_histories import Histories
from shelfaware.models.ease_truncated import truncated
from shelfaware.models.readers import Readers
from shelfaware.seeding import generator

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def x() -> Floats:
    """60 readers of 12 books, a third of the cells empty."""
    rng = np.random.default_rng(0)
    return np.where(rng.random((60, 12)) < 0.3, 0.0, rng.random((60, 12)))


def weights_of(x: Floats, keep: int, ridge: float) -> Floats:
    histories = Histories.of([csr_array(x)], x.shape[1], seed=0)
    return np.asarray(truncated(histories, keep, ridge).toarray(), np.float64)


def by_a_plain_loop(x: Floats, keep: int, ridge: float) -> Floats:
    n_books, centered = x.shape[1], x - x.mean(axis=0)
    c, weights = centered.T @ centered, np.zeros((n_books, n_books))
    strongest = {}
    for j in range(n_books):
        gain = {i: c[i, j] ** 2 / (c[i, i] + ridge) for i in range(n_books) if i != j}
        strongest[j] = sorted(gain, key=lambda i: -gain[i])[:keep]
    for j, near in strongest.items():
        table = np.array([[c[a, b] if a == b or a in strongest[b] or b in strongest[a] else 0.0 for b in near] for a in near])
        weights[near, j] = np.linalg.solve(table + ridge * np.eye(keep), c[near, j])
    return weights


@pytest.mark.parametrize("keep", [1, 3, 8])
def test_a_plain_loop(x: Floats, keep: int) -> None:
    got = weights_of(x, keep, 2.0)
    np.testing.assert_allclose(got, by_a_plain_loop(x, keep, 2.0), atol=1e-12)
    assert (np.count_nonzero(got, axis=0) == keep).all()


def test_with_every_other_book_it_is_the_whole_ridge(planted: Interactions) -> None:
    every = EASE().fit(planted)
    table = truncated_of(every, planted, neighbours=39)
    np.testing.assert_allclose(table, dense(every), atol=1e-6)


def dense(model: EASE) -> Floats:
    parts = (model.arrays[name] for name in ("weights", "targets", "indptr"))
    return np.asarray(csr_array(tuple(parts), shape=(40, 40)).toarray(), np.float64)


def truncated_of(model: EASE, data: Interactions, neighbours: int) -> Floats:
    readers = model.known_readers
    x = csr_array((model.taken(readers), readers.book_index, readers.indptr), shape=(len(readers), 40))
    histories = Histories.of([x], 40, seed=0)
    return np.asarray(truncated(histories, neighbours, model.regularisation).toarray(), np.float64)


def test_small_blocks_change_nothing(x: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = weights_of(x, 4, 1.0)
    monkeypatch.setattr(ease_truncated, "MOST_PAIRS", 900)
    np.testing.assert_allclose(weights_of(x, 4, 1.0), at_once, atol=1e-12)
    monkeypatch.setattr(ease_truncated, "MOST_PAIRS", 1)
    np.testing.assert_allclose(weights_of(x, 4, 1.0), at_once, atol=1e-12)


def test_a_long_history_counts_by_a_random_part(x: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_histories, "MOST_ROWS", 5)
    short = ease_histories._shortened(csr_array(x), generator(0, "covariance")).toarray()
    assert (np.count_nonzero(short, axis=1) == np.minimum(np.count_nonzero(x, axis=1), 5)).all()
    np.testing.assert_array_equal(short[short > 0], x[short > 0])
    other = ease_histories._shortened(csr_array(x), generator(1, "covariance")).toarray()
    assert (short != other).any()
    np.testing.assert_allclose(weights_of(x, 3, 1.0), by_a_plain_loop(short, 3, 1.0), atol=1e-12)


def cut(readers: Readers, *edges: int) -> list[Readers]:
    """The same readers in parts: in each all of them, those of other parts without a row."""
    own = [(readers.owner >= first) & (readers.owner < last) for first, last in zip((0, *edges), (*edges, 300), strict=True)]
    return [readers.only(mask) for mask in own]


@pytest.mark.parametrize("neighbours", [7, None], ids=["truncated", "whole"])
def test_from_parts_it_learns_what_it_learns_in_memory(
    planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, neighbours: int | None
) -> None:
    """Of long histories a part is drawn; some readers at a time are turned; an empty part changes nothing."""
    monkeypatch.setattr(ease_histories, "MOST_ROWS", 6)
    monkeypatch.setattr(ease_histories, "TURNED_ROWS", 50)
    model = EASE(neighbours=neighbours, seed=3).fit(planted)
    learned = model.learned(cut(model.known_readers, 1, 120, 120, 260), 40, tmp_path)
    for name, array in learned.items():
        if neighbours:
            np.testing.assert_array_equal(array, model.arrays[name], err_msg=name)
        else:
            np.testing.assert_allclose(array, model.arrays[name], atol=1e-6, err_msg=name)
    assert list(tmp_path.iterdir()) == []


def test_a_large_catalogue_is_truncated_and_a_small_one_whole(planted: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    assert EASE().fit(planted).arrays["weights"].size == np.count_nonzero(dense(EASE().fit(planted)))
    monkeypatch.setattr(whole, "WHOLE_BOOKS", 39)
    monkeypatch.setattr(whole, "FEW", 7)
    few = EASE().fit(planted)
    assert few.arrays["weights"].size == 7 * 40
    np.testing.assert_array_equal(few.arrays["weights"], EASE(neighbours=7).fit(planted).arrays["weights"])


def test_the_mean_reader_is_scored_by_the_mean(planted: Interactions) -> None:
    model = EASE(neighbours=7).fit(planted)
    readers = model.known_readers
    taken = readers.dense(model.taken(readers), 40).mean(axis=0)
    np.testing.assert_allclose(model.arrays["base"] + taken @ dense(model), taken, atol=1e-6)


def test_books_without_company_say_nothing(planted: Interactions) -> None:
    """Every reader has one book: no two are related."""
    first = np.concatenate([[True], np.diff(planted.user_index) > 0]) & planted.rated
    model = EASE(neighbours=3).fit(planted.take(first))
    assert not model.arrays["weights"].size
    assert np.isfinite(model.scores(model.known_readers)).all()


def test_cells_that_are_no_covariance_shrink() -> None:
    table, right = np.array([[2.0, 5.0], [5.0, 2.0]]), np.array([1.0, 1.0])
    halved_twice = np.linalg.solve(np.array([[2.0, 1.25], [1.25, 2.0]]), right)
    np.testing.assert_allclose(ease_truncated._ridge(table, right), halved_twice)
    with pytest.raises(ModelError, match="larger regularisation"):
        ease_truncated._ridge(np.zeros((2, 2)), right)


def test_the_seed_matters_to_long_histories_alone(planted: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    def weights(seed: int) -> bytes:
        return replace(EASE(neighbours=5), seed=seed).fit(planted).arrays["weights"].tobytes()

    assert weights(0) == weights(1)
    monkeypatch.setattr(ease_histories, "MOST_ROWS", 6)
    assert weights(0) != weights(1)
