"""The one noun for the data: who did what with which book, checked once when it is built, then frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shelfaware.arrays import AnyArray, Indices, Mask, Positions, Stars
from shelfaware.data.books import Books
from shelfaware.data.ids import IdMap
from shelfaware.errors import DataError

READ, TO_READ = 0, 1
SHELVES = ("read", "to_read")
"""Shelf states by code: what a person did with a book, whether or not they rated it."""


@dataclass(frozen=True)
class Scale:
    """A star scale: from `min` to `max` in steps of `step`."""

    min: float = 1.0
    max: float = 5.0
    step: float = 1.0

    def __post_init__(self) -> None:
        steps = (self.max - self.min) / self.step if self.step > 0 else 0.0
        if not (np.isfinite([self.min, self.max, self.step]).all() and steps >= 1 and abs(steps - round(steps)) < 1e-6):
            raise DataError(f"a star scale needs min < max in whole steps, not {self.min:g} to {self.max:g} by {self.step:g}")

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Reads "min:max:step" (step 1 if left out), such as "0.5:5:0.5"."""
        try:
            low, high, *step = (float(part) for part in text.split(":"))
            return cls(low, high, *step)
        except (ValueError, TypeError):
            raise DataError(f"a star scale is written min:max:step, such as 0.5:5:0.5, not {text!r}") from None

    @property
    def loved(self) -> float:
        """The least stars that count as loved: three quarters of the range, 4 of 1 to 5."""
        return self.min + 0.75 * (self.max - self.min)

    @property
    def values(self) -> NDArray[np.float64]:
        """Every star value on the scale, ascending."""
        return np.asarray(self.min + self.step * np.arange(round((self.max - self.min) / self.step) + 1), np.float64)

    def clip(self, stars: AnyArray) -> AnyArray:
        return np.clip(stars, self.min, self.max)

    def holds(self, stars: AnyArray) -> Mask:
        """Where a value is on the scale: in range and on a step. NaN is not."""
        steps = (np.asarray(stars) - self.min) / self.step  # in the stars' own precision: millions of rows pass here
        with np.errstate(invalid="ignore"):
            return (np.abs(steps - np.round(steps)) < 1e-4) & (stars >= self.min) & (stars <= self.max)


