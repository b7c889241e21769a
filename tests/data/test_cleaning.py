"""Cleaning: each rule by hand, and that no row is lost without being counted."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfaware.data.cleaning import Cleaning, Duplicates, clean
from shelfaware.data.interactions import Scale
from shelfaware.errors import DataError

Row = tuple[Any, ...]


def table(*rows: Row, place: str = "t.csv, line") -> pl.DataFrame:
    """Rows of (user, book, stars) and, if given, shelf and day of January 2000; lines from 2."""
    full = [(*row, *(None, None, None, "read", None)[len(row) :]) for row in rows]
    return pl.DataFrame(
        {
            "place": pl.Series([place] * len(full), dtype=pl.Categorical),
            "line": pl.Series(range(2, len(full) + 2), dtype=pl.Int64),
            "user_id": pl.Series([row[0] for row in full]),
            "book_id": pl.Series([row[1] for row in full]),
            "stars": pl.Series([row[2] for row in full], dtype=pl.Float32),
            "shelf": pl.Series([row[3] for row in full], dtype=pl.Enum(["read", "to_read"])),
            "time": pl.Series([row[4] and datetime(2000, 1, row[4]) for row in full], dtype=pl.Datetime("us")),
        }
    )


def kept(rows: pl.DataFrame, cleaning: Cleaning) -> list[int]:
    """The lines that stay."""
    return clean(rows, cleaning, Scale())[0]["line"].to_list()


def dropped(rows: pl.DataFrame, cleaning: Cleaning) -> list[tuple[str, int, str]]:
    return [(drop.reason, drop.rows, drop.example) for drop in clean(rows, cleaning, Scale())[1]]


def test_nothing_is_dropped_unasked() -> None:
    rows = table((1, 1, 5), (1, 2, None), (2, 1, 4))
    cleaned, drops = clean(rows, Cleaning(), Scale())
    assert cleaned.equals(rows)
    assert drops == []


def test_book_minimum_counts_rows_rated_or_not() -> None:
    rows = table((1, 1, 5), (2, 1, None), (3, 2, 4), (4, 1, 3))
    assert kept(rows, Cleaning(min_book_ratings=3)) == [2, 3, 5]
    assert dropped(rows, Cleaning(min_book_ratings=3)) == [("book with fewer than 3 rows", 1, "t.csv, line 4")]


def test_user_minimum_counts_what_the_book_minimum_left() -> None:
    rows = table((1, 1, 5), (1, 9, 5), (2, 1, 4), (2, 2, 4), (3, 2, 4))
    assert kept(rows, Cleaning(min_user_ratings=2)) == [2, 3, 4, 5]
    assert kept(rows, Cleaning(min_book_ratings=2, min_user_ratings=2)) == [4, 5]


def test_first_users_and_books_are_by_id_and_cut_as_a_matrix() -> None:
    rows = table((10, 3, 5), (9, 20, 5), (9, 3, 1), (2, 100, 4))
    assert kept(rows, Cleaning(max_users=2)) == [3, 4, 5]
    assert kept(rows, Cleaning(max_books=2)) == [2, 3, 4]
    assert kept(rows, Cleaning(max_users=2, max_books=2)) == [3, 4]
    assert dropped(rows, Cleaning(max_users=2, max_books=2)) == [
        ("user after the first 2", 1, "t.csv, line 2"),
        ("book after the first 2", 1, "t.csv, line 5"),
    ]


def test_numbers_written_as_text_sort_as_numbers() -> None:
    assert kept(table(("10", "1", 5), ("9", "1", 5)), Cleaning(max_users=1)) == [3]


def test_identical_rows_merge() -> None:
    rows = table((1, 1, 5), (1, 1, 5), (1, 2, None), (1, 2, None))
    for duplicates in ("error", "latest", "drop"):
        assert kept(rows, Cleaning(duplicates=duplicates)) == [2, 4]
    assert dropped(rows, Cleaning()) == [("the same row again", 2, "t.csv, line 3")]


@pytest.mark.parametrize("second", [(1, 1, 4), (1, 1, None), (1, 1, 5, "read", 3)])
def test_differing_rows_are_an_error_that_names_both_lines(second: Row) -> None:
    words = "^t.csv, line 2 and t.csv, line 4: user 1, book 1 stands twice and differs; choose --duplicates latest"
    with pytest.raises(DataError, match=words):
        clean(table((1, 1, 5), (1, 2, 5), second), Cleaning(), Scale())


def test_shelves_can_differ() -> None:
    with pytest.raises(DataError, match=r"line 2 and t\.csv, line 3"):
        clean(table((1, 1, None, "read"), (1, 1, None, "to_read")), Cleaning(), Scale())


def test_drop_drops_the_pair_and_drop_user_the_user() -> None:
    rows = table((1, 1, 5), (1, 1, 4), (1, 2, 3), (2, 1, 5))
    assert kept(rows, Cleaning(duplicates="drop")) == [4, 5]
    assert kept(rows, Cleaning(duplicates="drop-user")) == [5]
    assert dropped(rows, Cleaning(duplicates="drop-user")) == [("user who has a book twice", 3, "t.csv, line 2")]


def test_drop_user_takes_identical_rows_for_duplicates_too() -> None:
    assert kept(table((1, 1, 5), (1, 1, 5), (2, 1, 5)), Cleaning(duplicates="drop-user")) == [4]


def test_latest() -> None:
    rows = table((1, 1, 5, "read", 9), (1, 1, 4, "read", 11), (1, 1, 3, "read", 10), (1, 2, 2))
    assert kept(rows, Cleaning(duplicates="latest")) == [3, 5]
    assert dropped(rows, Cleaning(duplicates="latest")) == [
        ("older than another row of the same user and book", 2, "t.csv, line 2")
    ]


def test_latest_needs_times_that_decide() -> None:
    with pytest.raises(DataError, match="line 2: user 1, book 1 stands twice without a time"):
        clean(table((1, 1, 5, "read", 9), (1, 1, 4)), Cleaning(duplicates="latest"), Scale())
    rows = table((1, 1, 3, "read", 8), (1, 1, 5, "read", 9), (1, 1, 4, "read", 9))
    with pytest.raises(DataError, match=r"line 3 and t\.csv, line 4: user 1, book 1 stands twice and differs"):
        clean(rows, Cleaning(duplicates="latest"), Scale())


def test_a_to_read_list_of_its_own_gives_way_to_the_ratings() -> None:
    marks = table((1, 1, None, "to_read"), (1, 2, None, "to_read"), place="to_read.csv, line")
    rows = pl.concat([marks, table((1, 1, 5))])
    cleaned, drops = clean(rows, Cleaning(), Scale())
    assert cleaned.select("book_id", "stars", "shelf").rows() == [(2, None, "to_read"), (1, 5.0, "read")]
    assert [(drop.reason, drop.rows) for drop in drops] == [("to-read mark of a book that was read", 1)]


@pytest.mark.parametrize("stars", [0.0, 6.0, 3.5, float("nan")])
def test_stars_off_the_scale_name_line_and_value(stars: float) -> None:
    with pytest.raises(DataError, match=f"^t.csv, line 3: {stars:g} stars are not on the scale 1 to 5 by 1"):
        clean(table((1, 1, 5), (1, 2, stars)), Cleaning(min_book_ratings=9), Scale())


def test_the_scale_decides_what_is_off() -> None:
    rows = table((1, 1, 0.5), (1, 2, 4.5))
    assert len(clean(rows, Cleaning(), Scale(0.5, 5, 0.5))[0]) == 2


ROWS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(1, 4),
        st.sampled_from([None, 1, 5]),
        st.just("read"),
        st.integers(1, 28),
    ),
    min_size=1,
    max_size=25,
)
POLICIES: tuple[Duplicates, ...] = ("error", "latest", "drop", "drop-user")


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, policy=st.sampled_from(POLICIES), limits=st.tuples(*[st.integers(0, 3)] * 4), data=st.data())
def test_every_row_is_kept_or_counted(
    rows: list[Row], policy: Duplicates, limits: tuple[int, ...], data: st.DataObject
) -> None:
    """Conservation, promised minima, no pair twice, and the order of the rows does not matter."""
    book, user, users, books = limits
    cleaning = Cleaning(min_book_ratings=book, duplicates=policy, min_user_ratings=user, max_users=users, max_books=books)
    try:
        cleaned, drops = clean(table(*rows), cleaning, Scale())
    except DataError:
        assert policy in ("error", "latest")
        assert len({row[:2] for row in rows}) < len(set(rows))
        return
    assert len(cleaned) + sum(drop.rows for drop in drops) == len(rows)
    assert all(drop.rows > 0 for drop in drops)
    assert not cleaned.select("user_id", "book_id").is_duplicated().any()
    assert users == 0 or cleaned["user_id"].n_unique() <= users
    assert books == 0 or cleaned["book_id"].n_unique() <= books
    again, _ = clean(table(*data.draw(st.permutations(rows))), cleaning, Scale())
    columns = ["user_id", "book_id", "stars", "time"]
    assert again.select(columns).sort(columns).equals(cleaned.select(columns).sort(columns))
