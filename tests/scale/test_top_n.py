"""Exact top n in blocks, against sorting the whole table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfaware.errors import ModelError
from shelfaware.scale import top_n
from shelfaware.scale.top_n import TopN, top_n_blocked


def by_sorting(users: np.ndarray, books: np.ndarray, n: int, has: list[set[int]]) -> list[list[int]]:
    table = users.astype(np.float32) @ books.astype(np.float32).T
    return [
        sorted((b for b in range(len(books)) if b not in mine), key=lambda b, row=row: (-row[b], b))[:n]
        for row, mine in zip(table, has, strict=True)
    ]


def asked(users: np.ndarray, books: np.ndarray, n: int, has: list[set[int]]) -> TopN:
    indptr = np.concatenate([[0], np.cumsum([len(mine) for mine in has])]).astype(np.int64)
    rows = np.array([book for mine in has for book in sorted(mine)], np.int32)
    return top_n_blocked(users.astype(np.float32), books.astype(np.float32), n, indptr, rows)


def listed(found: TopN) -> list[list[int]]:
    return [[book for book in row if book >= 0] for row in found.book_index.tolist()]


@pytest.mark.parametrize(("users", "books"), [(256, 16_384), (7, 16_384), (7, 500), (256, 300), (3, 97)])
def test_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch, users: int, books: int) -> None:
    """Whole numbers, so that every order of summing gives the same score, with many ties."""
    rng = np.random.default_rng(0)
    vectors = rng.integers(-4, 5, (40, 5)), rng.integers(-4, 5, (1200, 5))
    has = [set(rng.choice(1200, rng.integers(0, 60), replace=False).tolist()) for _ in range(40)]
    monkeypatch.setattr(top_n, "USERS", users)
    monkeypatch.setattr(top_n, "BOOKS", books)
    found = asked(*vectors, 4, has)
    assert listed(found) == by_sorting(*vectors, 4, has)
    wanted = np.take_along_axis(vectors[0] @ vectors[1].T, found.book_index, axis=1)
    np.testing.assert_array_equal(found.scores, wanted)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 60), st.integers(1, 9))
def test_any_shape(seed: int, n: int, n_books: int, n_users: int) -> None:
    rng = np.random.default_rng(seed)
    users, books = rng.integers(-2, 3, (n_users, 3)), rng.integers(-2, 3, (n_books, 3))
    has = [set(np.flatnonzero(rng.random(n_books) < rng.random()).tolist()) for _ in range(n_users)]
    found = asked(users, books, n, has)
    assert listed(found) == by_sorting(users, books, n, has)
    np.testing.assert_array_equal(found.scores == -np.inf, found.book_index == -1)


def test_nobody() -> None:
    assert asked(np.empty((0, 3)), np.ones((5, 3)), 2, []).book_index.shape == (0, 2)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ModelError, match="not finite"):
        asked(np.array([[np.nan]]), np.ones((5, 1)), 2, [set()])
    with pytest.raises(ModelError, match="not finite"):
        asked(np.ones((1, 1)), np.array([[np.inf]]), 2, [set()])
