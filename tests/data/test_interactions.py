"""The one noun for the data: what it accepts, and what stays the same under any order."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfaware.data.books import Books
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import READ, TO_READ, Interactions, Scale
from shelfaware.errors import DataError


def frame(*rows: tuple[Any, ...]) -> pl.DataFrame:
    schema = {"user_id": pl.Int64, "book_id": pl.Int64, "stars": pl.Float32, "shelf": pl.String}
    return pl.DataFrame([(*row, "read")[:4] for row in rows], schema=schema, orient="row")


@pytest.fixture
def data() -> Interactions:
    return Interactions.from_frame(frame((20, 1, 5), (3, 7, None, "to_read"), (3, 1, 4), (20, 7, None), (3, 4, 2)))


def test_rows_are_sorted_by_user_then_book(data: Interactions) -> None:
    assert data.user_index.tolist() == [0, 0, 0, 1, 1]
    assert data.book_index.tolist() == [0, 1, 2, 0, 2]
    assert np.nan_to_num(data.stars).tolist() == [4, 2, 0, 5, 0]
    assert data.shelf.tolist() == [READ, READ, TO_READ, READ, READ]
    assert (data.n_users, data.n_books, data.n_ratings, len(data)) == (2, 3, 3, 5)
    assert data.user_ratings().tolist() == [2, 1]
    assert data.book_ratings().tolist() == [2, 1, 0]
    assert data.pair_keys.tolist() == [0, 1, 2, 3, 5]
    assert data.has_shelves
    assert not data.ratings().has_shelves


def test_take_keeps_users_and_books(data: Interactions) -> None:
    one = data.take(data.user_index == 1)
    assert (len(one), one.n_users, one.n_books) == (2, 2, 3)
    assert one.users is data.users


def test_a_rated_book_is_read() -> None:
    assert Interactions.from_frame(frame((1, 1, 5, "to_read"))).shelf.tolist() == [READ]


def test_known_users_and_books_are_kept_and_new_ones_added() -> None:
    users, books = IdMap(pl.Series([9, 1]), "user"), Books.of(pl.DataFrame({"book_id": [5], "title": ["Five"]}))
    data = Interactions.from_frame(frame((1, 2, 3)), users=users, books=books)
    assert data.users.ids.to_list() == [1, 9]
    assert data.books.table.select("book_id", "title").rows() == [(2, "Book 2"), (5, "Five")]
    assert data.user_ratings().tolist() == [1, 0]


def test_to_frame_is_the_stored_form(data: Interactions) -> None:
    table = data.to_frame()
    assert table.columns == ["user_index", "book_index", "stars", "shelf", "time"]
    assert table["stars"].to_list() == [4, 2, None, 5, None]
    assert table["shelf"].to_list() == ["read", "read", "to_read", "read", "read"]
    assert data.take(np.zeros(5, bool)).to_frame().schema == table.schema


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stars": np.zeros(4, np.float32)}, "stars has 4 rows and user_index 5"),
        ({"user_index": np.array([0, 0, 0, 1, 2], np.int32)}, "user_index lies outside 0 to 1"),
        ({"book_index": np.array([0, 1, 3, 0, 2], np.int32)}, "book_index lies outside 0 to 2"),
        ({"book_index": np.array([1, 0, 2, 0, 2], np.int32)}, "sorted by user, then book"),
        ({"book_index": np.array([0, 0, 2, 0, 2], np.int32)}, "user 3, book 1 stands twice"),
        ({"stars": np.array([4, 6, np.nan, 5, np.nan], np.float32)}, "user 3, book 4 has 6 stars"),
        ({"stars": np.array([4, np.inf, np.nan, 5, np.nan], np.float32)}, "has inf stars"),
        ({"stars": np.array([4, 2, 3, 5, np.nan], np.float32)}, "rated book must be on the shelf `read`"),
    ],
)
def test_what_is_refused(data: Interactions, change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(data, **change)


@pytest.mark.parametrize(
    "change", [{"stars": 3.0}, {"shelf": "to_read"}, {"time": datetime(2001, 1, 1)}, {"user_id": 21}, {"book_id": 8}]
)
def test_every_value_is_in_the_fingerprint(change: dict[str, Any]) -> None:
    rows = frame((20, 1, 5), (20, 7, None)).with_columns(pl.lit(datetime(2000, 1, 1)).alias("time"))
    name, value = next(iter(change.items()))
    last = pl.int_range(pl.len()) == 1
    other = rows.with_columns(pl.when(last).then(pl.lit(value)).otherwise(name).cast(rows.schema[name]).alias(name))
    assert Interactions.from_frame(rows).fingerprint != Interactions.from_frame(other).fingerprint


def test_what_is_said_of_the_data_is_in_the_fingerprint(data: Interactions) -> None:
    titled = Books.of(data.books.table.with_columns(title=pl.lit("Same")))
    others = [replace(data, scale=Scale(1, 6)), replace(data, simulated=True), replace(data, books=titled)]
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert replace(data, source="elsewhere").fingerprint == data.fingerprint


PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40, unique=True)


@settings(max_examples=80, deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_the_order_of_the_rows_means_nothing(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    rows = [(user, book, [None, 1, 2, 5][(user + book) % 4], "to_read" if user % 2 else "read") for user, book in pairs]
    there, back = Interactions.from_frame(frame(*rows)), Interactions.from_frame(frame(*data.draw(st.permutations(rows))))
    assert there.fingerprint == back.fingerprint
    assert set(zip(there.users.ids.gather(there.user_index), there.books.ids.ids.gather(there.book_index), strict=True)) == set(
        pairs
    )


@pytest.mark.parametrize(
    ("text", "values", "loved"),
    [("1:5", [1, 2, 3, 4, 5], 4), ("0.5:5:0.5", list(np.arange(0.5, 5.5, 0.5)), 3.875), ("1:10:1", list(range(1, 11)), 7.75)],
)
def test_scales(text: str, values: list[float], loved: float) -> None:
    scale = Scale.parse(text)
    assert scale.values.tolist() == values
    assert scale.loved == loved
    assert scale.holds(np.array(values, np.float32)).all()
    off = np.array([values[0] - 0.01, values[-1] + scale.step, values[0] + scale.step / 2, np.nan, np.inf])
    assert not scale.holds(off).any()


@pytest.mark.parametrize("text", ["", "1", "5:1", "1:5:0", "1:5:-1", "1:5:3", "a:b", "1:5:1:1", "nan:5", "0:inf"])
def test_scales_that_are_none(text: str) -> None:
    with pytest.raises(DataError, match="a star scale"):
        Scale.parse(text)
