"""A library held against a small catalogue: what becomes of every row, and what a model is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfaware.data.books import Books
from shelfaware.data.interactions import READ, TO_READ, Scale
from shelfaware.library.library import OUTCOMES, Library, hold_against, read_library
from shelfaware.library.matching import Matcher
from shelfaware.library.report import report, write_report
from shelfaware.library.rows import Export, Row, State

CATALOGUE = [
    ("1", "Dune", "Frank Herbert", "w1"),
    ("2", "Dune: Deluxe Edition", "Frank Herbert", "w1"),
    ("3", "Emma", "Jane Austen", None),
    ("4", "The Hobbit", "J.R.R. Tolkien", None),
    ("5", "Dracula", "Bram Stoker", None),
    ("6", "Dracula", "Bram Stoker", None),
    ("7", "Kindred", "Octavia E. Butler", None),
    ("8", "Solaris", "Stanisław Lem", None),
]
BOOKS = Books.of(
    pl.DataFrame([{"book_id": i, "title": title, "authors": [author], "work_id": work} for i, title, author, work in CATALOGUE])
)
MATCHER = Matcher(BOOKS)
GOODREADS = """Book Id,Title,Author,My Rating,Exclusive Shelf
90,Dune,Frank Herbert,5,read
91,Emma,Jane Austen,0,read
92,The Hobbit,J.R.R. Tolkien,0,to-read
93,Kindred,Octavia E. Butler,0,currently-reading
94,Solaris,Stanisław Lem,0,space
95,Dracula,Bram Stoker,4,read
96,Dune: Deluxe Edition,Frank Herbert,0,to-read
97,Nothing Known,Nobody,3,read
98,Emma,Jane Austen,many,read
,,,,read
"""


def written(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def told(library: Library) -> dict[int, tuple[float, int]]:
    """Stars and shelf by book_id."""
    books = [int(library.books.ids.id_of(book)) for book in library.told[0]]
    return dict(zip(books, zip(library.told[1].tolist(), library.told[2].tolist(), strict=True), strict=True))


def test_every_row_has_an_outcome_and_the_counts_add_up(tmp_path: Path) -> None:
    library = read_library([written(tmp_path, GOODREADS)], BOOKS)
    assert [one.outcome for one in library.placed] == [
        "rated", "read", "to-read", "currently reading", "other shelf", "unmatched", "duplicate edition", "unmatched",
        "rejected", "skipped",
    ]  # fmt: skip
    assert sum(library.counts.values()) == len(library) == 10
    assert repr(library) == "Library(10 rows, 5 of 7 books known)"
    assert tuple(library.counts) == OUTCOMES
    assert (library.n_known, library.n_books) == (5, 7)
    assert library.placed[6].reason == "the same book as line 2"
    assert library.placed[5].reason == "2 different books have this title and author"


def test_a_model_is_told_of_stars_read_and_to_read_alone(tmp_path: Path) -> None:
    library = read_library([written(tmp_path, GOODREADS)], BOOKS)
    assert told(library) == {
        1: (5.0, READ),
        3: (pytest.approx(np.nan, nan_ok=True), READ),
        4: (pytest.approx(np.nan, nan_ok=True), TO_READ),
    }
    # Kindred is being read, Solaris stands on a shelf of their own, and which Dracula it is nobody knows.
    assert [BOOKS.ids.id_of(book) for book in library.besides] == [5, 6, 7, 8]


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, GOODREADS)
    once, twice = read_library([path], BOOKS), read_library([path, path], BOOKS)
    assert str(told(once)) == str(told(twice))
    assert once.besides.tolist() == twice.besides.tolist()
    assert once.n_known == twice.n_known
    assert twice.counts["duplicate edition"] == 2 * once.counts["duplicate edition"] + once.n_known


def test_a_later_export_updates(tmp_path: Path) -> None:
    earlier = written(tmp_path, "title,author,rating\nDune,Frank Herbert,5\nEmma,Jane Austen,2\n", "old.csv")
    later = written(tmp_path, "title,author,rating\nDune,Frank Herbert,3\nThe Hobbit,Tolkien,4\n", "new.csv")
    library = read_library([earlier, later], BOOKS)
    assert told(library) == {1: (3.0, READ), 3: (2.0, READ), 4: (4.0, READ)}
    assert library.placed[0].reason == "the same book as new.csv, line 2"


def test_of_two_editions_the_rated_one_counts_and_of_equals_the_first(tmp_path: Path) -> None:
    text = "title,author,rating\nDune: Deluxe Edition,Frank Herbert,\nDune,Frank Herbert,2\nDune,Frank Herbert,4\n"
    library = read_library([written(tmp_path, text)], BOOKS)
    assert told(library) == {1: (2.0, READ)}
    assert library.counts["duplicate edition"] == 2


@pytest.mark.parametrize(
    ("stars", "scale", "expected", "said"),
    [
        ("4.75", Scale(), 4.75, ""),
        ("0.5", Scale(), 1.0, "1 ratings below 1 count as 1."),
        ("0.5", Scale(0.5, 5, 0.5), 0.5, ""),
    ],
)
def test_quarter_stars_stay_what_they_are(tmp_path: Path, stars: str, scale: Scale, expected: float, said: str) -> None:
    text = f"Title,Authors,ISBN/UID,Read Status,Star Rating\nDune,Frank Herbert,,read,{stars}\n"
    library = read_library([written(tmp_path, text)], BOOKS, scale)
    assert told(library) == {1: (expected, READ)}
    assert library.notes == ((said,) if said else ())


def test_other_scales_are_brought_to_the_model_s_and_that_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "title,author,rating\nDune,Frank Herbert,10\nEmma,Jane Austen,1\nThe Hobbit,Tolkien,5.5\n")
    assert told(read_library([path], BOOKS)) == {1: (5.0, READ), 3: (1.0, READ), 4: (3.0, READ)}
    assert read_library([path], BOOKS).notes == ("mine.csv: Ratings from 1 to 10 were brought to 1 to 5 stars.",)
    assert told(read_library([path], BOOKS, Scale(1, 10, 1))) == {1: (10.0, READ), 3: (1.0, READ), 4: (5.5, READ)}
    few = written(tmp_path, "title,author,rating\nDune,Frank Herbert,4\n", "few.csv")
    assert told(read_library([few], BOOKS)) == {1: (4.0, READ)}
    assert told(read_library([few], BOOKS, file_scale=(0, 10))) == {1: (pytest.approx(2.6), READ)}


def test_what_a_person_confirms_is_matched(tmp_path: Path) -> None:
    path = written(tmp_path, "title,author,rating\nDuune,F. Herbert,5\nDracula,Bram Stoker,4\nNothing Known,Nobody,3\n")
    library = read_library([path], BOOKS)
    assert library.counts["unmatched"] == 3
    write_report(library, tmp_path / "report.csv")
    rows = pl.read_csv(tmp_path / "report.csv", infer_schema=False)
    assert rows["suggestions"].to_list()[:2] == [
        "1: Dune by Frank Herbert",
        "5: Dracula by Bram Stoker | 6: Dracula by Bram Stoker",
    ]
    chosen = rows.with_columns(pl.Series("book_id", ["1", "6", None]))
    chosen.write_csv(tmp_path / "chosen.csv")
    library = read_library([path], BOOKS, accept=tmp_path / "chosen.csv")
    assert told(library) == {1: (5.0, READ), 6: (4.0, READ)}
    assert library.placed[0].reason == "as you said"
    assert library.counts["unmatched"] == 1


def test_what_a_person_confirms_wins_over_a_match(tmp_path: Path) -> None:
    path = written(tmp_path, "title,author,rating\nEmma,Jane Austen,5\n")
    accept = written(tmp_path, "title,author,book_id\nEMMA,jane austen,8\nEmma,Somebody Else,1\n", "accept.csv")
    assert told(read_library([path], BOOKS, accept=accept)) == {8: (5.0, READ)}
    unknown = written(tmp_path, "title,author,book_id\nEmma,Jane Austen,999\n", "unknown.csv")
    assert told(read_library([path], BOOKS, accept=unknown)) == {3: (5.0, READ)}


def test_the_report_has_a_line_for_every_row_and_is_safe_to_open(tmp_path: Path) -> None:
    path = written(tmp_path, 'title,author,rating\n"=HYPERLINK(""x"")",Eve,5\nDune,Frank Herbert,4\n')
    library = read_library([path], BOOKS)
    frame = report(library)
    assert frame.columns == ["line", "outcome", "reason", "title", "author", "book_id", "suggestions", "file"]
    assert frame["line"].to_list() == [2, 3]
    assert frame.row(1)[:6] == (3, "rated", "by title and author", "Dune", "Frank Herbert", "1")
    write_report(library, tmp_path / "report.csv")
    assert "\n2,unmatched,no book of this title and author is known,\"'=HYPERLINK" in (tmp_path / "report.csv").read_text()
    again = read_library([tmp_path / "report.csv"], BOOKS)
    assert [one.row.title for one in again.placed] == ['=HYPERLINK("x")', "Dune"]


def test_nothing_but_to_read_and_nothing_at_all(tmp_path: Path) -> None:
    wanted = "Book Id,Title,Author,My Rating,Exclusive Shelf\n1,Dune,Frank Herbert,0,to-read\n"
    assert told(read_library([written(tmp_path, wanted)], BOOKS))[1][1] == TO_READ
    unknown = read_library([written(tmp_path, "title,author,rating\nX,Y,5\n")], BOOKS)
    assert [len(column) for column in unknown.told] == [0, 0, 0]


STATES: list[State] = ["read", "to-read", "currently-reading", "did-not-finish", "other", ""]
ROWS = st.builds(
    lambda book, stars, state, outcome: Row(
        0, *book, stars=None if outcome else stars, state=state, outcome=outcome, reason=outcome
    ),
    st.sampled_from([("Dune", ("Frank Herbert",)), ("Emma", ("Jane Austen",)), ("Dracula", ("Bram Stoker",)), ("X", ("Y",))]),
    st.none() | st.sampled_from([1.0, 3.5, 5.0]),
    st.sampled_from(STATES),
    st.sampled_from(["", "", "", "skipped", "rejected"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ROWS, max_size=8), max_size=3))
def test_no_row_is_ever_lost_or_counted_twice(files: list[list[Row]]) -> None:
    exports = [Export(f"{i}.csv", "plain list", (1, 5), tuple(rows)) for i, rows in enumerate(files)]
    library = hold_against(MATCHER, exports, Scale())
    assert [(one.file, one.row) for one in library.placed] == [(e.name, row) for e in exports for row in e.rows]
    assert sum(library.counts.values()) == sum(map(len, files))
    known = [one for one in library.placed if one.outcome in OUTCOMES[:6]]
    works = [int(BOOKS.works[one.book_index]) for one in known]
    assert len(works) == len(set(works)) == library.n_known
    for one in library.placed:
        assert (one.outcome in ("skipped", "rejected")) == (one.row.outcome != "")
        assert (one.outcome == "rated") <= (one.row.stars is not None)
        assert one.reason
    twice = hold_against(MATCHER, [*exports, *exports], Scale())
    assert str(sorted(told(twice).items())) == str(sorted(told(library).items()))
