"""Rows that come one table after another, by user, written as the parts of a dataset folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from shelfaware.arrays import AnyArray, Indices
from shelfaware.data.about import About, Part, write_dataset
from shelfaware.data.ahead import ahead
from shelfaware.data.books import Books
from shelfaware.data.folder import translated_disk_errors
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Scale, fingerprint_of
from shelfaware.data.report import ImportReport

PART_ROWS = 2_000_000
"""A part is full with so many rows; the user who fills it is its last."""


def cuts(user_index: Indices, full: int = 0) -> list[int]:
    """Where to cut rows sorted by user into parts: the first row of each, and the end."""
    edges, n = [0], len(user_index)
    while edges[-1] < n:
        filled = edges[-1] + (full or PART_ROWS)
        edges.append(int(np.searchsorted(user_index, user_index[filled - 1], side="right")) if filled < n else n)
    return edges if n else [0, 0]


def part_of(rows: pl.DataFrame) -> Part:
    """What dataset.json says of a table of rows."""
    users = rows["user_index"]
    ends = (int(users[0]), int(users[-1])) if len(rows) else (0, -1)
    return Part(len(rows), int(rows["stars"].count()), *ends)


def write_rows(rows: pl.DataFrame, path: Path) -> None:
    rows.write_parquet(path, compression="zstd", compression_level=1, row_group_size=2**18)


@dataclass(frozen=True)
class Origin:
    """Where rows come from. `report` is asked for with the number of ratings."""

    source: str
    scale: Scale
    simulated: bool = False
    report: Callable[[int], ImportReport] | None = None


class PartWriter:
    """Takes rows as `Interactions.to_frame` gives them, sorted by user, then book, in any number of tables."""

    def __init__(self, workshop: Path, full: int = 0) -> None:
        """The parts are kept in the folder `workshop` until `finish`."""
        self.workshop, self.full = workshop, full or PART_ROWS
        self.parts: list[Part] = []
        self._waiting: list[pl.DataFrame] = []
        self._n_waiting = 0

    def add(self, rows: pl.DataFrame) -> None:
        self._waiting.append(rows)
        self._n_waiting += len(rows)
        if self._n_waiting > self.full:
            self._flush(keep_last=True)

    def finish(self, folder: Path, users: IdMap, books: Books, origin: Origin) -> About:
        """Writes the dataset folder."""
        self._flush(keep_last=False)
        head = (origin.scale, origin.simulated)
        about = About(
            source=origin.source,
            simulated=origin.simulated,
            scale=origin.scale,
            fingerprint=fingerprint_of(head, users, books, (ahead(self._column(name)) for name in COLUMNS)),
            n_users=len(users),
            n_books=len(books),
            parts=tuple(self.parts),
            report=origin.report and origin.report(sum(part.ratings for part in self.parts)),
        )
        tables = [partial(_placed, path) for path in self._paths()]
        write_dataset(folder, about, tables, books.table.write_parquet, users.ids.to_frame().write_parquet)
        return about

    def _flush(self, *, keep_last: bool) -> None:
        rows = pl.concat(self._waiting)
        edges = cuts(rows["user_index"].to_numpy(), self.full)
        # The last part may not be full, nor its last user whole.
        complete = edges[:-1] if keep_last else edges
        for start, stop in pairwise(complete):
            self._write(rows[start:stop])
        self._waiting = [rows[complete[-1] :]] if keep_last else []
        self._n_waiting = sum(map(len, self._waiting))

    def _write(self, rows: pl.DataFrame) -> None:
        path = self.workshop / f"{len(self.parts):05d}.parquet"
        with translated_disk_errors(path):
            write_rows(rows, path)
        self.parts.append(part_of(rows))

    def _paths(self) -> list[Path]:
        return [self.workshop / f"{i:05d}.parquet" for i in range(len(self.parts))]

    def _column(self, name: str) -> Iterator[AnyArray]:
        """One column of all parts; nothing if it is a time that no row has."""
        if name == "time" and not any(pl.read_parquet(path, columns=[name])[name].count() for path in self._paths()):
            return
        for path in self._paths():
            column = pl.read_parquet(path, columns=[name])[name]
            if name == "shelf":
                column = column.to_physical().cast(pl.Int8)
            yield (column.fill_null(float("nan")) if name == "stars" else column).to_numpy()


COLUMNS = ("user_index", "book_index", "stars", "shelf", "time")


def _placed(prepared: Path, path: Path) -> None:
    """A second name for what is on the disk, or a copy where the file system knows no second names."""
    try:
        os.link(prepared, path)
    except OSError:
        shutil.copyfile(prepared, path)
