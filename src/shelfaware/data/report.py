"""What an import read, kept and dropped, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from shelfaware.errors import DataError


@dataclass(frozen=True)
class Drop:
    """Rows that left for one reason; `example` is the place of the first of them."""

    reason: str
    rows: int
    example: str


@dataclass(frozen=True)
class ImportReport:
    """rows_read = rows_kept + the rows of every drop."""

    source: str
    rows_read: int
    drops: tuple[Drop, ...]
    rows_kept: int
    n_users: int
    n_books: int
    n_ratings: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Sieve:
    """Rows on their way through an import; what leaves them is counted with its reason."""

    rows: pl.DataFrame
    drops: list[Drop] = field(default_factory=list)

    def first(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The one of some rows that was read first."""
        return rows.head(1)

    def keep(self, wanted: pl.Expr, reason: str) -> None:
        """Keeps the rows where `wanted` is true."""
        marked = self.rows.with_columns(wanted.fill_null(False).alias("_wanted"))
        gone = marked.filter(~pl.col("_wanted"))
        if len(gone):
            self.drops.append(Drop(reason, len(gone), place_of(self.first(gone).row(0, named=True))))
            self.rows = marked.filter("_wanted").drop("_wanted")


def place_of(row: dict[str, Any]) -> str:
    """Where a row stood, such as `ratings.csv, line 17`."""
    return f"{row['place']} {row['line']}"


def refuse(rows: pl.DataFrame, bad: pl.Expr, sentence: str) -> None:
    """Raises DataError for the first row where `bad`; `sentence` may name its values, as in {stars!r}."""
    for row in rows.filter(bad).head(1).iter_rows(named=True):
        raise DataError(f"{place_of(row)}: {sentence.format(**row)}")


def nothing_left(source: str, drops: Sequence[Drop]) -> DataError:
    """Says of files of which no row is left why that is."""
    reasons = "; ".join(f"{drop.rows:,} {drop.reason}" for drop in drops)
    return DataError(f"nothing is left of {source}: {reasons}")
