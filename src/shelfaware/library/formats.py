"""The formats of a person's own list: how each names its columns, counts its stars and calls what was done with a book."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

from shelfaware.data.dialects import fold
from shelfaware.errors import DataError
from shelfaware.library import names
from shelfaware.library.rows import State

Cell = TypeVar("Cell", str, int)


class Cells(NamedTuple, Generic[Cell]):
    """All that is ever picked from a record. Reviews, notes and the people in a list are in none of these columns."""

    title: Cell
    author: Cell
    others: Cell
    book_id: Cell
    goodreads_id: Cell
    isbn: Cell
    isbn13: Cell
    stars: Cell
    state: Cell
    read_at: Cell


GOODREADS_STATES: dict[str, State] = {
    "read": "read",
    "toread": "to-read",
    "currentlyreading": "currently-reading",
    "didnotfinish": "did-not-finish",
}
SERVICE_STATES: dict[str, State] = {
    **GOODREADS_STATES,
    "alreadyread": "read",
    "wanttoread": "to-read",
    "reading": "currently-reading",
    "stopped": "did-not-finish",
    "stoppedreading": "did-not-finish",
}
LIBRARYTHING_STATES: dict[str, State] = {**GOODREADS_STATES, "readbutunowned": "read", "wishlist": "to-read"}
OWN_STATES: dict[str, State] = {
    **SERVICE_STATES,
    "finished": "read",
    "tbr": "to-read",
    "dnf": "did-not-finish",
    "abandoned": "did-not-finish",
}


@dataclass(frozen=True)
class Format:
    """One way to write a list of books.

    marks     folded names of columns of which one tells the format; `=Book Id`: only where it is written so
    columns   field of `Cells` -> the folded header names that hold it, best first
    authors   (author, others) as `First Last`, the main one first
    scale     of the stars; None: told by the largest
    states    folded word -> state; any other word is a shelf of the person's own
    listed    `state` holds several names between commas
    read_wins what has stars or a date is read, whatever it is filed under
    unstated  the state of a row without stars in a file that has no column for it
    """

    name: str
    marks: frozenset[str]
    columns: Mapping[str, tuple[str, ...]]
    authors: Callable[[str, str], tuple[str, ...]]
    scale: tuple[float, float] | None
    states: Mapping[str, State] = field(default_factory=lambda: SERVICE_STATES)
    listed: bool = False
    read_wins: bool = False
    unstated: State = ""


GOODREADS = Format(
    "Goodreads",
    frozenset({"exclusiveshelf", "authorlf", "bookshelves", "bookshelveswithpositions", "additionalauthors", "=Book Id"}),
    {
        "title": ("title",),
        "author": ("author", "authorlf"),
        "others": ("additionalauthors",),
        "goodreads_id": ("bookid",),
        "isbn": ("isbn",),
        "isbn13": ("isbn13",),
        "stars": ("myrating", "rating"),
        "state": ("exclusiveshelf", "bookshelves"),
        "read_at": ("dateread",),
    },
    names.first_and_others,
    (1, 5),
    GOODREADS_STATES,
    listed=True,
)

STORYGRAPH = Format(
    "StoryGraph",
    frozenset({"readstatus", "isbnuid", "starrating", "lastdateread"}),
    {
        "title": ("title",),
        "author": ("authors",),
        "isbn": ("isbnuid",),
        "stars": ("starrating",),
        "state": ("readstatus",),
        "read_at": ("lastdateread",),
    },
    names.commas,
    (0.25, 5),
    GOODREADS_STATES,
)

LIBRARYTHING = Format(
    "LibraryThing",
    frozenset({"primaryauthor", "secondaryauthor", "sortcharacter", "collections", "isbns"}),
    {
        "title": ("title",),
        "author": ("primaryauthor",),
        "others": ("secondaryauthor",),
        "isbn": ("isbn",),
        "isbn13": ("isbns",),
        "stars": ("rating",),
        "state": ("collections",),
        "read_at": ("dateread",),
    },
    names.last_first,
    (0.5, 5),
    LIBRARYTHING_STATES,
    listed=True,
    read_wins=True,
)

HARDCOVER = Format(
    "Hardcover",
    frozenset({"hardcoverbookid", "hardcovereditionid", "reviewslate"}),
    {
        "title": ("title",),
        "author": ("author",),
        "isbn": ("isbn10",),
        "isbn13": ("isbn13",),
        "stars": ("rating",),
        "state": ("status",),
        "read_at": ("datefinished",),
    },
    names.credited,
    (0.5, 5),
)

BOOKWYRM = Format(
    "BookWyrm",
    frozenset({"authortext", "remoteid", "inventaireid", "goodreadskey", "shelfname"}),
    {
        "title": ("title",),
        "author": ("authortext",),
        "goodreads_id": ("goodreadskey",),
        "isbn": ("isbn10",),
        "isbn13": ("isbn13",),
        "stars": ("rating",),
        "state": ("shelf", "shelfname"),
        "read_at": ("finishdate",),
    },
    names.commas,
    (0.5, 5),
)

OPEN_LIBRARY = Format(
    "Open Library",
    frozenset({"editionid", "firstpublishyear", "myratings"}),
    {
        "title": ("title",),
        "author": ("authors",),
        "stars": ("myratings", "rating"),
        "state": ("bookshelf",),
    },
    names.bars,
    (1, 5),
)

PLAIN = Format(
    "plain list",
    frozenset(),
    {
        "title": ("title", "booktitle", "name", "book", "item"),
        "author": ("author", "authors", "writer", "by"),
        "book_id": ("bookid", "itemid", "book", "item"),
        "isbn": ("isbn", "isbn10"),
        "isbn13": ("isbn13",),
        "stars": ("rating", "stars", "myrating", "starrating", "score"),
        "state": ("shelf", "status", "readstatus", "bookshelf", "state"),
        "read_at": ("dateread",),
    },
    names.by_hand,
    None,
    OWN_STATES,
    unstated="read",
)

FORMATS = (STORYGRAPH, LIBRARYTHING, HARDCOVER, BOOKWYRM, GOODREADS, OPEN_LIBRARY, PLAIN)
"""The first that knows a mark of its own is taken; the last has none and takes the rest."""


NAMES_A_BOOK = ("title", "book_id", "goodreads_id", "isbn", "isbn13")


@dataclass(frozen=True)
class Layout:
    """A format, and where a file of it keeps its columns (field of `Cells` -> position; -1: nowhere)."""

    format: Format
    positions: Cells[int]
    authors: Callable[[str, str], tuple[str, ...]]

    def picker(self) -> Callable[[list[str]], Cells[str]]:
        """Picks the cells of a record and nothing else of it."""
        pick = itemgetter(*self.positions)
        return lambda values: Cells._make(pick([*values, ""]))


def recognise(header: Sequence[str], file: str) -> Layout:
    """The layout of a file, by its header alone. Raises DataError for a header that names no book."""
    folded = [fold(name) for name in header]
    known = {*folded, *(f"={name.strip()}" for name in header)}
    form = next(one for one in FORMATS if not one.marks or one.marks & known)
    found = {ours: next((one for one in form.columns.get(ours, ()) if one in folded), None) for ours in Cells._fields}
    if not any(found[ours] for ours in NAMES_A_BOOK):
        raise DataError(_complaint(header, file))
    positions = Cells(*(folded.index(theirs) if theirs else -1 for theirs in found.values()))
    return Layout(form, positions, names.sorted_and_others if found["author"] == "authorlf" else form.authors)


def _complaint(header: Sequence[str], file: str) -> str:
    reads = ", ".join(repr(name[:30]) for name in header[:8]) + (", ..." if len(header) > 8 else "")
    return f"{file} has no column for the title, the id or the ISBN of a book; its first line reads {reads}"
