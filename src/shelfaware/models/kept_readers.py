"""The readers of each part, decoded and checked once: from the second time on they come from a file without a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shelfaware.arrays import Positions
from shelfaware.data.interactions import Interactions
from shelfaware.models.readers import Readers
from shelfaware.models.spool import Spool

COLUMNS = (np.int32, np.float64, np.int8)
"""What a row is kept as: book, stars, shelf."""
ROW_BYTES = sum(np.dtype(kind).itemsize for kind in COLUMNS)
"""Bytes of the disk a row."""


class _Where(NamedTuple):
    """What memory holds of a part: its readers, and the place of its rows among those of all parts."""

    user_index: Positions  # [n]
    indptr: Positions  # [n + 1]
    start: int


@dataclass
class KeptReaders:
    """`kept(i)`: those of part i of `read` who have a row. Any part can be asked for first."""

    read: Callable[[int], Interactions]
    folder: Path | None
    _parts: dict[int, _Where] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._book_index, self._stars, self._shelf = (Spool(kind, self.folder) for kind in COLUMNS)

    def __call__(self, i: int) -> Readers:
        if i not in self._parts:
            self._parts[i] = self._kept(Readers.of(self.read(i)))
        users, indptr, start = self._parts[i]
        n = int(indptr[-1])
        books, stars, shelf = (column.part(start, n) for column in (self._book_index, self._stars, self._shelf))
        return Readers(indptr, books, stars, shelf, users)

    def _kept(self, every: Readers) -> _Where:
        start, some = len(self._book_index), every.take(np.flatnonzero(np.diff(every.indptr)))
        self._book_index.add(some.book_index)
        self._stars.add(some.stars)
        self._shelf.add(some.shelf)
        return _Where(some.user_index, some.indptr, start)
