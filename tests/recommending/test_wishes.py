"""Filters and the order of series, on a shelf small enough to see through."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from shelfaware.data.books import Books
from shelfaware.errors import DataError
from shelfaware.recommending.wishes import Wishes, allowed, in_series_order

ROWS: list[dict[str, Any]] = [
    {"book_id": 1, "authors": ["Ann Lee"], "year": 1950, "genres": ["Fantasy"], "language": "en", "pages": 300},
    {
        "book_id": 2,
        "authors": ["Bo Ek", "Ann Lee"],
        "year": 1990,
        "genres": ["crime", "fantasy"],
        "language": "sv",
        "pages": 90,
    },
    {"book_id": 3, "authors": ["Bo Ek"], "year": None, "genres": [], "language": None, "pages": None},
    {"book_id": 4, "authors": [], "year": -500, "genres": ["epic"], "language": "en", "pages": 90},
]
BOOKS = Books.of(pl.DataFrame(ROWS, schema_overrides={"year": pl.Int32, "pages": pl.Int32}))


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, [1, 2, 3, 4]),
        ({"authors": ("ann lee",)}, [1, 2]),
        ({"authors": ("Ann Lee", "Bo Ek")}, [1, 2, 3]),
        ({"genres": ("fantasy",)}, [1, 2]),
        ({"languages": ("EN",)}, [1, 4]),
        ({"first_year": 1950}, [1, 2]),
        ({"last_year": 1950}, [1, 4]),
        ({"first_year": -500, "last_year": -500}, [4]),
        ({"max_pages": 90}, [2, 4]),
        ({"max_pages": 90, "languages": ("en", "sv"), "genres": ("crime",)}, [2]),
        ({"authors": ("Nobody",)}, []),
    ],
)
def test_a_filter_keeps_what_is_known_to_pass(asked: dict[str, Any], kept: list[int]) -> None:
    assert (np.flatnonzero(allowed(BOOKS, Wishes(**asked))) + 1).tolist() == kept


@pytest.mark.parametrize(
    ("asked", "column"),
    [
        ({"authors": ("Ann Lee",)}, "authors"),
        ({"genres": ("fantasy",)}, "genres"),
        ({"languages": ("en",)}, "language"),
        ({"first_year": 1}, "year"),
        ({"max_pages": 100}, "pages"),
    ],
)
def test_what_no_book_says_cannot_be_asked_for(asked: dict[str, Any], column: str) -> None:
    bare = Books.of(pl.DataFrame({"book_id": [1, 2]}))
    with pytest.raises(DataError, match=f"this catalogue does not know the {column} of any book"):
        allowed(bare, Wishes(**asked))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"adventure": 3.5}, "adventure goes from -3"),
        ({"adventure": float("nan")}, "adventure goes from -3"),
        ({"diversity": 1.1}, "diversity goes from 0 to 1; 1.1 does not"),
        ({"per_author": -1}, "-1 books by one author"),
    ],
)
def test_wishes_that_cannot_be(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        Wishes(**asked)


def test_wishes_show_what_was_asked_for() -> None:
    assert repr(Wishes()) == "Wishes()"
    assert repr(Wishes(adventure=1.0, authors=("Ann Lee",))) == "Wishes(adventure=1.0, authors=('Ann Lee',))"


SERIES = Books.of(
    pl.DataFrame(
        [
            {"book_id": 1, "series": "Saga", "series_position": 1.0, "authors": ["Ann"]},
            {"book_id": 2, "series": "Saga", "series_position": 2.0, "authors": ["Ann"]},
            {"book_id": 3, "series": "Saga", "series_position": 1.5, "authors": ["Ann"]},
            {"book_id": 4, "series": "Saga", "series_position": 4.0, "authors": ["Ann"]},
            {"book_id": 5, "series": "Saga", "series_position": 0.5, "authors": ["Ann"]},
            {"book_id": 6, "series": "Saga", "series_position": None, "authors": ["Ann"]},
            {"book_id": 7, "series": "Saga", "series_position": 2.0, "authors": ["Bo"]},
            {"book_id": 8, "series": None, "series_position": None, "authors": []},
        ],
        schema_overrides={"series_position": pl.Float64},
    )
)


@pytest.mark.parametrize(
    ("read", "open_books"),
    [
        ([], [1, 5, 6, 7, 8]),  # the second book of another author's Saga has no first to wait for
        ([1], [1, 2, 3, 5, 6, 7, 8]),  # the half book comes after the first
        ([1, 2], [1, 2, 3, 4, 5, 6, 7, 8]),  # the catalogue has no third to wait for
        ([2], [1, 5, 6, 7, 8]),  # whoever began with the second has the first before them
        ([4], [1, 5, 6, 7, 8]),
    ],
)
def test_a_series_is_read_from_its_start(read: list[int], open_books: list[int]) -> None:
    mask = np.isin(np.arange(1, 9), read)
    assert (np.flatnonzero(in_series_order(SERIES, mask)) + 1).tolist() == open_books
