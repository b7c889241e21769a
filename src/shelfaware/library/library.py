"""A person's library held against a catalogue: what became of every row, and what a model is to be told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shelfaware.arrays import Floats, Indices, Positions
from shelfaware.data.books import Books
from shelfaware.data.ids import Id
from shelfaware.data.interactions import READ, TO_READ, Scale
from shelfaware.library.exports import read_export
from shelfaware.library.matching import Matcher
from shelfaware.library.rows import Export, Row

OUTCOMES = (
    "rated",
    "read",
    "to-read",
    "currently reading",
    "did not finish",
    "other shelf",
    "duplicate edition",
    "unmatched",
    "skipped",
    "rejected",
)
"""What can become of a row; the first six are books that the catalogue has."""

STATES = {
    "read": "read",
    "": "read",
    "to-read": "to-read",
    "currently-reading": "currently reading",
    "did-not-finish": "did not finish",
    "other": "other shelf",
}
"""The outcome of a matched, unrated row by the state that its file gives it."""

TOLD = {"rated": READ, "read": READ, "to-read": TO_READ}
"""The outcomes that a model is told of, and the shelf it is told. The others count as neither read nor to-read."""


NOTHING: Mapping[tuple[str, str], Id] = MappingProxyType({})


class Placed(NamedTuple):
    """A row, what became of it and why; `book_index` in the catalogue, -1 for none; `same`: works that its title names."""

    file: str
    row: Row
    outcome: str
    reason: str
    book_index: int
    same: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Library:
    """Every row of a person's files, in order, and what a model is told of it.

    notes  what a person should know of how their files were read, in sentences
    """

    matcher: Matcher
    scale: Scale
    placed: tuple[Placed, ...]
    notes: tuple[str, ...] = ()

    @property
    def books(self) -> Books:
        """The catalogue."""
        return self.matcher.books

    def __len__(self) -> int:
        return len(self.placed)

    def __repr__(self) -> str:
        return f"Library({len(self):,} rows, {self.n_known:,} of {self.n_books:,} books known)"

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows ended as each of OUTCOMES; they add up to the rows."""
        found = Counter(one.outcome for one in self.placed)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def n_known(self) -> int:
        """Books of theirs that the catalogue has, an edition counted once."""
        return sum(self.counts[outcome] for outcome in OUTCOMES[:6])

    @property
    def n_books(self) -> int:
        """Books that they have: the known and the unmatched."""
        return self.n_known + self.counts["unmatched"]

    @cached_property
    def told(self) -> tuple[Indices, Floats, NDArray[np.int8]]:
        """book_index, stars (NaN where unrated) and shelf of what a model is told, one row a work [m]."""
        rows = [one for one in self.placed if one.outcome in TOLD]
        stars = [np.nan if one.row.stars is None else one.row.stars for one in rows]
        shelf = np.array([TOLD[one.outcome] for one in rows], np.int8)
        return np.array([one.book_index for one in rows], np.int32), np.array(stars, np.float64), shelf

    @cached_property
    def besides(self) -> Positions:
        """Books that they took up or that a title of theirs may mean, and of which a model is not told."""
        found = {one.book_index for one in self.placed if one.outcome in set(OUTCOMES[:6]) - set(TOLD)}
        found.update(book for one in self.placed for book in one.same)
        return np.array(sorted(found), np.int64)

    @property
    def unmatched(self) -> list[Placed]:
        return [one for one in self.placed if one.outcome == "unmatched"]

    def suggestions(self, unmatched: Sequence[Placed], n: int = 3) -> list[list[int]]:
        """For each row the books of the catalogue that it may mean, best first: for a person to confirm."""
        return self.matcher.suggest([one.row for one in unmatched], n)


def read_library(
    paths: Sequence[Path | str],
    books: Books,
    scale: Scale | None = None,
    *,
    accept: Path | None = None,
    file_scale: tuple[float, float] | None = None,
) -> Library:
    """A person's files against a catalogue: an export of Goodreads, StoryGraph, ... or a plain list (`formats.FORMATS`).

    Stars are brought to `scale`, from `file_scale` (least, most) where the file's own would be guessed wrong. The same file
    again changes nothing; of a book that stands in two files the later file counts. `accept` is a list of title, author
    and book_id, such as a report in which the person chose. Raises DataError for a file that cannot be read; a row that
    cannot is rejected, with its reason.
    """
    accepted = {_name(row): row.book_id for row in read_export(accept).rows if row.book_id} if accept else {}
    exports = [read_export(Path(path), file_scale) for path in paths]
    return hold_against(Matcher(books), exports, scale or Scale(), accepted)


