"""Which book a row is: known answers for every rule, and figures on rows made from real books."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from labelled import labelled, mistyped, without_numbers

from shelfaware.data.books import Books
from shelfaware.library.matching import Match, Matcher
from shelfaware.library.rows import Row


def book(book_id: int, title: str, *authors: str, **more: Any) -> dict[str, Any]:
    return {"book_id": book_id, "title": title, "authors": list(authors)} | more


def numbered(series: str, position: float | None) -> dict[str, Any]:
    return {"series": series, "series_position": position}


BOOKS = Books.of(
    pl.DataFrame(
        [
            book(1, "Dune", "Frank Herbert", goodreads_ids=[10, 11], isbn13="9780306406157", **numbered("Dune", 1)),
            book(2, "House Atreides", "Brian Herbert", "Kevin J. Anderson", original_title="Dune: House Atreides"),
            book(3, "Catching Fire", "Suzanne Collins", **numbered("The Hunger Games", 2)),
            book(4, "The Hunger Games", "Suzanne Collins", work_id="40", **numbered("The Hunger Games", 1)),
            book(5, "The Hunger Games", "Suzanne Collins", work_id="40", isbn13="9780804429573", goodreads_ids=[50]),
            book(6, "Emma", "Jane Austen"),
            book(7, "Emma", "Alexander McCall Smith"),
            book(8, "Selected Poems", "Ted Hughes"),
            book(9, "Selected Poems", "Sylvia Plath", "Ted Hughes"),
            book(10, "Poems", "John Keats"),
            book(11, "Poems", "John Keats"),
            book(12, "Sapiens: A Brief History of Humankind", "Yuval Noah Harari"),
            book(13, "Twilight: The Graphic Novel, Vol. 1", "Young Kim", "Stephenie Meyer", original_title="Twilight"),
            book(14, "The Saga Boxed Set", "Ann Author", **numbered("Saga", None)),
            book(15, "Heart and Other Stories", "Joseph Conrad", original_title="Heart"),
            book(16, "Good Omens", "Terry Pratchett", "Neil Gaiman"),
            book(17, "قمر على سمرقند", "محمد المنسي قنديل"),
            book(18, "Mistborn: The Final Empire", "Brandon Sanderson", **numbered("Mistborn", 1)),
            book(19, "The Promise", "Gene Yang", **numbered("Avatar", 1)),
            book(20, "The Promise", "Gene Yang", **numbered("Other", 1)),
        ],
        infer_schema_length=None,
    )
)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(BOOKS)


def found(matcher: Matcher, title: str, *authors: str) -> int | None:
    """The id of the book that a row of that title and author is."""
    match = matcher.find(Row(line=1, title=title, authors=authors))
    assert (match.book_index < 0) == bool(match.reason) == (match.how == "")
    return None if match.book_index < 0 else BOOKS.table["book_id"][match.book_index]


def test_numbers_come_before_titles_in_order(matcher: Matcher) -> None:
    row = Row(1, title="Emma", authors=("Jane Austen",), book_id="3", goodreads_id="11", isbns=("9780804429573",))
    assert matcher.find(row) == Match(2, "book id")
    row = replace(row, book_id="03")
    assert matcher.find(row) == Match(0, "Goodreads id")
    row = replace(row, goodreads_id="999")
    assert matcher.find(row) == Match(4, "ISBN")
    row = replace(row, isbns=("9780000000002", "9780306406157"))
    assert matcher.find(row) == Match(0, "ISBN")
    assert matcher.find(replace(row, isbns=())) == Match(5, "title and author")


def test_book_ids_that_are_text() -> None:
    matcher = Matcher(Books.of(pl.DataFrame({"book_id": ["007", "b"], "title": ["A", "B"]})))
    assert matcher.find(Row(1, book_id="007")).book_index == 0
    assert matcher.find(Row(1, book_id="7")).reason == "it has no title"


@pytest.mark.parametrize(
    ("title", "author", "book_id"),
    [
        ("DUNE (Dune Chronicles, #1)", "Herbert, Frank", 1),
        ("Dune: House Atreides", "Brian Herbert", 2),
        ("House Atreides (Prelude to Dune, #1)", "B. Herbert", 2),
        ("Dune", "Herbert", 1),
        ("The Hunger Games: Catching Fire", "Suzanne  Collins", 3),
        ("Catching Fire (The Hunger Games, #2)", "S. Collins", 3),
        ("Catching Fire (Hunger Games Trilogy, #2; Other, #9)", "Suzanne Collins", 3),
        ("Hunger Games, The", "Suzanne Collins", 4),
        ("Emma", "Jane Austen", 6),
        ("Emma", "A. McCall Smith", 7),
        ("Selected Poems", "Ted Hughes", 8),
        ("Selected Poems", "Sylvia Plath", 9),
        ("Sapiens", "Yuval Noah Harari", 12),
        ("Twilight, The Graphic Novel: Vol. One", "Young Kim", 13),
        ("Twilight - The Graphic Novel, Volume 1", "Stephenie Meyer", 13),
        ("The Saga Boxed Set (Saga, #1-4)", "Ann Author", 14),
        ("Good Omens", "Neil Gaiman", 16),
        ("قمر على سمرقند", "محمد المنسي قنديل", 17),
        ("The Final Empire (Mistborn, #1)", "Brandon Sanderson", 18),
        ("The Promise (Other, #1)", "Gene Yang", 20),
    ],
)
def test_title_and_author(matcher: Matcher, title: str, author: str, book_id: int) -> None:
    assert found(matcher, title, author) == book_id


@pytest.mark.parametrize(
    ("title", "author", "reason"),
    [
        ("Dune", "Brian Herbert", "by another author"),
        ("Dune: Messiah", "Brian Herbert", "no book of this title and author"),
        ("The Hunger Games: Mockingjay", "Suzanne Collins", "no book of this title and author"),
        ("Catching Fire (The Hunger Games, #3)", "Suzanne Collins", "another number in its series"),
        ("The Hunger Games (The Hunger Games, #1-3)", "Suzanne Collins", "another number in its series"),
        ("The Hunger Games Box Set", "Suzanne Collins", "no book of this title and author"),
        ("The Saga Boxed Set (Saga, #2)", "Ann Author", "another number in its series"),
        ("Emma (Emma, #1-3)", "Jane Austen", "another number in its series"),
        ("Emma: A Study Guide", "Jane Austen", "no book of this title and author"),
        ("Emma, Vol. 2", "Jane Austen", "no book of this title and author"),
        ("Twilight", "Stephenie Meyer", "no book of this title and author"),
        ("Twilight: The Graphic Novel, Vol. 2", "Young Kim", "no book of this title and author"),
        ("Heart", "Joseph Conrad", "no book of this title and author"),
        ("Sapiens: A Graphic Novel", "Yuval Noah Harari", "no book of this title and author"),
        ("", "Jane Austen", "it has no title"),
        ("?!", "Jane Austen", "it has no title"),
    ],
)
def test_what_is_no_match_and_why(matcher: Matcher, title: str, author: str, reason: str) -> None:
    match = matcher.find(Row(line=1, title=title, authors=(author,)))
    assert match.book_index == -1
    assert reason in match.reason
    assert match.same == ()


def test_two_books_of_one_key_are_named_and_never_matched(matcher: Matcher) -> None:
    match = matcher.find(Row(1, title="Poems", authors=("John Keats",)))
    assert match == Match(-1, "", "2 different books have this title and author", (9, 10))
    match = matcher.find(Row(1, title="Emma"))
    assert match == Match(-1, "", "it names no author, and 2 books have this title", (5, 6))


def test_a_title_alone_is_a_match_only_whole_and_if_one_work_has_it(matcher: Matcher) -> None:
    assert found(matcher, "Good Omens") == 16
    assert found(matcher, "Good Omens", " ") == 16
    assert found(matcher, "The Hunger Games") == 4
    assert found(matcher, "Sapiens") is None
    assert found(matcher, "Good Omens: A Study Guide") is None


def test_works(matcher: Matcher) -> None:
    works = matcher.works
    assert works.dtype == np.int64
    assert works[3] == works[4]
    assert len(set(works.tolist())) == len(BOOKS) - 1


def test_suggestions_survive_typing_errors(matcher: Matcher) -> None:
    rows = [
        Row(1, title="Good Omnes", authors=("Tery Pratchett",)),
        Row(1, title="Catchng Fire (Hunger Games, #2)", authors=("Suzane Collins",)),
        Row(1, title="Hungr Games", authors=("Suzanne Collins",)),
        Row(1, title="Something else entirely", authors=("Nobody Known",)),
    ]
    good, fire, games, nothing = matcher.suggest(rows)
    assert (good[0], fire[0], games[0], nothing) == (15, 2, 3, [])
    assert 4 not in games
    assert [len(one) for one in matcher.suggest(rows, n=1)] == [1, 1, 1, 0]
    assert matcher.suggest([]) == []


@pytest.mark.parametrize("numbers", [True, False])
def test_rows_of_real_books(real_data: Path, numbers: bool) -> None:
    books, cases = labelled(real_data / "goodbooks-10k" / "books.csv", 3000, seed=101)
    matcher = Matcher(books)
    rows = [case.row if numbers else without_numbers(case.row) for case in cases]
    matches = [matcher.find(row).book_index for row in rows]
    ids = [int(books.table["book_id"][match]) if match >= 0 else None for match in matches]
    right = sum(one == case.book_id for one, case in zip(ids, cases, strict=True) if one is not None)
    assert right / sum(one is not None for one in ids) >= 0.995
    assert right / sum(case.book_id is not None for case in cases) >= 0.95


def test_suggestions_for_mistyped_rows_of_real_books(real_data: Path) -> None:
    books, cases = labelled(real_data / "goodbooks-10k" / "books.csv", 900, seed=102)
    matcher, rng = Matcher(books), np.random.default_rng(0)
    cases = [case for case in cases if case.book_id is not None]
    suggested = matcher.suggest([mistyped(without_numbers(case.row), rng) for case in cases])
    wanted = books.ids.index_of([case.book_id for case in cases if case.book_id is not None])
    hits = [matcher.works[book] in matcher.works[some] for book, some in zip(wanted, suggested, strict=True)]
    assert np.mean(hits) >= 0.9
