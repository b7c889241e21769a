"""Rows of a reader's list of which the right book is known, made from a table of real books as people and files write them.

Two thirds are books of the catalogue, written as other files write them; a third are traps: books that only look like one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from shelfaware.data.books import Books
from shelfaware.data.dialects import BOOKS
from shelfaware.data.table import open_sheet
from shelfaware.data.titles import books_of
from shelfaware.library.rows import Row

T = TypeVar("T")
Random = np.random.Generator
ABSENT = 0.15
"""The share of the books that is kept out of the catalogue."""


@dataclass(frozen=True)
class Case:
    """A row, the id of the book that it is (None: no book of the catalogue), and how it was made."""

    row: Row
    book_id: int | None
    kind: str


@dataclass(frozen=True)
class Written:
    """A book as the table of books writes it: `name (series, #number)`."""

    book_id: int
    goodreads_id: str
    isbn13: str
    title: str
    original_title: str
    authors: tuple[str, ...]

    @property
    def name(self) -> str:
        return re.sub(r"\s*\([^()]*#[^()]*\)$", "", self.title)

    @property
    def head(self) -> str:
        return self.name.partition(": ")[0]

    @property
    def series(self) -> tuple[str, str]:
        found = re.search(r"\(([^()#;]+?),?\s*#(\d+)\)$", self.title)
        return (found[1], found[2]) if found else ("", "")


class Shelf:
    """The table of books, split into a catalogue and the books that it lacks."""

    def __init__(self, path: Path, seed: int) -> None:
        sheet = open_sheet(path, [BOOKS])
        every = books_of(sheet, sheet.rows["book_id"])
        absent = np.random.default_rng(seed).random(len(every)) < ABSENT
        self.catalogue: Books = every.take(~absent)
        known = every.table.select("book_id", "isbn13", "authors").with_columns(absent=pl.Series(absent))
        rows = sheet.rows.with_columns(pl.col("book_id").cast(pl.Int64)).select(pl.exclude("isbn13", "authors"))
        written = [
            (one["absent"], Written(*(one[c] or "" for c in ("book_id", "goodreads_id", "isbn13", "title", "original_title")),
                                    tuple(one["authors"])))
            for one in rows.join(known, on="book_id").iter_rows(named=True)
        ]  # fmt: skip
        self.present = [one for is_absent, one in written if not is_absent]
        self.absent = [one for is_absent, one in written if is_absent]
        names = [one for _, one in written]
        self.titles = {one.name.casefold() for one in names} | {one.original_title.casefold() for one in names}
        self.heads = Counter(one.head.casefold() for one in names)
        self.heads.update(one.series[0].casefold() for one in names)


def labelled(path: Path, n: int, seed: int) -> tuple[Books, list[Case]]:
    """The catalogue without the books that are held out, and `n` cases."""
    shelf, rng = Shelf(path, seed), np.random.default_rng(seed + 1000)
    traps = [absent, sequel, box, volume, about, other_author]
    cases = []
    while len(cases) < n:
        make = true if len(cases) % 3 else traps[rng.integers(len(traps))]
        case = make(shelf, rng)
        if case is not None and case.row.title:
            cases.append(replace(case, row=_as_written(case.row, rng)))
    return shelf.catalogue, cases


def without_numbers(row: Row) -> Row:
    """The row of a file that knows neither Goodreads ids nor ISBNs."""
    return replace(row, goodreads_id="", isbns=())


def mistyped(row: Row, rng: Random) -> Row:
    """The row with one or two typing errors in the title, the author or both."""
    title, author = row.title, row.authors[0]
    for _ in range(rng.integers(1, 3)):
        if rng.random() < 0.6:
            title = _typo(title, rng)
        else:
            author = _typo(author, rng)
    return replace(row, title=title, authors=(author, *row.authors[1:]))


def true(shelf: Shelf, rng: Random) -> Case:
    book = _any(shelf.present, rng)
    title, style = _styled(book, shelf, rng)
    known = rng.random()
    return Case(
        Row(
            line=2,
            title=title,
            authors=book.authors,
            goodreads_id=book.goodreads_id if known < 0.35 else "99999999",
            isbns=(book.isbn13,) if book.isbn13 and known > 0.7 else (),
        ),
        book.book_id,
        style,
    )


def absent(shelf: Shelf, rng: Random) -> Case:
    book = _any(shelf.absent, rng)
    title, style = _styled(book, shelf, rng)
    return _trap(title, book, f"absent, {style}")


def sequel(shelf: Shelf, rng: Random) -> Case | None:
    """The name of a book under a number that the series does not have in the catalogue."""
    book = _any(shelf.present, rng)
    series, number = book.series
    wrong = str(int(number or 1) + int(rng.integers(1, 60)))
    styles = (f"{book.name} ({series}, #{wrong})", f"{series}: {_any(shelf.absent, rng).name}", f"{series} #{wrong}")
    return _trap(_any(styles, rng), book, "sequel") if series else None


def box(shelf: Shelf, rng: Random) -> Case | None:
    book = _any(shelf.present, rng)
    series = book.series[0]
    name = series or book.name
    styles = [f"{name} Box Set", f"{name}: The Complete Collection", f"The {name} Trilogy: Boxed Set", f"{name} Omnibus"]
    styles += [f"{book.name} ({series}, #1-3)", f"{name} ({series}, #1-{rng.integers(3, 9)})"] if series else []
    return _new(_any(styles, rng), book, "box", shelf)


def volume(shelf: Shelf, rng: Random) -> Case | None:
    book = _any(shelf.present, rng)
    number = rng.integers(60, 90)
    styles = (
        f"{book.head}, Vol. {number}",
        f"{book.name}: Volume {number}",
        f"{book.name}, Part {number}",
        f"{book.head} ({number})",
    )
    if "Vol" in book.name:
        return _new(re.sub(r"(Vol(?:\.|ume)) \d+", rf"\1 {number}", book.name), book, "volume", shelf)
    return _new(_any(styles, rng), book, "volume", shelf)


def about(shelf: Shelf, rng: Random) -> Case | None:
    book = _any(shelf.present, rng)
    name = _any((book.name, book.head), rng)
    styles = (
        f"{name}: A Study Guide", f"Summary of {name}", f"{name}: The Graphic Novel", f"{name} (Coloring Book)",
        f"{name} - The Official Companion", f"{name}: The Manga, Vol. 1", f"SparkNotes: {name}", f"{name} Workbook",
        f"{name}: Notes and Summary", f"The Making of {name}", f"{name} (Graphic Novel)", f"{name} Journal",
    )  # fmt: skip
    return _new(_any(styles, rng), book, "about", shelf)


def other_author(shelf: Shelf, rng: Random) -> Case | None:
    book, other = _any(shelf.present, rng), _any(shelf.present, rng)
    names = {name.split()[-1].casefold() for name in book.authors}
    if names & {name.split()[-1].casefold() for name in other.authors} or shelf.heads[book.head.casefold()] > 1:
        return None
    return _trap(_styled(book, shelf, rng)[0], other, "other author")


def _trap(title: str, book: Written, kind: str) -> Case:
    return Case(Row(line=2, title=title, authors=book.authors, goodreads_id="99999999"), None, kind)


def _new(title: str, book: Written, kind: str, shelf: Shelf) -> Case | None:
    return None if title.casefold() in shelf.titles else _trap(title, book, kind)


def _styled(book: Written, shelf: Shelf, rng: Random) -> tuple[str, str]:
    """The title as a file or a person writes it: with its series or without, cut, or as it first appeared."""
    series, number = book.series
    styles = [("as it is", book.title), ("without series", book.name), ("without series", book.name)]
    if series:
        styles += [
            ("no comma", f"{book.name} ({series} #{number})"),
            ("two series", f"{book.name} ({series}, #{number}; Xy, #7)"),
        ]
        styles += [("series first", f"{series}: {book.name}"), ("in words", f"{book.name} ({series} Book {number})")]
    if ": " in book.name and shelf.heads[book.head.casefold()] == 1:
        styles += [("cut", book.head), ("dash", book.name.replace(": ", " - "))]
    elif ": " not in book.title and "#" not in book.name:
        styles += [("a novel", f"{book.name}: A Novel")]
    if book.original_title:
        styles += [("original", book.original_title)]
    kind, title = _any(styles, rng)
    return title, kind


def _as_written(row: Row, rng: Random) -> Row:
    title, author = row.title, row.authors[0]
    for change in TITLE_CHANGES:
        title = change(title) if rng.random() < 0.12 else title
    for change in AUTHOR_CHANGES:
        author = change(author) if rng.random() < 0.15 else author
    others = row.authors[1:] if rng.random() < 0.5 else ()
    return replace(row, title=title, authors=(author, *others))


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _article_moved(title: str) -> str:
    return re.sub(r"^(The|A|An) ([^(:]*[^(:\s])", r"\2, \1", title)


TITLE_CHANGES: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.lower,
    _decomposed,
    lambda title: re.sub(r"^(The|A|An) (?=\w)", "", title) if len(title) > 12 else title,
    _article_moved,
    lambda title: title.replace("'", "’"),
    lambda title: title.replace(" & ", " and ") if "&" in title else title.replace(" and ", " & "),
    lambda title: title.replace(" ", "  ", 2),
    lambda title: re.sub(r"(?<=\w)[,!?.](?=\s|$)(?! +(?:The|An?)\b)", "", title) if "ol." not in title else title,
    lambda title: title.replace("-", " ") if " - " not in title and "#" not in title else title,
)
AUTHOR_CHANGES: tuple[Callable[[str], str], ...] = (
    lambda name: name.replace(" ", "   "),
    lambda name: name.replace(".", ""),
    lambda name: name.replace(".", ". "),
    str.upper,
    _decomposed,
    lambda name: re.sub(r",? (Jr|Sr|III|II)\.?$", "", name),
    lambda name: name if "," in name or " " not in name else ", ".join(reversed(name.rsplit(" ", 1))),
)


def _any(choices: Sequence[T], rng: Random) -> T:
    return choices[int(rng.integers(len(choices)))]


def _typo(text: str, rng: Random) -> str:
    at, letter = int(rng.integers(max(1, len(text) - 1))), "abcdefghijklmnopqrstuvwxyz"[rng.integers(26)]
    edits = (
        text[:at] + letter + text[at:],
        text[:at] + text[at + 1 :],
        text[:at] + letter + text[at + 1 :],
        text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
    )
    return edits[rng.integers(4)]
