"""What goes into the storage and comes out of it; checked once, when it is built."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Literal, get_args

from shelfaware.errors import DataError
from shelfaware.library.rows import State as FileState

State = Literal["read", "to-read", "currently-reading", "did-not-finish", "other", "not-for-me", "not-read"]
"""What a person did with a book; "not-for-me" is never recommended, "not-read" is the answer "haven't read it"."""

Source = Literal["import", "click"]

KEY_LENGTH = 200
"""Characters of a book id or a request id: both are keys of indexes, which hold no long text."""


LAST_LINE = 2**31 - 1

NO_TEXT = re.compile("[\\0\\ud800-\\udfff]")

STATES, SOURCES, FILE_STATES = get_args(State), get_args(Source), get_args(FileState)


@dataclass(frozen=True, slots=True)
class Entry:
    """One book of a person. `stars` None: unrated. Raises DataError for what no database can keep."""

    book_id: str
    stars: float | None = None
    state: State = "read"
    source: Source = "click"

    def __post_init__(self) -> None:
        check_key(self.book_id, "book id")
        _check_stars(self.stars)
        _check_choice(self.state, STATES, "state")
        _check_choice(self.source, SOURCES, "source")


@dataclass(frozen=True, slots=True)
class FileRow:
    """What became of one row of an uploaded file, and what the file said, so that a person can still say which book it is.

    line     of the file, from 1; no line twice in a file
    outcome  one of `library.OUTCOMES`
    book_id  None: no book was found
    """

    line: int
    outcome: str
    reason: str = ""
    title: str = ""
    author: str = ""
    book_id: str | None = None
    stars: float | None = None
    state: FileState = ""

    def __post_init__(self) -> None:
        check_text(self.outcome + self.reason + self.title + self.author, f"line {self.line}")
        if self.book_id is not None:
            check_key(self.book_id, "book id")
        if not 0 < self.line <= LAST_LINE:
            raise DataError(f"line {self.line} is no line of a file; count from 1")
        _check_stars(self.stars)
        _check_choice(self.state, FILE_STATES, "state")


@dataclass(frozen=True, slots=True)
class Shelf:
    """A person's books in the order of their ids. Every change raises `version`, so it names this very shelf."""

    version: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `burst` requests at once, and one more each `seconds / burst` after."""

    burst: int
    seconds: float

    def __post_init__(self) -> None:
        if self.burst < 1 or not 0 < self.seconds < math.inf:
            raise DataError(f"{self.burst} requests in {self.seconds:g} seconds is no limit; both must be positive")


ENTRY_FIELDS = tuple(field.name for field in fields(Entry))
ROW_FIELDS = tuple(field.name for field in fields(FileRow))
ENTRY_VALUES, ROW_VALUES = attrgetter(*ENTRY_FIELDS), attrgetter(*ROW_FIELDS)
"""The same values in the same order; files have so many rows that `dataclasses.astuple` would take most of the time."""


def check_text(text: str, what: str) -> None:
    """Refuses what SQLite or PostgreSQL cannot keep: NUL, and half of a surrogate pair."""
    if NO_TEXT.search(text):
        raise DataError(
            f"{what}: the text holds a character that is no text (NUL or a lone surrogate); write it again as UTF-8"
        )


def check_key(text: str, what: str) -> None:
    """Refuses what no index can keep."""
    check_text(text, what)
    if not 0 < len(text) <= KEY_LENGTH:
        raise DataError(f"a {what} has 1 to {KEY_LENGTH} characters, not {len(text):,}")


def _check_stars(stars: float | None) -> None:
    if stars is not None and not math.isfinite(stars):
        raise DataError(f"{stars} stars is no rating; give a number, or none")


def _check_choice(value: str, choices: tuple[str, ...], what: str) -> None:
    if value not in choices:
        raise DataError(f"{value!r} is no {what}; choose among {', '.join(filter(None, choices))}")
