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

ROW_BYTES = 13
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
        self._book_index, self._stars, self._shelf = (Spool(dtype, self.folder) for dtype in (np.int32, np.float64, np.int8))

    def __call__(self, i: int) -> Readers:
        if i not in self._parts:
            self._parts[i] = self._kept(self.read(i))
        users, indptr, start = self._parts[i]
        n = int(indptr[-1])
        books, stars, shelf = (column.part(start, n) for column in (self._book_index, self._stars, self._shelf))
        return Readers(indptr, books, stars, shelf, users)

    def _kept(self, part: Interactions) -> _Where:
        start = len(self._book_index)
        for column, values in ((self._book_index, part.book_index), (self._stars, part.stars), (self._shelf, part.shelf)):
            column.add(values)
        users, counts = np.unique(part.user_index, return_counts=True)
        return _Where(users.astype(np.int64), np.concatenate([[0], np.cumsum(counts)]), start)
