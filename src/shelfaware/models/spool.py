"""Arrays that are put together part by part: in memory, or in a file of which the system holds in memory what is free."""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np

from shelfaware.arrays import AnyArray
from shelfaware.data.folder import translated_disk_errors


class Spool:
    """One array of one dimension. With a `folder` it is a file there without a name, which is gone with the process."""

    def __init__(self, dtype: type[np.generic], folder: Path | None) -> None:
        self.dtype, self.folder = dtype, folder
        self._held: list[AnyArray] = []
        self._n = 0
        self._file: IO[bytes] | None = None
        if folder is not None:
            with translated_disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (`_closed` does)
                weakref.finalize(self, _closed, self._file)

    def __len__(self) -> int:
        """Values so far."""
        return self._n

    def add(self, values: AnyArray) -> None:
        """Appends values [n]. Raises DataError if the disk is full."""
        values = np.ascontiguousarray(values, self.dtype)
        self._n += len(values)
        if self._file is None or self.folder is None:
            self._held.append(values)
            return
        with translated_disk_errors(self.folder):
            self._file.write(values.data)

    def whole(self) -> AnyArray:
        """All that was added, to be read alone."""
        return self.part(0, self._n)

    def part(self, start: int, n: int) -> AnyArray:
        """Of all that was added n values from `start` on, to be read alone."""
        if self._file is None:
            if len(self._held) != 1:
                self._held = [np.concatenate([np.empty(0, self.dtype), *self._held])]
            return self._held[0][start : start + n]
        with translated_disk_errors(self.folder or Path()):
            self._file.flush()
        return _mapped(self._file, self.dtype, start, n)


def room(n: int, dtype: type[np.generic], folder: Path) -> AnyArray:
    """An array [n] in such a file, to be written. The disk's room is taken at once: later it could not be refused."""
    with translated_disk_errors(folder), tempfile.TemporaryFile(dir=folder) as file:
        n_bytes = n * np.dtype(dtype).itemsize
        if n_bytes:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        return _mapped(file, dtype, 0, n, "r+")


def _closed(file: IO[bytes]) -> None:
    """What could not be written was said when it was asked for."""
    with contextlib.suppress(OSError):
        file.close()


def _mapped(file: IO[bytes], dtype: type[np.generic], start: int, n: int, mode: Any = "r") -> AnyArray:
    offset = start * np.dtype(dtype).itemsize
    return np.asarray(np.memmap(file, dtype, mode, offset, shape=(n,))) if n else np.empty(0, dtype)
