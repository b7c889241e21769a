"""The ids that runs hold: how often each stands there, and what they sort as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from shelfaware.arrays import Positions
from shelfaware.data.ids import LARGEST_ID, IdMap
from shelfaware.data.streaming.runs import run_names
from shelfaware.data.streaming.workshop import Workshop
from shelfaware.data.table import refuse_huge_ids

COUNTED_BY_NUMBER = 2**25
"""Ids that are numbers below it are counted in an array."""


@dataclass(frozen=True)
class Counted:
    """Every id that was read, and in how many rows [n]."""

    ids: IdMap
    rows: Positions


def counted(shop: Workshop, kind: str) -> Counted:
    """The ids of all runs. Raises DataError as `table.checked` does, for ids of digits that cannot be kept exactly."""
    column = f"{kind}_id"
    names = run_names(shop)
    numbers = [name for name in names if shop.scan(name).collect_schema()[column] == pl.Int64]
    counts = _counted_numbers(shop, numbers, column)
    if len(numbers) < len(names):
        texts = [_grouped(shop.column(name, column)) for name in names if name not in numbers]
        counts = pl.concat([counts.cast({"id": pl.String}), *texts]).group_by("id").agg(pl.col("n").sum())
    _refuse_huge(shop, counts["id"], kind)
    ids = IdMap(counts["id"], kind)
    n = np.empty(len(ids), np.int64)
    n[ids.find(counts["id"])] = counts["n"].to_numpy()
    return Counted(ids, n)


def conform(shop: Workshop, kinds: dict[str, pl.DataType]) -> None:
    """Rewrites the runs whose ids are numbers where those of others are text, and sorts them as text."""
    for name in run_names(shop):
        schema = shop.scan(name).collect_schema()
        if any(schema[column] != kind for column, kind in kinds.items()):
            rows = shop.scan(name).collect().cast(kinds)  # type: ignore[arg-type]
            # The order of the lines is the order of the file: two rows of a user keep it.
            shop.keep(name, rows.sort("user_id", "place", "line"), shop.facts(name))


@dataclass(frozen=True)
class Slices:
    """Where the users of each part stand in each run: `edges` [n_runs, n_parts + 1]."""

    shop: Workshop
    names: Sequence[str]
    edges: Positions

    @classmethod
    def of(cls, shop: Workshop, users: Counted, full: int) -> Slices:
        """A part is full with so many rows; the user who fills it is its last."""
        ends = np.arange(full, int(users.rows.sum()), full)
        firsts = np.unique(np.searchsorted(np.cumsum(users.rows), ends) + 1)
        first_ids = users.ids.ids[firsts[firsts < len(users.ids)]]
        names, edges = run_names(shop), []
        for name in names:
            ids = shop.column(name, "user_id")
            edges.append([0, *ids.search_sorted(first_ids, "left"), len(ids)])
        return cls(shop, names, np.array(edges, np.int64))

    def __len__(self) -> int:
        return int(self.edges.shape[1]) - 1

    def n_rows(self, i: int) -> int:
        """How many rows the first parts have, up to part i."""
        return int(self.edges[:, i + 1].sum())

    def rows(self, i: int) -> pl.DataFrame:
        """Those of part i, each user's in the order of the files."""
        slices = zip(self.names, self.edges[:, i], self.edges[:, i + 1], strict=True)
        return pl.concat([self.shop.scan(name).slice(a, b - a).collect() for name, a, b in slices if a < b])


def _counted_numbers(shop: Workshop, names: Sequence[str], column: str) -> pl.DataFrame:
    counts, large = np.zeros(0, np.int64), [pl.DataFrame(schema={"id": pl.Int64(), "n": pl.Int64()})]
    for name in names:
        ids = shop.column(name, column)
        if len(ids) and int(ids.max()) < COUNTED_BY_NUMBER:  # type: ignore[arg-type]
            here = np.bincount(ids.to_numpy(), minlength=len(counts))
            here[: len(counts)] += counts
            counts = here
        else:
            large.append(_grouped(ids))
    found = np.flatnonzero(counts)
    small = pl.DataFrame({"id": found, "n": counts[found]}, schema={"id": pl.Int64(), "n": pl.Int64()})
    return pl.concat([small, *large]).group_by("id").agg(pl.col("n").sum()) if len(large) > 1 else small


def _grouped(ids: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"id": ids}).group_by("id").agg(pl.len().cast(pl.Int64).alias("n"))


def _refuse_huge(shop: Workshop, ids: pl.Series, kind: str) -> None:
    if ids.dtype != pl.String or not ids.str.contains(r"^[0-9]+$").all():
        return
    number = ids.str.strip_chars_start("0").replace("", "0").cast(pl.Int64, strict=False)
    huge = ids.filter(number.is_null() | (number > LARGEST_ID)).implode()
    column = f"{kind}_id"
    for name in run_names(shop) if len(huge[0]) else []:
        rows = shop.scan(name).cast({column: pl.String}).filter(pl.col(column).is_in(huge)).collect()
        refuse_huge_ids(rows.sort("place", "line"), column)