@dataclass(frozen=True, eq=False)
class Interactions:
    """One row a (user, book) pair, sorted by user, then book; no pair twice.

    user_index, book_index  i32 [n]   rows of `users` and `books`
    stars                   f32 [n]   on `scale`; NaN where unrated
    shelf                   i8  [n]   READ or TO_READ; a rated book is read
    time                    datetime64[us] [n], NaT where unknown; None where no row has one
    """

    user_index: Indices
    book_index: Indices
    stars: Stars
    shelf: NDArray[np.int8]
    users: IdMap
    books: Books
    time: NDArray[np.datetime64] | None = None
    scale: Scale = Scale()
    source: str = "memory"
    simulated: bool = False

    def __post_init__(self) -> None:
        n = len(self.user_index)
        columns: dict[str, AnyArray | None] = {
            "book_index": self.book_index,
            "stars": self.stars,
            "shelf": self.shelf,
            "time": self.time,
        }
        for name, column in columns.items():
            if column is not None and len(column) != n:
                raise DataError(f"{name} has {len(column):,} rows and user_index {n:,}")
        for name, index, size in (("user", self.user_index, self.n_users), ("book", self.book_index, self.n_books)):
            if n and not (index.min() >= 0 and index.max() < size):
                raise DataError(f"a {name}_index lies outside 0 to {size - 1}")
        order = np.diff(self.pair_keys)
        if (order < 0).any():
            raise DataError("rows must be sorted by user, then book")
        if (order == 0).any():
            row = int(np.flatnonzero(order == 0)[0])
            raise DataError(f"{self._pair_name(row)} stands twice")
        bad = np.flatnonzero(self.rated & ~self.scale.holds(self.stars))
        if len(bad):
            raise DataError(
                f"{self._pair_name(int(bad[0]))} has {self.stars[bad[0]]:g} stars, "
                f"which is not on the scale {self.scale.min:g} to {self.scale.max:g} by {self.scale.step:g}"
            )
        if (self.shelf[self.rated] != READ).any():
            raise DataError("a rated book must be on the shelf `read`")

    @classmethod
    def from_frame(
        cls, rows: pl.DataFrame, *, users: IdMap | None = None, books: Books | None = None, **about: Any
    ) -> Interactions:
        """From a table of user_id, book_id, stars (null where unrated) and, if known, shelf and time, in any order.

        Ids that are in the rows but not in `users` or `books` are added to them. `about`: scale, source, simulated.
        """
        user_ids = rows["user_id"] if users is None else pl.concat([users.ids.cast(pl.String), rows["user_id"].cast(pl.String)])
        users = IdMap(user_ids, "user")
        books = Books.of_ids(IdMap(rows["book_id"], "book")) if books is None else books.with_ids(rows["book_id"])
        user_index, book_index = users.index_of(rows["user_id"]), books.ids.index_of(rows["book_id"])
        order = np.lexsort((book_index, user_index))
        stars = rows["stars"].cast(pl.Float32).fill_null(float("nan")).to_numpy()[order]
        time = rows["time"].cast(pl.Datetime("us")).to_numpy()[order] if "time" in rows.columns else None
        shelf = np.zeros(len(rows), np.int8)
        if "shelf" in rows.columns:
            shelf = (rows["shelf"].cast(pl.String) == SHELVES[TO_READ]).fill_null(False).to_numpy().astype(np.int8)[order]
        return cls(
            user_index=user_index[order],
            book_index=book_index[order],
            stars=stars,
            shelf=np.where(np.isnan(stars), shelf, np.int8(READ)),
            users=users,
            books=books,
            time=None if time is None or np.isnat(time).all() else time,
            **about,
        )

    def to_frame(self) -> pl.DataFrame:
        """The rows as in interactions.parquet: user_index, book_index, stars, shelf, time; unrated is null."""
        return frame_of(self.user_index, self.book_index, self.stars, self.shelf, self.time)

    def __len__(self) -> int:
        return len(self.user_index)

    def __repr__(self) -> str:
        kind = "simulated " if self.simulated else ""
        return (
            f"Interactions({self.n_ratings:,} {kind}ratings and {len(self) - self.n_ratings:,} unrated shelf states "
            f"of {self.n_books:,} books by {self.n_users:,} users)"
        )

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_books(self) -> int:
        return len(self.books)

    @property
    def n_ratings(self) -> int:
        return int(self.rated.sum())

    @cached_property
    def rated(self) -> Mask:
        """Where a row has stars [n]."""
        return ~np.isnan(self.stars)

    @property
    def has_shelves(self) -> bool:
        """Whether any book is on a shelf without stars."""
        return not bool(self.rated.all())

    @cached_property
    def pair_keys(self) -> Positions:
        """user_index * n_books + book_index, i64 [n]: one ascending number a pair."""
        return self.user_index.astype(np.int64) * max(self.n_books, 1) + self.book_index

    def take(self, mask: Mask) -> Interactions:
        """The rows where `mask` [n] is true, over the same users and books."""
        return replace(
            self,
            user_index=self.user_index[mask],
            book_index=self.book_index[mask],
            stars=self.stars[mask],
            shelf=self.shelf[mask],
            time=None if self.time is None else self.time[mask],
        )

    def ratings(self) -> Interactions:
        """The rated rows alone: the shelves are forgotten."""
        return self.take(self.rated)

    def user_ratings(self) -> Positions:
        """How many books each user rated [n_users]."""
        return np.bincount(self.user_index[self.rated], minlength=self.n_users)

    def book_ratings(self) -> Positions:
        """How many users rated each book [n_books]."""
        return np.bincount(self.book_index[self.rated], minlength=self.n_books)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, titles, scale and rows: the same data in another order has the same fingerprint."""
        columns = (self.user_index, self.book_index, self.stars, self.shelf, self.time)
        about = (self.scale, self.simulated)
        return fingerprint_of(about, self.users, self.books, ([] if one is None else [one] for one in columns))

    def _pair_name(self, row: int) -> str:
        user, book = self.users.id_of(int(self.user_index[row])), self.books.ids.id_of(int(self.book_index[row]))
        return f"user {user!r}, book {book!r}"


def fingerprint_of(about: tuple[Scale, bool], users: IdMap, books: Books, columns: Iterable[Iterable[AnyArray]]) -> str:
    """The fingerprint of rows that need not be in memory at once.

    `about`: the scale, and whether the data is simulated. `columns`: user_index, book_index, stars, shelf and time, each as
    arrays one after another; no array at all where no row has a time.
    """
    digest = hashlib.sha256(repr((*about, str(users.ids.dtype), str(books.ids.ids.dtype))).encode())
    for series in (users.ids, books.ids.ids, books.table["title"]):
        digest.update("\n".join(series.cast(pl.String)).encode())
    for column in columns:
        absent = b"-"
        for array in column:
            # The hash reads the array where it is: a copy of a column would be half of what it costs.
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
            absent = b""
        digest.update(absent)
    return digest.hexdigest()


def frame_of(
    user_index: Indices,
    book_index: Indices,
    stars: Stars,
    shelf: NDArray[np.int8],
    time: NDArray[np.datetime64] | None,
) -> pl.DataFrame:
    """Columns of `Interactions` as a table of rows."""
    kind, n = pl.Datetime("us"), len(user_index)
    times = pl.repeat(None, n, dtype=kind, eager=True) if time is None else pl.Series(time, dtype=kind)
    return pl.DataFrame(
        {
            "user_index": user_index,
            "book_index": book_index,
            "stars": pl.Series(stars, dtype=pl.Float32).fill_nan(None),
            "shelf": pl.Series(shelf).replace_strict(dict(enumerate(SHELVES)), return_dtype=pl.Enum(SHELVES)),
            "time": times,
        }
    )
