"""What a list is worth beside its hits, by hand."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.evaluation.beyond import beyond_accuracy, diversity, novelty, strata, stratified_ndcg
from shelfaware.evaluation.protocol import Lists
from shelfaware.evaluation.ranking import Relevant


def lists(ranked: list[list[int]], loved: list[tuple[int, int]]) -> Lists:
    users, books = (np.array(part) for part in zip(*loved, strict=True))
    relevant = Relevant.of_pairs(users, books, len(ranked))
    return Lists(np.flatnonzero(relevant.counts > 0), relevant, np.array(ranked, np.int32), None)


def test_strata_hold_a_third_of_the_ratings_each() -> None:
    """60 ratings: one book has 20, two have 10, twenty have 1."""
    counts = np.array([1] * 10 + [20] + [1] * 10 + [10, 10, 0])
    assert strata(counts).tolist() == [0] * 10 + [2] + [0] * 10 + [1, 1, 0]
    assert strata(np.zeros(3, int)).tolist() == [0, 0, 0]


def test_ndcg_by_popularity_by_hand() -> None:
    """Book 0 is popular, 1 and 2 are in the middle, 3 to 12 are rare. Only user 0 loves a rare one, in third place."""
    counts = np.array([10, 5, 5] + [1] * 10)
    made = lists([[0, 1, 3], [0, 4, 1]], [(0, 0), (0, 3), (1, 1), (1, 2)])
    found = stratified_ndcg(made, counts)
    assert found["popular"] == pytest.approx(1.0)
    assert found["rare"] == pytest.approx(1 / math.log2(4))
    assert found["middle"] == pytest.approx((1 / math.log2(4)) / (1 + 1 / math.log2(3)))
    assert stratified_ndcg(lists([[0]], [(0, 0)]), counts)["rare"] is None


def test_novelty_by_hand() -> None:
    """Of 16 users 8, 1 and 0 rated the books: 1 bit, 4 bits, and 4 bits as if one had."""
    assert novelty(np.array([[0, 1], [2, -1]]), np.array([8, 1, 0]), 16) == pytest.approx((1 + 4 + 4) / 3)


def shelves() -> Interactions:
    """Books 0 and 1 are read by users 1 and 2, book 2 by user 2 (on a shelf) and 3, book 3 by user 3."""
    rows = [(1, 0, 5), (2, 0, 4), (1, 1, 3), (2, 1, 2), (2, 2, None), (3, 2, 1), (3, 3, 5)]
    return Interactions.from_frame(pl.DataFrame(rows, ["user_id", "book_id", "stars"], orient="row"))


def test_diversity_by_hand() -> None:
    """Cosines: 0 and 1 are the same readers, 1; 0 and 2 share one of two and two, 1/2; 2 and 3 share 1 of 2 and 1, 1/sqrt 2."""
    train = shelves()
    assert diversity(np.array([[0, 1]]), train) == pytest.approx(0.0, abs=1e-6)
    assert diversity(np.array([[0, 2]]), train) == pytest.approx(0.5)
    assert diversity(np.array([[2, 3], [0, 3]]), train) == pytest.approx((1 - 1 / math.sqrt(2) + 1) / 2)
    assert diversity(np.array([[0, 1, 2]]), train) == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert diversity(np.array([[0, 2, -1], [1, -1, -1]]), train) == pytest.approx(0.5)
    assert diversity(np.array([[0, -1]]), train) is None


def test_nobody_loves_anything() -> None:
    empty = Lists(np.empty(0, np.int64), Relevant.of_pairs(np.array([]), np.array([]), 3), np.full((3, 10), -1, np.int32), None)
    assert set(beyond_accuracy(empty, shelves()).values()) == {None}
