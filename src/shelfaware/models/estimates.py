"""What a training of `gp` will take, from counts alone, and what this machine has: so that it can be refused before it starts.

The constants are slopes of measured runs (docs/scale.md, Training). A peak of memory is met within a third, a time within
a factor of three: machines differ.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from shelfaware.data.about import ABOUT
from shelfaware.data.parts import Parts
from shelfaware.errors import DataError, TrainingError
from shelfaware.models.ease import FEW, WHOLE_BOOKS
from shelfaware.models.gp import ENOUGH, GP

PROGRAM = 400_000_000
"""Bytes that the program has with its libraries and compiled code, whatever the data."""
USER, ROW, PART_ROW = 100, 115, 170
"""Bytes a user; a row, of all in memory; a row of the largest part, two of which are in memory."""
EASE_PROGRAM, EASE_BOOK = 250_000_000, 6_400
"""Bytes of a truncated EASE, and a book."""
STARTING, BOOK_SECONDS, EASE_SECONDS = 6.0, 1.2e-5, 9e-4
"""Seconds before the first step, of a table's making a book, and of a truncated EASE a book."""


@dataclass(frozen=True)
class Size:
    """Counts of a dataset; `part_rows` are those of its largest part."""

    users: int
    books: int
    rows: int
    ratings: int
    part_rows: int

    @classmethod
    def of(cls, parts: Parts) -> Size:
        try:
            largest = max((int(one["rows"]) for one in parts.about.get("parts", [])), default=parts.rows)
        except (LookupError, TypeError, ValueError):
            raise DataError(f"{parts.folder / ABOUT} is damaged: it has no rows of a part; import the dataset again") from None
        return cls(parts.n_users, parts.n_books, parts.rows, parts.ratings, largest)


@dataclass(frozen=True)
class Estimate:
    """The peak of the whole process, the bytes that will be written beside what is there, and seconds of one core."""

    memory_bytes: int
    disk_bytes: int
    seconds: float

    def __str__(self) -> str:
        seconds = f"{self.seconds:,.0f} s" if self.seconds < 600 else f"{self.seconds / 60:,.0f} minutes"
        return f"about {size(self.memory_bytes)} of memory, {size(self.disk_bytes)} of disk and {seconds}"

    def refuse(self, out: Path, advice: str) -> None:
        """Raises TrainingError, with the figures, if this machine has not enough free for a model at `out`."""
        for what, needed, free in (
            ("memory", self.memory_bytes, available_memory()),
            ("disk", self.disk_bytes, available_disk(out)),
        ):
            if needed > free:
                raise TrainingError(f"this training needs about {size(needed)} of {what}, and {size(free)} is free; {advice}")


def estimate(model: GP, of: Size, *, in_parts: bool) -> Estimate:
    """What a fit of `model` takes, its ranker with it: EASE in memory, popularity from parts."""
    value = 4 * of.books * (3 * model.factors + 4)  # bytes of a table of books
    sparse = not in_parts and of.ratings < ENOUGH * of.books  # then a first fit says how far to trust the second
    whole = of.books <= WHOLE_BOOKS
    weights = 8 * of.books * (of.books if whole else FEW)
    ease = 3 * 8 * of.books**2 if whole else EASE_PROGRAM + EASE_BOOK * of.books
    rows = PART_ROW * of.part_rows if in_parts else ROW * of.rows
    training, ranking = (6 if sparse else 4) * value, 3 * value if in_parts else value + ease
    epochs = model.epochs * (2 if sparse else 1) * of.ratings * (1 + model.factors / 25) / 1e6
    ranker_seconds = 0.0 if in_parts or whole else EASE_SECONDS * of.books + 2e-6 * of.rows
    return Estimate(
        memory_bytes=PROGRAM + USER * of.users + rows + max(training, ranking),
        # A checkpoint is written beside the one before; both are gone when the model is written.
        disk_bytes=max((6 if in_parts else 8) * value, value + 200 * of.books + (0 if in_parts else weights)),
        seconds=STARTING + BOOK_SECONDS * of.books + epochs + ranker_seconds + 3e-6 * of.rows,
    )


def available_memory() -> int:
    """Bytes that this process may have in all: those it has, and those that are free; no more than its limit."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    page = os.sysconf("SC_PAGE_SIZE")
    free = page * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError):  # no /proc: all that the machine has
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        resident = page * int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        free = 1024 * int(lines["MemAvailable"].split()[0]) + resident
    return free if limit == resource.RLIM_INFINITY else min(free, limit)


def available_disk(out: Path) -> int:
    """Bytes that are free where `out` is or will be."""
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    return shutil.disk_usage(there).free


def size(n_bytes: int) -> str:
    """As a person says it."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{max(n_bytes / 1e6, 1):,.0f} MB"
