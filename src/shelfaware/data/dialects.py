"""Dialects of a table: how a file names, separates, encodes and scales what every rating table says."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shelfaware.data.interactions import Scale
from shelfaware.errors import DataError

NOUNS = {"user_id": "user", "book_id": "book", "stars": "rating"}
"""What errors call our columns; the others by their own name."""


def fold(name: str) -> str:
    """A header name without case, punctuation and RecBole's `:type`: `User-ID`, `userId`, `user_id:token` are one."""
    return "".join(letter for letter in name.partition(":")[0].casefold() if letter.isalnum())


@dataclass(frozen=True)
class Dialect:
    """One way to write a table.

    columns          our name -> the folded header names that mean it, best first
    needs            our names without which a file is not of this dialect
    separators       the one that the first line has most of is taken
    positions        our names in order, for a file without a header
    width            the exact number of columns, 0 for any
    shelf            the state of a row that has neither stars nor a shelf of its own; "" drops such a row
    numbered         ids are whole numbers
    zero_is_unrated  0 stars mean that there are none
    time_format      of `time`; "" takes seconds or milliseconds since 1970 and ISO 8601
    """

    name: str
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs: tuple[str, ...] = ("user_id", "book_id", "stars")
    separators: tuple[str, ...] = (",",)
    positions: tuple[str, ...] = ()
    width: int = 0
    encoding: str = "utf-8"
    quoted: bool = True
    scale: Scale = field(default_factory=Scale)
    shelf: str = ""
    numbered: bool = False
    zero_is_unrated: bool = False
    time_format: str = ""

    def separator(self, first_line: str) -> str:
        return max(self.separators, key=first_line.count)

    def split(self, first_line: str) -> list[str]:
        """The fields of the first line."""
        separator = self.separator(first_line)
        if not self.quoted or len(separator) > 1:
            return [one.strip(' "') for one in first_line.split(separator)]
        try:
            return next(csv.reader([first_line], delimiter=separator), [])
        except csv.Error:
            return first_line.split(separator)

    def find(self, names: Sequence[str], file: str) -> dict[str, int] | None:
        """Where `file` has our columns (our name -> position); None if it is not of this dialect."""
        if self.width not in (0, len(names)):
            return None
        if self.positions:
            return {ours: i for i, ours in enumerate(self.positions)} if names[0][:1].isdigit() else None
        folded = [fold(name) for name in names]
        found = {}
        for ours, accepted in self.columns.items():
            theirs = next((name for name in accepted if name in folded), None)
            if theirs is not None and folded.count(theirs) > 1:
                raise DataError(f"{file} has two columns for the {_noun(ours)}, both called {theirs!r}; rename one")
            if theirs is not None:
                found[ours] = folded.index(theirs)
        return found if all(ours in found for ours in self.needs) else None

    def complaint(self, names: Sequence[str], file: str) -> str:
        """What `file` lacks to be of this dialect."""
        folded = [fold(name) for name in names]
        ours = next((one for one in self.needs if not set(self.columns[one]) & set(folded)), self.needs[0])
        accepted = " or ".join(self.columns[ours][:3])
        shown = ", ".join(repr(name[:30]) for name in names[:8]) + (", ..." if len(names) > 8 else "")
        return f"{file} has no column for the {_noun(ours)} (such as {accepted}); its first line reads {shown}"


def _noun(ours: str) -> str:
    return NOUNS.get(ours, ours.replace("_", " "))


PAIR = {"user_id": ("userid",), "book_id": ("bookid",)}

RATINGS = Dialect("goodbooks ratings", {**PAIR, "stars": ("rating",)}, numbered=True)
TO_READ = Dialect("goodbooks to-read", PAIR, needs=("user_id", "book_id"), width=2, shelf="to_read", numbered=True)
BOOKS = Dialect(
    "books",
    {
        "book_id": ("bookid",),
        "title": ("title",),
        "authors": ("authors",),
        "year": ("originalpublicationyear", "publicationyear"),
        "work_id": ("workid",),
        "isbn": ("isbn",),
        "isbn13": ("isbn13",),
        "goodreads_id": ("goodreadsbookid",),
        "best_goodreads_id": ("bestbookid",),
        "original_title": ("originaltitle",),
        "language": ("languagecode",),
        "pages": ("numpages",),
    },
    needs=("book_id", "title"),
)

MOVIELENS_CSV = Dialect(
    "MovieLens ratings.csv",
    {"user_id": ("userid",), "book_id": ("movieid",), "stars": ("rating",), "time": ("timestamp",)},
    scale=Scale(0.5, 5, 0.5),
    numbered=True,
)
MOVIELENS_DAT = Dialect(
    "MovieLens ratings.dat",
    separators=("::",),
    positions=("user_id", "book_id", "stars", "time"),
    width=4,
    encoding="latin-1",
    quoted=False,
    numbered=True,
)
MOVIELENS_TAB = replace(MOVIELENS_DAT, name="MovieLens u.data", separators=("\t",))

RECBOLE = Dialect(
    "RecBole .inter",
    {"user_id": ("userid",), "book_id": ("itemid", "bookid"), "stars": ("rating",), "time": ("timestamp",)},
    needs=("user_id", "book_id"),
    separators=("\t",),
    quoted=False,
    shelf="read",
)

BOOK_CROSSING = Dialect(
    "Book-Crossing",
    {"user_id": ("userid",), "book_id": ("isbn",), "stars": ("bookrating",)},
    separators=(";", ","),
    encoding="latin-1",
    quoted=False,
    scale=Scale(1, 10, 1),
    shelf="read",
    zero_is_unrated=True,
)

TABLE = Dialect(
    "table",
    {
        "user_id": ("userid", "user", "uid", "reader", "readerid", "customerid"),
        "book_id": ("bookid", "book", "itemid", "item", "isbn", "isbn13", "movieid", "productid"),
        "stars": ("rating", "stars", "myrating", "bookrating", "score"),
        "shelf": ("shelf", "isread", "exclusiveshelf", "bookshelf"),
        "time": ("time", "timestamp", "date", "dateupdated", "dateadded"),
    },
    separators=(",", ";", "\t", "|"),
)

FORMATS: dict[str, tuple[Dialect, ...]] = {
    "goodbooks": (RATINGS, TO_READ, BOOKS),
    "movielens": (MOVIELENS_CSV, MOVIELENS_DAT, MOVIELENS_TAB),
    "recbole": (RECBOLE,),
    "bookcrossing": (BOOK_CROSSING,),
    "table": (TABLE, replace(TABLE, needs=("user_id", "book_id", "shelf"))),
}
"""The dialects that a file of each format may be written in; the first that fits is taken."""


def named_columns(named: Mapping[str, str], *, separator: str = "", zero_is_unrated: bool = False) -> tuple[Dialect, ...]:
    """The dialects of any table, with the header names that a person gave for some of our columns."""
    separator = {"tab": "\t", "\\t": "\t"}.get(separator, separator)
    if len(separator) > 1 or separator in ('"', "\n", "\r") or not separator.isascii():
        raise DataError(f"a separator is one character, such as ; or tab, not {separator!r}")
    columns = {**TABLE.columns, **{ours: (fold(theirs),) for ours, theirs in named.items()}}
    changed = replace(
        TABLE,
        columns=columns,
        separators=(separator,) if separator else TABLE.separators,
        zero_is_unrated=zero_is_unrated,
    )
    wanted = [tuple(dict.fromkeys((*one.needs, *named))) for one in FORMATS["table"]]
    return tuple(replace(changed, needs=needs) for needs in wanted)
