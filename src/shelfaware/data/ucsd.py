"""The UCSD Book Graph: the CSV of all interactions, and JSON lines by genre, of both releases, gzipped or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from shelfaware.data.books import Books
from shelfaware.data.dialects import BOOKS, PAIR, Dialect
from shelfaware.data.report import Drop
from shelfaware.data.table import Sheet, checked, open_sheet
from shelfaware.data.titles import books_of

INTERACTIONS = Dialect(
    "UCSD interactions",
    {**PAIR, "stars": ("rating",), "shelf": ("isread",), "time": ("dateupdated",), "added": ("dateadded",)},
    needs=("user_id", "book_id", "stars", "shelf"),
    zero_is_unrated=True,
    time_format="%b %d %H:%M:%S %z %Y",
)
"""`is_read` and the first release's `isRead` fold to one name; a book that is not read is to-read."""

# Authors stand there as numbers of another file; its book ids are those of Goodreads.
KNOWN = {ours: theirs for ours, theirs in BOOKS.columns.items() if ours != "authors"} | {"goodreads_id": ("bookid",)}
TITLES = replace(BOOKS, name="UCSD books", columns=KNOWN)


def read_ucsd(paths: Sequence[Path]) -> tuple[pl.DataFrame, list[Drop]]:
    """The rows of all files as `read_table` gives them; the time is the last update or, failing that, the addition."""
    return checked([_with_one_time(open_sheet(path, [INTERACTIONS])) for path in paths])


def read_ucsd_books(path: Path, wanted: pl.Series) -> Books:
    """What `goodreads_books.json.gz` knows of the books whose ids are in `wanted`, the ids of their other editions among it."""
    return books_of(open_sheet(path, [TITLES]), wanted)


def _with_one_time(sheet: Sheet) -> Sheet:
    """`Fri Apr 19 08:15:15 -0700 2013` without its weekday, which could only contradict the date."""
    written = [pl.col(c).replace("", None).str.slice(4) for c in ("time", "added") if c in sheet.rows.columns]
    return replace(sheet, rows=sheet.rows.with_columns(pl.coalesce(*written).alias("time"))) if written else sheet
