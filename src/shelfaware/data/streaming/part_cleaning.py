"""Cleaning by the part: what `cleaning.clean` does to a whole table, done to some users' rows at a time.

Every rule but two looks at one user alone. How many rows a book has is counted beforehand, over everything that was read; who
and what are the first so many is only known once all parts are clean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import polars as pl

from shelfaware.arrays import Floats, Indices, Mask
from shelfaware.data.cleaning import Cleaning, reasons, settle_duplicates, too_few, too_late
from shelfaware.data.part_writer import cuts
from shelfaware.data.report import Drop, Sieve
from shelfaware.data.streaming.read_ids import Counted

KEPT = ("user", "book", "stars", "shelf", "line", "place", "time")


class SortedSieve(Sieve):
    """Rows sorted otherwise than they were read, whose places sort as the files."""

    def first(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sort("place", "line").head(1)


@dataclass(frozen=True)
class Cleaner:
    """Cleans the rows of runs. `edition` [n_books] is the book that stands for each book that was read."""

    users: Counted
    books: Counted
    edition: Indices
    cleaning: Cleaning

    def part(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Drop]]:
        """The clean rows of some users, of whom `rows` are all, with user and book for their ids, sorted by them."""
        sieve = SortedSieve(self._coded(rows))
        least = self.cleaning.min_book_ratings
        if least:
            often = pl.Series(self._rows_of_book[sieve.rows["book"].to_numpy()] >= least)
            sieve.keep(pl.lit(often), too_few("book", least))
        self._settle(sieve)
        if self.cleaning.min_user_ratings:
            enough = pl.len().over("user") >= self.cleaning.min_user_ratings
            sieve.keep(enough, too_few("user", self.cleaning.min_user_ratings))
        return sieve.rows.select(KEPT), sieve.drops

    @cached_property
    def _rows_of_book(self) -> Floats:
        """In how many rows each book was read, its editions among them [n_books]."""
        rows: Floats = np.bincount(self.edition, self.books.rows, len(self.edition)).astype(np.float64)
        return rows

    def nothing(self) -> Cleaned:
        """Where the count of what is left begins."""
        return Cleaned(np.zeros(len(self.users.ids), bool), np.zeros(len(self.books.ids), bool))

    def _coded(self, rows: pl.DataFrame) -> pl.DataFrame:
        user, book = self.users.ids.find(rows["user_id"]), self.edition[self.books.ids.find(rows["book_id"])]
        return rows.select(pl.Series("user", user), pl.Series("book", book), *KEPT[2:])

    def _settle(self, sieve: Sieve) -> None:
        """Sorts the rows; those of users who have a pair twice go through the rules, in the order of the files."""
        read = sieve.rows
        sieve.rows = read.sort("user", "book", maintain_order=True)
        user, book = sieve.rows["user"].to_numpy(), sieve.rows["book"].to_numpy()
        twice = (user[1:] == user[:-1]) & (book[1:] == book[:-1])
        if not twice.any():
            return
        affected = np.zeros(len(self.users.ids), bool)
        affected[user[1:][twice]] = True
        few = SortedSieve(self._named(read.filter(pl.Series(affected[read["user"].to_numpy()]))), sieve.drops)
        settle_duplicates(few, self.cleaning.duplicates)
        rest = sieve.rows.filter(pl.Series(~affected[user]))
        sieve.rows = pl.concat([rest, few.rows.select(rest.columns)]).sort("user", "book")

    def _named(self, rows: pl.DataFrame) -> pl.DataFrame:
        ids = self.users.ids.ids[rows["user"]], self.books.ids.ids[rows["book"]]
        return rows.with_columns(ids[0].alias("user_id"), ids[1].alias("book_id")).sort("place", "line")


@dataclass
class Cleaned:
    """Which of the users and books that were read are left, and what left in cleaning."""

    user: Mask
    book: Mask
    rows: int = 0
    left: dict[str, tuple[int, tuple[int, int], str]] = field(default_factory=dict)

    def add(self, rows: pl.DataFrame, drops: Sequence[Drop], places: Sequence[str]) -> None:
        self.user[rows["user"].to_numpy()] = True
        self.book[rows["book"].to_numpy()] = True
        self.rows += len(rows)
        for drop in drops:
            place, _, line = drop.example.rpartition(" ")
            one = (drop.rows, (places.index(place), int(line)), drop.example)
            other = self.left.get(drop.reason, (0, one[1], one[2]))
            self.left[drop.reason] = (one[0] + other[0], *min(one[1:], other[1:]))

    def drops(self, cleaning: Cleaning) -> list[Drop]:
        order = reasons(cleaning)
        return [Drop(why, self.left[why][0], self.left[why][2]) for why in sorted(self.left, key=order.index)]


def cut(rows: pl.LazyFrame, cleaned: Cleaned, cleaning: Cleaning) -> tuple[pl.DataFrame, list[Drop]]:
    """The rows of the first users and books that are left, as many as are wanted."""
    sieve = SortedSieve(rows.collect())
    for kind, left, most in (("user", cleaned.user, cleaning.max_users), ("book", cleaned.book, cleaning.max_books)):
        if most:
            kept = left & (np.cumsum(left) <= most)
            sieve.keep(pl.lit(pl.Series(kept[sieve.rows[kind].to_numpy()])), too_late(kind, most))
    return sieve.rows, sieve.drops


def in_order(tables: Sequence[pl.LazyFrame], user: Indices, book: Indices, full: int) -> Iterator[pl.DataFrame]:
    """Clean rows as those of a dataset, users ascending. `user`, `book`: the index of each user and book that was read.

    Where cleaning took the last id that was no number, the others sort as numbers from then on: then each table of the
    result is picked from all.
    """
    renamed = (_indexed(table, user, book) for table in tables)
    if all((np.diff(index[index >= 0]) > 0).all() for index in (user, book)):
        yield from renamed
        return
    everything = pl.concat([rows.select("user_index") for rows in renamed])["user_index"].sort().to_numpy()
    edges = cuts(everything, full)
    for start, stop in pairwise(edges):
        wanted = pl.col("user_index").is_between(int(everything[start]), int(everything[stop - 1]))
        picked = [_indexed(table, user, book).filter(wanted) for table in tables]
        yield pl.concat(picked).sort("user_index", "book_index")


def _indexed(table: pl.LazyFrame, user: Indices, book: Indices) -> pl.DataFrame:
    rows = table.collect()
    return rows.select(
        pl.Series("user_index", user[rows["user"].to_numpy()]),
        pl.Series("book_index", book[rows["book"].to_numpy()]),
        "stars",
        "shelf",
        "time",
    )