def hold_against(
    matcher: Matcher, exports: Sequence[Export], scale: Scale, accepted: Mapping[tuple[str, str], Id] = NOTHING
) -> Library:
    """The library of exports that were read; `accepted` says which book_id a (title, author) is, in small letters."""
    books = matcher.books
    find = _Find(matcher, {name: int(books.ids.find([book])[0]) for name, book in accepted.items()})
    placed, notes = [], []
    for number, export in enumerate(exports):
        rows, said = _rescaled(export, scale)
        notes += said
        placed += [(number, find(export.name, row)) for row in rows]
    return Library(matcher, scale, _settled(placed, books.works), tuple(notes))


class _Find(NamedTuple):
    """Finds the book of a row: the one that the person chose, else the matcher's."""

    matcher: Matcher
    accepted: Mapping[tuple[str, str], int]

    def __call__(self, file: str, row: Row) -> Placed:
        if row.outcome:
            return Placed(file, row, row.outcome, row.reason, -1)
        chosen = self.accepted.get(_name(row), -1) if self.accepted else -1
        outcome = "rated" if row.stars is not None else STATES[row.state]
        if chosen >= 0:
            return Placed(file, row, outcome, "as you said", chosen)
        match = self.matcher.find(row)
        if match.book_index < 0:
            return Placed(file, row, "unmatched", match.reason, -1, match.same)
        return Placed(file, row, outcome, f"by {match.how}", match.book_index)


def _name(row: Row) -> tuple[str, str]:
    return row.title.casefold(), (row.authors[0] if row.authors else "").casefold()


def _settled(placed: Sequence[tuple[int, Placed]], works: Positions) -> tuple[Placed, ...]:
    """Of each work one row counts: of the latest file the one that says most, of equals the first."""
    best: dict[int, tuple[int, int, int]] = {}
    work_of = works.tolist()
    for place, (number, one) in enumerate(placed):
        if one.book_index >= 0:
            work = work_of[one.book_index]
            best[work] = min(best.get(work, (1, 0, 0)), (-number, OUTCOMES.index(one.outcome), place))
    return tuple(
        _unless_twice(one, placed[best[work_of[one.book_index]][2]][1]) if one.book_index >= 0 else one for _, one in placed
    )


def _unless_twice(one: Placed, counted: Placed) -> Placed:
    if one is counted:
        return one
    where = f"line {counted.row.line}" if counted.file == one.file else f"{counted.file}, line {counted.row.line}"
    return one._replace(outcome="duplicate edition", reason=f"the same book as {where}")


def _rescaled(export: Export, scale: Scale) -> tuple[list[Row], list[str]]:
    """The rows with their stars on `scale`, and what was done to them, in words.

    Scales with the same most stars differ in their steps alone: halves and quarters stay as they are. Any other scale is
    stretched, its least to the least, its most to the most.
    """
    least, most = export.scale
    if most == scale.max:
        low = [row.stars is not None and row.stars < scale.min for row in export.rows]
        rows = [_with_stars(row, scale.min) if too_low else row for row, too_low in zip(export.rows, low, strict=True)]
        raised = sum(low)
        return rows, [f"{raised:,} ratings below {scale.min:g} count as {scale.min:g}."] if raised else []
    stretch = (scale.max - scale.min) / (most - least)
    rows = [
        _with_stars(row, scale.min + (row.stars - least) * stretch) if row.stars is not None else row for row in export.rows
    ]
    note = f"Ratings from {least:g} to {most:g} were brought to {scale.min:g} to {scale.max:g} stars."
    return rows, [f"{export.name}: {note}"] if any(row.stars is not None for row in rows) else []


def _with_stars(row: Row, stars: float) -> Row:
    return replace(row, stars=stars)
