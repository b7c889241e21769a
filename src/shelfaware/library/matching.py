"""Which book of a catalogue a row of somebody's list is: by an id, an ISBN, or title and author; never by a likeness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from shelfaware.arrays import Positions
from shelfaware.data.books import Books
from shelfaware.data.titles import isbn13_of
from shelfaware.library.rows import Row
from shelfaware.library.title_keys import Name, Title, read_name, read_title, search_text, series_key_of

NO_TITLE = "it has no title"
NO_BOOK = "no book of this title and author is known"
NO_AUTHOR = "it names no author, and no book has just this title"
NO_AUTHOR_TWO = "it names no author, and {} books have this title"
OTHER_AUTHOR = "the book of this title that is known is by another author"
OTHER_VOLUME = "the book of this title that is known has another number in its series"
TWO_BOOKS = "{} different books have this title and author"

LEAST_LIKENESS = 65
"""In percent; what is less like a row than that is no suggestion."""
ROWS_AT_ONCE = 256


class Match(NamedTuple):
    """What a row was found to be.

    book_index  -1: no book of the catalogue
    how         "book id", "Goodreads id", "ISBN" or "title and author"; "" where unmatched
    reason      why not, in one short sentence; "" where matched
    same        books that the row may be, one a work, where its title and author name more than one
    """

    book_index: int
    how: str = ""
    reason: str = ""
    same: tuple[int, ...] = ()


class Matcher:
    """Finds rows in one catalogue."""

    def __init__(self, books: Books) -> None:
        table = books.table
        self.books = books
        self._of_id = _first((one, i) for i, one in enumerate(table["book_id"].cast(pl.String)))
        editions = table["goodreads_ids"].cast(pl.List(pl.String)).to_list()
        self._of_goodreads_id = _first((one, i) for i, ids in enumerate(editions) for one in ids)
        self._of_isbn = _first((one, i) for i, one in enumerate(table["isbn13"]) if one)
        self._isbn_bodies = {isbn[-10:-1] for isbn in self._of_isbn}
        self._work_of: list[int] = books.works.tolist()
        self._authors: list[list[str]] = table["authors"].to_list()
        self._series = [series_key_of(name) if name else "" for name in table["series"]]
        self._positions: list[float | None] = table["series_position"].to_list()
        self._series_names = set(self._series) - {""}
        self._full: dict[str, list[int]] = defaultdict(list)
        self._short: dict[str, list[int]] = defaultdict(list)
        for book, (title, original) in enumerate(zip(books.titles, table["original_title"], strict=True)):
            read = read_title(title)
            self._index(book, read)
            if original and original != title:
                self._index_original(book, read, read_title(original))

    @property
    def works(self) -> Positions:
        """A number for each work [n_books]: equal numbers are editions of one work."""
        return self.books.works

    def find(self, row: Row) -> Match:
        """The book of the catalogue that the row is."""
        for how, index in self._by_number(row):
            if index is not None:
                return Match(index, how)
        title = read_title(row.title)
        if not title.full:
            return Match(-1, reason=NO_TITLE)
        if not any(row.authors):
            return self._by_title(title)
        if not any(self._candidates(title)):
            return Match(-1, reason=NO_BOOK)
        names = [name for name in map(read_name, row.authors) if name.last]
        return self._by_title_and_author(title, names) if names else self._by_title(title)

    def _index_original(self, book: int, title: Title, original: Title) -> None:
        """A second title, unless it is only a part of the first: one story of a collection, or the book that was retold."""
        if original.full == title.short or original.full not in title.short:
            self._index(book, original)

    def _index(self, book: int, title: Title) -> None:
        """What stands before a subtitle is no title where it names a series; where that is the book's, the subtitle is one."""
        in_series = title.head == self._series[book]
        short = title.short if title.head not in self._series_names else title.rest if in_series else ""
        for key, index in ((title.full, self._full), (short, self._short)):
            if key and index[key][-1:] != [book]:
                index[key].append(book)

    def _by_number(self, row: Row) -> Iterator[tuple[str, int | None]]:
        yield "book id", self._of_id.get(row.book_id)
        yield "Goodreads id", self._of_goodreads_id.get(row.goodreads_id)
        for isbn in row.isbns:
            yield "ISBN", self._by_isbn(isbn)

    def _by_isbn(self, isbn: str) -> int | None:
        """The check digit is judged, which takes a while, only where the catalogue has the nine digits before it."""
        return self._of_isbn.get(isbn13_of(isbn) or "") if isbn[-10:-1] in self._isbn_bodies else None

    def _by_title_and_author(self, title: Title, names: Sequence[Name]) -> Match:
        for number, candidates in enumerate(self._candidates(title)):
            books = [book for book in candidates if self._may_be(title, book)]
            found = [book for book in books if self._main_author_is(book, names)]
            if not found and number == 0:
                found = [book for book in books if self._co_author_is(book, names)]
            if found:
                numbered = [book for book in found if (self._series[book], self._positions[book]) in title.series]
                return self._one_work(numbered or found, TWO_BOOKS)
        known = self._full.get(title.full, [])
        if any(self._main_author_is(book, names) for book in known):
            return Match(-1, reason=OTHER_VOLUME)
        return Match(-1, reason=OTHER_AUTHOR if known else NO_BOOK)

    def _by_title(self, title: Title) -> Match:
        found = [book for book in self._full.get(title.full, []) if self._may_be(title, book)]
        return self._one_work(found, NO_AUTHOR_TWO) if found else Match(-1, reason=NO_AUTHOR)

    def _one_work(self, found: Sequence[int], reason: str) -> Match:
        """The first of the books that were found, if they are all one work."""
        first = {self._work_of[book]: book for book in sorted(found, reverse=True)}
        if len(first) == 1:
            return Match(min(found), "title and author")
        return Match(-1, reason=reason.format(len(first)), same=tuple(sorted(first.values())))

    def _candidates(self, title: Title) -> Iterator[Iterable[int]]:
        """Books of the same title, best first: both whole; one without its subtitle; a subtitle behind the series' name."""
        yield self._full.get(title.full, [])
        yield self._short.get(title.full, [])
        if title.head not in self._series_names:
            yield self._full.get(title.short, [])
        else:
            yield [book for book in self._full.get(title.rest, []) if self._series[book] == title.head]

    def _may_be(self, title: Title, book: int) -> bool:
        """Whether no number of a series speaks against it, and not one is several volumes in one and the other is not."""
        if not title.series:
            return True
        series, position = self._series[book], self._positions[book]
        if any(number is None for _, number in title.series):
            return bool(series) and position is None
        return not series or (
            position is not None and all(name != series or number == position for name, number in title.series)
        )

    def _main_author_is(self, book: int, names: Sequence[Name]) -> bool:
        return any(names[0].may_be(read_name(author)) for author in self._authors[book][:1])

    def _co_author_is(self, book: int, names: Sequence[Name]) -> bool:
        """Whether the main author of one of the two is an author of the other."""
        known = [read_name(author) for author in self._authors[book]]
        return any(names[0].may_be(one) for one in known) or any(one.may_be(name) for one in known[:1] for name in names)

    @cached_property
    def _texts(self) -> list[str]:
        return [
            search_text(title, next(iter(authors), "")) for title, authors in zip(self.books.titles, self._authors, strict=True)
        ]

    def suggest(self, rows: Sequence[Row], n: int = 3) -> list[list[int]]:
        """For each row the `n` books whose title and author are spelt most like its own: for a person to confirm."""
        from rapidfuzz import fuzz, process

        suggestions: list[list[int]] = []
        for start in range(0, len(rows), ROWS_AT_ONCE):
            texts = [search_text(row.title, next(iter(row.authors), "")) for row in rows[start : start + ROWS_AT_ONCE]]
            likeness = process.cdist(texts, self._texts, scorer=fuzz.ratio, score_cutoff=LEAST_LIKENESS, dtype=np.uint8)
            best = np.argsort(-likeness.astype(np.int16), axis=1, kind="stable")[:, : 4 * n]
            suggestions += [
                self._works_among(books[scores[books] > 0], n) for books, scores in zip(best, likeness, strict=True)
            ]
        return suggestions

    def _works_among(self, books: Iterable[int], n: int) -> list[int]:
        """The first `n` of `books`, of each work the first."""
        first: dict[int, int] = {}
        for book in books:
            first.setdefault(int(self.works[book]), int(book))
        return list(first.values())[:n]


def _first(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The first index of each name."""
    found: dict[str, int] = {}
    for name, index in pairs:
        found.setdefault(name, index)
    return found
