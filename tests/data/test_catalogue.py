"""The typed catalogue: facts, so what can be checked is that they are whole, in range and do not contradict each other."""

import polars as pl
import pytest

from shelfaware.data.books import Books
from shelfaware.data.simulator import load_catalogue
from shelfaware.errors import UnknownIdError

GENRES = {
    "children", "classics", "fantasy", "graphic novel", "historical", "horror", "literary", "memoir", "mystery",
    "non-fiction", "philosophy", "poetry", "romance", "science fiction", "thriller", "young adult",
}  # fmt: skip


@pytest.fixture(scope="module")
def books() -> Books:
    return load_catalogue()


def test_has_about_400_books_numbered_from_one(books: Books) -> None:
    assert 380 <= len(books) <= 450
    assert books.table["book_id"].to_list() == list(range(1, len(books) + 1))
    assert books.table["work_id"].to_list() == [str(i) for i in range(1, len(books) + 1)]


def test_facts_are_whole(books: Books) -> None:
    table = books.table
    assert table["title"].str.contains(r"^\S.*\S$|^\S+$").all()
    assert table["year"].is_between(-800, 2017).all()
    assert table["isbn13"].null_count() == len(books)
    for column in ("authors", "genres"):
        names = table[column].explode()
        assert (names.is_not_null() & (names == names.str.strip_chars()) & (names != "")).all()


def test_genres_come_from_a_small_vocabulary_without_repeats(books: Books) -> None:
    assert set(books.table["genres"].explode()) == GENRES
    assert (books.table["genres"].list.len() == books.table["genres"].list.n_unique()).all()


def test_no_book_stands_twice(books: Books) -> None:
    assert not books.table.select(pl.col("title").str.to_lowercase(), "authors").is_duplicated().any()


def test_series_and_position_come_together_and_a_position_is_taken_once(books: Books) -> None:
    assert (books.table["series"].is_null() == books.table["series_position"].is_null()).all()
    volumes = books.table.drop_nulls("series")
    assert not volumes.select("series", "series_position").is_duplicated().any()
    assert (volumes["series_position"] > 0).all()


def test_positions_follow_publication(books: Books) -> None:
    whole = pl.col("series_position") % 1 == 0
    volumes = books.table.drop_nulls("series").filter(whole).sort("series", "series_position")
    step = volumes.select(pl.col("year").diff().over("series"))["year"].drop_nulls()
    assert (step >= 0).all()


def test_a_series_has_one_spelling_of_its_author(books: Books) -> None:
    first = pl.col("authors").list.first()
    writers = books.table.drop_nulls("series").group_by("series").agg(first.n_unique())
    assert (writers["authors"] == 1).all()


@pytest.mark.parametrize(
    ("title", "authors", "year", "series", "position"),
    [
        ("One Hundred Years of Solitude", ["Gabriel García Márquez"], 1967, None, None),
        ("The Iliad", ["Homer"], -750, None, None),
        ("Good Omens", ["Terry Pratchett", "Neil Gaiman"], 1990, None, None),
        ("Small Gods", ["Terry Pratchett"], 1992, "Discworld", 13.0),
        ("The Slow Regard of Silent Things", ["Patrick Rothfuss"], 2014, "The Kingkiller Chronicle", 2.5),
        ("I, Robot", ["Isaac Asimov"], 1950, None, None),
        ("Jane Eyre", ["Charlotte Brontë"], 1847, None, None),
    ],
)
def test_known_books(
    books: Books, title: str, authors: list[str], year: int, series: str | None, position: float | None
) -> None:
    row = books.table.row(books.index_of_title(title), named=True)
    assert (row["authors"], row["year"], row["series"], row["series_position"]) == (authors, year, series, position)


@pytest.mark.parametrize("title", ["Blindness", "Life After Life", "The Idiot", "The Gathering Storm"])
def test_two_books_of_one_title_are_told_apart_by_id(books: Books, title: str) -> None:
    with pytest.raises(UnknownIdError, match="2 books are titled"):
        books.index_of_title(title)
