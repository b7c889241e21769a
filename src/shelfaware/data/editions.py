"""The table of books beside the ratings: titles, and which books are editions of one work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl

from shelfaware.arrays import Indices, Positions
from shelfaware.data.books import Books
from shelfaware.data.dialects import BOOKS, Dialect
from shelfaware.data.ids import IdMap
from shelfaware.data.table import Sheet
from shelfaware.data.titles import books_of
from shelfaware.errors import DataError

File = TypeVar("File")


@dataclass(frozen=True)
class Titles:
    """A table of books, as text."""

    sheet: Sheet

    def books(self, wanted: pl.Series) -> Books:
        """What is known of the books whose ids are in `wanted`, the ids of their other editions among it."""
        return books_of(self.sheet, wanted)


def told_apart(files: Sequence[File], dialects: Sequence[Dialect]) -> tuple[list[File], File | None]:
    """The tables of ratings, and the one of books if there is one. Raises DataError where there is another number of them."""
    ratings = [file for file, dialect in zip(files, dialects, strict=True) if dialect != BOOKS]
    titles = [file for file, dialect in zip(files, dialects, strict=True) if dialect == BOOKS]
    if not ratings or len(titles) > 1:
        raise DataError("name at least one table of ratings and at most one of books")
    return ratings, titles[0] if titles else None


def works_of(titles: Titles | None) -> pl.DataFrame:
    """book_id and work_id, as text, of all books whose work is known. Raises DataError if there are none."""
    if titles is None or "work_id" not in titles.sheet.rows.columns:
        raise DataError("editions are merged by their work: name a table of books that has work ids")
    return titles.sheet.rows.select("book_id", pl.col("work_id").replace("", None)).drop_nulls().unique("book_id", keep="first")


def editions(ids: IdMap, rows: Positions, works: pl.DataFrame) -> Indices:
    """The book that stands for each book [n]: of the editions of its work, the one in most rows, the first of equals.

    `rows`: in how many each book is [n]. A book whose work is not among `works` stands for itself.
    """
    books = pl.DataFrame({"book_id": ids.ids.cast(pl.String), "rows": rows}).with_row_index("book")
    books = books.join(works, on="book_id", how="left", maintain_order="left")
    most = pl.col("book").sort_by(-pl.col("rows"), "book").first().over("work_id")
    chosen = books.select(pl.when(pl.col("work_id").is_null()).then("book").otherwise(most)).to_series()
    return chosen.to_numpy().astype(np.int32)


def merged(rows: pl.DataFrame, works: pl.DataFrame) -> pl.DataFrame:
    """The rows with each book_id replaced by that of the book that stands for it."""
    counts = rows.group_by("book_id").len()
    ids = IdMap(counts["book_id"], "book")
    n = np.empty(len(ids), np.int64)
    n[ids.find(counts["book_id"])] = counts["len"].to_numpy()
    chosen = editions(ids, n, works)[ids.find(rows["book_id"])]
    return rows.with_columns(ids.ids[chosen].alias("book_id"))
