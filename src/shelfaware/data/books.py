"""What is known of each book: a frozen table, one row a book, in the order of its ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from shelfaware.arrays import Indices, Mask, Positions
from shelfaware.data.ids import Id, IdMap, normalise_ids
from shelfaware.errors import DataError, UnknownIdError

COLUMNS: dict[str, pl.DataType] = {
    "work_id": pl.String(),
    "title": pl.String(),
    "authors": pl.List(pl.String()),
    "year": pl.Int32(),
    "isbn13": pl.String(),
    "series": pl.String(),
    "series_position": pl.Float64(),
    "genres": pl.List(pl.String()),
    "goodreads_ids": pl.List(pl.Int64()),
    "original_title": pl.String(),
    "language": pl.String(),
    "pages": pl.Int32(),
}
"""Columns of books.parquet beside `book_id`; each may be missing or null in what is read.

`goodreads_ids` are those of every known edition of the work; `language` is ISO 639, of two letters where it has such a code.
"""
LISTS = ("authors", "genres", "goodreads_ids")
"""The columns of lists, which are empty where nothing is known, never null."""


@dataclass(frozen=True, eq=False)
class Books:
    """`table`: book_id and COLUMNS, sorted by book_id, one row a book; row i is the book of index i."""

    table: pl.DataFrame

    @classmethod
    def of(cls, table: pl.DataFrame) -> Books:
        """Checks and completes a table that has at least `book_id`: missing columns are null, a missing title names the id."""
        table = table.with_columns(normalise_ids(table["book_id"], "book").alias("book_id"))
        if table["book_id"].is_duplicated().any():
            twice = table.filter(table["book_id"].is_duplicated())["book_id"][0]
            raise DataError(f"book {twice!r} stands twice in the table of books")
        known = [pl.col(c).cast(t) if c in table.columns else pl.lit(None, t).alias(c) for c, t in COLUMNS.items()]
        table = table.select("book_id", *known).sort("book_id")
        named = pl.concat_str(pl.lit("Book "), pl.col("book_id"))
        return cls(
            table.with_columns(
                pl.col("title").fill_null(named), *(pl.col(c).fill_null(pl.lit([], COLUMNS[c])) for c in LISTS)
            ).rechunk()
        )

    @classmethod
    def of_ids(cls, ids: IdMap) -> Books:
        """Books of which only the ids are known."""
        return cls.of(pl.DataFrame({"book_id": ids.ids}))

    def with_ids(self, ids: pl.Series) -> Books:
        """These books and, known by id alone, those of `ids` that are not among them."""
        missing = pl.Series(self.ids.find(ids) < 0)
        if not missing.any():
            return self
        extra = IdMap(ids.filter(missing), "book").ids.cast(pl.String)
        known = self.table.with_columns(pl.col("book_id").cast(pl.String))
        return Books.of(pl.concat([known, pl.DataFrame({"book_id": extra})], how="diagonal"))

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Books({len(self):,})"

    @cached_property
    def ids(self) -> IdMap:
        return IdMap(self.table["book_id"], "book")

    @cached_property
    def works(self) -> Positions:
        """A number for each work [n_books]: books of one work_id are its editions, a book without one is a work of its own."""
        own = pl.concat_str(pl.lit("book "), pl.col("book_id"))
        work = pl.coalesce(pl.concat_str(pl.lit("work "), pl.col("work_id")), own)
        return self.table.select(work.rank("dense").alias("work"))["work"].cast(pl.Int64).to_numpy() - 1

    @cached_property
    def titles(self) -> list[str]:
        return self.table["title"].to_list()

    def title(self, index: int) -> str:
        return self.titles[int(index)]

    def authors(self, index: int) -> list[str]:
        return list(self.table["authors"][int(index)])

    def take(self, mask: Mask) -> Books:
        """The books where `mask` [n_books] is true."""
        return Books(self.table.filter(pl.Series(mask)))

    def index_of_title(self, title: str) -> int:
        """Index of the one book of that title, ignoring case. Raises UnknownIdError that suggests the nearest titles."""
        folded = self.table["title"].str.to_lowercase()
        hits = np.flatnonzero((folded == title.lower()).to_numpy())
        if len(hits) == 1:
            return int(hits[0])
        if len(hits) > 1:
            same = ", ".join(str(self.ids.id_of(hit)) for hit in hits[:5])
            raise UnknownIdError(f"{len(hits)} books are titled {title!r} (book ids {same}); name one by its id")
        raise UnknownIdError(f"no book is titled {title!r}{self.suggestion(title)}")

    def index_of(self, book: Id) -> int:
        """Index of a book named by its id or, failing that, by its exact title."""
        return int(self.indices_of([book])[0])

    def indices_of(self, books: Iterable[Id]) -> Indices:
        """Indices of books, each named by its id or by its exact title [n]. Raises UnknownIdError for the first unknown."""
        books = list(books)
        found = self.ids.find(books)
        for i in np.flatnonzero(found < 0):
            found[i] = self.index_of_title(str(books[i]))
        return found

    def suggestion(self, title: str, n: int = 3) -> str:
        """The n titles most like `title`, best first, for the end of a sentence; empty where none is like it. Never a match."""
        from rapidfuzz import fuzz, process, utils

        choices, process_text = self.titles, utils.default_process
        hits = process.extract(title, choices, scorer=fuzz.WRatio, processor=process_text, limit=n, score_cutoff=60)
        named = "; ".join(f"{near!r} (id {self.ids.id_of(index)})" for near, _, index in hits)
        return f"; the nearest titles are {named}" if named else ""
