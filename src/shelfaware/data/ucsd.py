"""The UCSD Book Graph: the CSV of all interactions, and JSON lines by genre, of both releases, gzipped or not."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from shelfaware.data.dialects import BOOKS, PAIR, Dialect
from shelfaware.data.table import Sheet

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


def with_one_time(sheet: Sheet) -> Sheet:
    """The time is the last update or, failing that, the addition.

    `Fri Apr 19 08:15:15 -0700 2013` is read without its weekday, which could only contradict the date.
    """
    written = [pl.col(c).replace("", None).str.slice(4) for c in ("time", "added") if c in sheet.rows.columns]
    return replace(sheet, rows=sheet.rows.with_columns(pl.coalesce(*written).alias("time"))) if written else sheet
