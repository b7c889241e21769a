"""A dataset folder read a part at a time: for data that does not fit, and, all parts at once, for data that does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shelfaware.arrays import Positions
from shelfaware.data.about import BOOKS, USERS, hash_of, part_names, read_about
from shelfaware.data.books import Books
from shelfaware.data.folder import sha256
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Interactions, Scale
from shelfaware.errors import DataError


@dataclass(frozen=True, eq=False)
class Parts:
    """A dataset folder of which nothing but dataset.json is read until it is asked for.

    A part holds whole users, and parts follow each other by user. Every table is held against its hash when it is read.
    """

    folder: Path
    about: dict[str, Any]

    @classmethod
    def open(cls, folder: Path | str) -> Parts:
        """Raises DataError if there is no dataset, one of another version, or one whose facts are damaged."""
        folder = Path(folder)
        parts = cls(folder, read_about(folder))
        if not isinstance(parts.about.get("parts", []), list):
            raise parts._unreadable()
        for name in (*parts.names, BOOKS, USERS):
            if not (folder / name).is_file():
                raise DataError(f"{folder} has no {name}; import the dataset again")
            hash_of(parts.about, folder, name)
        return parts

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Interactions]:
        return (self.part(i) for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Parts({self.ratings:,} ratings among {self.rows:,} rows in {len(self):,} parts of {self.folder})"

    @property
    def names(self) -> list[str]:
        """The tables of rows, within the folder."""
        return part_names(len(self.about.get("parts", [])) or 1)

    @property
    def rows(self) -> int:
        return self._count("rows")

    @property
    def ratings(self) -> int:
        return self._count("ratings")

    @property
    def n_users(self) -> int:
        return self._count("users")

    @property
    def n_books(self) -> int:
        return self._count("books")

    @property
    def simulated(self) -> bool:
        return bool(self.about.get("simulated"))

    @property
    def source(self) -> str:
        return str(self.about.get("source"))

    @property
    def fingerprint(self) -> str:
        """That of the whole, as dataset.json has it."""
        return str(self.about.get("fingerprint"))

    @cached_property
    def scale(self) -> Scale:
        try:
            return Scale(**self.about["scale"])
        except (LookupError, TypeError):
            raise self._unreadable() from None

    @cached_property
    def users(self) -> IdMap:
        return IdMap(self._column(USERS, "user_id"), "user")

    @cached_property
    def books(self) -> Books:
        return Books.of(self._table(BOOKS))

    def part(self, i: int) -> Interactions:
        """The rows of part i, over all users and books."""
        return self.assembled([i])

    def assembled(self, which: Sequence[int]) -> Interactions:
        """The rows of several parts, in ascending order, as one."""
        rows = pl.concat([self._table(self.names[i]) for i in which])
        try:
            return Interactions(
                user_index=rows["user_index"].to_numpy(),
                book_index=rows["book_index"].to_numpy(),
                stars=rows["stars"].fill_null(float("nan")).to_numpy(),
                shelf=rows["shelf"].to_physical().cast(pl.Int8).to_numpy(),
                time=None if rows["time"].is_null().all() else rows["time"].to_numpy(),
                users=self.users,
                books=self.books,
                scale=self.scale,
                source=str(self.about["source"]),
                simulated=bool(self.about["simulated"]),
            )
        except (pl.exceptions.PolarsError, LookupError, TypeError, ValueError):
            raise self._unreadable() from None

    def book_ratings(self) -> Positions:
        """How many users rated each book [n_books], from one part at a time."""
        counts = np.zeros(self.n_books, np.int64)
        for name in self.names:
            rated = self._table(name, ["book_index", "stars"]).drop_nulls("stars")
            counts += np.bincount(rated["book_index"].to_numpy(), minlength=self.n_books)
        return counts

    def _count(self, what: str) -> int:
        try:
            return int(self.about["counts"][what])
        except (LookupError, TypeError, ValueError):
            raise self._unreadable() from None

    def _column(self, name: str, column: str) -> pl.Series:
        try:
            return self._table(name)[column]
        except pl.exceptions.PolarsError:
            raise self._unreadable() from None

    def _table(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        path = self.folder / name
        try:
            if sha256(path) != hash_of(self.about, self.folder, name):
                raise DataError(f"{path} is damaged or was changed; import the dataset again")
            return pl.read_parquet(path, columns=columns)
        except (pl.exceptions.PolarsError, OSError):
            raise self._unreadable() from None

    def _unreadable(self) -> DataError:
        return DataError(f"{self.folder} is damaged: its tables cannot be read; import the dataset again")
