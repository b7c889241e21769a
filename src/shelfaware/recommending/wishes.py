"""What a reader wants of a list: which books may stand on it, how bold and how varied it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl

from shelfaware.arrays import Mask
from shelfaware.data.books import Books
from shelfaware.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The defaults ask for the books of the highest score, each series from its start, at most three by one author.

    adventure   deviations added to a book's score: below 0 safe bets, above 0 adventures; -3 to 3
    diversity   0: by score alone; towards 1 the more, the less a book is like those above it (`choosing.choose`)
    per_author  most books by one first author; 0: any number
    in_order    no book of a series before the earlier ones are read
    authors, languages, genres   any of these; none named: all
    first_year, last_year, max_pages   bounds, both ends included; None: none
    """

    adventure: float = 0.0
    diversity: float = 0.0
    per_author: int = 3
    in_order: bool = True
    authors: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    first_year: int | None = None
    last_year: int | None = None
    max_pages: int | None = None

    def __post_init__(self) -> None:
        if not -3 <= self.adventure <= 3:
            raise DataError(f"adventure goes from -3, the safest bets, to 3; {self.adventure:g} does not")
        if not 0 <= self.diversity <= 1:
            raise DataError(f"diversity goes from 0 to 1; {self.diversity:g} does not")
        if self.per_author < 0:
            raise DataError(f"{self.per_author} books by one author cannot be; 0 allows any number")

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Wishes:
        """From names and values as a command line or a request has them: words in a list."""
        given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()}
        return cls(**given)

    def __repr__(self) -> str:
        """Only what was asked for."""
        asked = [f for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Wishes({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in asked)})"


def allowed(books: Books, wishes: Wishes) -> Mask:
    """The books that pass every filter [n_books]; a book of which an asked-for fact is not known does not pass.

    Raises DataError for a fact that the catalogue has of no book at all.
    """
    passed = np.ones(len(books), bool)
    for column, condition in _filters(wishes):
        _refuse_unknown(books, column)
        passed &= books.table.select(condition.fill_null(False).alias("passed"))["passed"].to_numpy()
    return passed


def _filters(wishes: Wishes) -> Iterator[tuple[str, pl.Expr]]:
    """The column that each asked-for filter looks at, and what it wants there."""
    for column, words in (("authors", wishes.authors), ("genres", wishes.genres)):
        if words:
            yield column, _any_of(column, words)
    if wishes.languages:
        yield "language", pl.col("language").str.to_lowercase().is_in([one.lower() for one in wishes.languages])
    if wishes.first_year is not None:
        yield "year", pl.col("year") >= wishes.first_year
    if wishes.last_year is not None:
        yield "year", pl.col("year") <= wishes.last_year
    if wishes.max_pages is not None:
        yield "pages", pl.col("pages") <= wishes.max_pages


def _any_of(column: str, wanted: tuple[str, ...]) -> pl.Expr:
    """Whether a list holds one of the words wanted, ignoring case."""
    folded = pl.lit(pl.Series([one.lower() for one in wanted], dtype=pl.String).implode())
    return pl.col(column).list.eval(pl.element().str.to_lowercase()).list.set_intersection(folded).list.len() > 0


def _refuse_unknown(books: Books, column: str) -> None:
    values = books.table[column]
    known = values.list.len() > 0 if isinstance(values.dtype, pl.List) else values.is_not_null()
    if not known.any():
        raise DataError(f"this catalogue does not know the {column} of any book, so it cannot be filtered by it")


def in_series_order(books: Books, read: Mask) -> Mask:
    """The books that can be read next [n_books]: of their series every earlier whole number from 1 on is in `read`.

    A series is one name by one first author. What the catalogue lacks of it is not waited for.
    """
    rows = books.table.select(
        "series", pl.col("authors").list.first().fill_null("").alias("author"), pl.col("series_position").alias("place")
    ).with_columns(pl.Series("read", read))
    whole = (pl.col("place") >= 1) & (pl.col("place") == pl.col("place").floor())
    first_unread = pl.col("place").filter(whole & ~pl.col("read")).min().over("series", "author")
    waits = pl.col("series").is_not_null() & (pl.col("place") > first_unread)
    return ~rows.select(waits.fill_null(False).alias("waits"))["waits"].to_numpy()
