"""One row of a person's own list, whatever file it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["read", "to-read", "currently-reading", "did-not-finish", "other", ""]
"""What a file says of a book beside stars; "" says nothing, "other" is a shelf of the person's own."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept of a row; reviews, notes, dates and the names of people are never read.

    line          of the file, from 1, as an editor counts it; of a row over several lines the first
    title         as written, series and all
    authors       as `First Last`, the main one first
    book_id       an id of the catalogue itself, which only a plain list can name
    goodreads_id  of this edition, where the file comes from Goodreads
    isbns         the digits of ISBNs of either length, their check digits not yet judged
    stars         on the file's own scale; None: unrated
    state, shelf  what was done with it; `shelf` is the name of an "other" shelf, as written
    outcome, reason  "skipped" or "rejected", and why, for a row that could not be used; else ""
    """

    line: int
    title: str = ""
    authors: tuple[str, ...] = ()
    book_id: str = ""
    goodreads_id: str = ""
    isbns: tuple[str, ...] = ()
    stars: float | None = None
    state: State = ""
    shelf: str = ""
    outcome: Literal["", "skipped", "rejected"] = ""
    reason: str = ""


@dataclass(frozen=True)
class Export:
    """A file as it was read: what it is, the scale of its stars, every row of it in order."""

    name: str
    format: str
    scale: tuple[float, float]
    rows: tuple[Row, ...]
