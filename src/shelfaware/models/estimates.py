"""What a training of `gp` will take, from counts alone, and what this machine has: so that it can be refused before it starts.

The constants are slopes of measured runs (docs/scale.md, Training). A peak of memory is met within a third, a time within
a factor of three: machines differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shelfaware.data.about import ABOUT
from shelfaware.data.parts import Parts
from shelfaware.errors import DataError, TrainingError
from shelfaware.models.available import available_disk, available_memory
from shelfaware.models.ease import FEW, WHOLE_BOOKS
from shelfaware.models.ease_histories import MOST_ROWS
from shelfaware.models.gp import GP
from shelfaware.models.gp_fitting import ENOUGH, few_a_book, many_a_reader
from shelfaware.models.kept_readers import ROW_BYTES

PROGRAM = 400_000_000
"""Bytes that the program has with its libraries and compiled code, whatever the data."""
USER, ROW, PART_ROW = 100, 115, 170
"""Bytes a user; a row, of all in memory; a row of the largest part, two of which are in memory."""
EASE_PROGRAM, EASE_BOOK, EASE_PART_BOOK, EASE_DISK_ROW = 250_000_000, 6_400, 2_200, 24
"""Bytes of a truncated EASE, a book in memory and from parts, and a row on the disk from parts."""
STARTING, BOOK_SECONDS, EASE_SECONDS, EASE_ROW_SECONDS = 6.0, 1.2e-5, 9e-4, 2e-6
"""Seconds before the first step, of a table's making a book, and of a truncated EASE a book and a row."""


@dataclass(frozen=True)
class Size:
    """Counts of a dataset; `part_rows` are those of its largest part. `processes` of this machine train on it together."""

    users: int
    books: int
    rows: int
    ratings: int
    part_rows: int
    processes: int = 1

    @property
    def divided(self) -> bool:
        """Whether it stands in more than one part."""
        return self.part_rows < self.rows

    @classmethod
    def of(cls, parts: Parts, processes: int = 1) -> Size:
        try:
            largest = max((int(one["rows"]) for one in parts.about.get("parts", [])), default=parts.rows)
        except (LookupError, TypeError, ValueError):
            raise DataError(f"{parts.folder / ABOUT} is damaged: it has no rows of a part; import the dataset again") from None
        return cls(parts.n_users, parts.n_books, parts.rows, parts.ratings, largest, processes)


@dataclass(frozen=True)
class Estimate:
    """The peak of the whole process, the bytes that will be written beside what is there, and seconds of one core."""

    memory_bytes: int
    disk_bytes: int
    seconds: float

    def __str__(self) -> str:
        seconds = f"{self.seconds:,.0f} s" if self.seconds < 600 else f"{self.seconds / 60:,.0f} minutes"
        return f"about {size(self.memory_bytes)} of memory, {size(self.disk_bytes)} of disk and {seconds}"

    @property
    def fits_memory(self) -> bool:
        return self.memory_bytes <= available_memory()

    def lacks(self, out: Path) -> str:
        """What this machine has too little of for a model at `out`, with the figures; empty if it has enough."""
        for what, needed, free in (
            ("memory", self.memory_bytes, available_memory()),
            ("disk", self.disk_bytes, available_disk(out)),
        ):
            if needed > free:
                return f"needs about {size(needed)} of {what}, and {size(free)} is free"
        return ""

    def refuse(self, out: Path, advice: str) -> None:
        """Raises TrainingError, with the figures, if this machine has not enough free for a model at `out`."""
        if lack := self.lacks(out):
            raise TrainingError(f"this training {lack}; {advice}")


def estimate(model: GP, of: Size, *, in_parts: bool, by_popularity: bool = False) -> Estimate:
    """What a fit of `model` takes, its ranker with it: EASE, or popularity where that is asked for."""
    value = 4 * of.books * (3 * model.factors + 4)  # bytes of a table of books
    first = _first_fits(model, of)
    rows = PART_ROW * of.part_rows if in_parts else ROW * of.rows
    training = (6 if first and not in_parts else 4) * value
    ease = Estimate(0, 0, 0.0) if by_popularity else _of_ease(of, in_parts=in_parts)
    weights = 0 if by_popularity else _weights(of)
    epochs = model.epochs * (of.ratings + first * min(of.ratings, ENOUGH)) * (0.4 + model.factors / 64) / 1e6
    # A checkpoint is written beside the one before; both are gone when the model is written, and so are the decoded rows.
    checkpoints = (6 if in_parts else 8) * value
    decoded = of.processes * ROW_BYTES * of.rows if in_parts and of.divided else 0
    alone = PROGRAM + USER * of.users + rows  # what each process has for itself; the table is divided among them
    return Estimate(
        memory_bytes=of.processes * alone + max(training, value + ease.memory_bytes, 3 * value + weights),
        disk_bytes=max(checkpoints + decoded, value + 200 * of.books + weights + ease.disk_bytes),
        seconds=STARTING + BOOK_SECONDS * of.books + epochs + ease.seconds + 3e-6 * of.rows,
    )


def _first_fits(model: GP, of: Size) -> int:
    """Fits that come before the one that counts, at most (`gp_fitting`)."""
    sparse = few_a_book(of.ratings, of.books)
    decays = len(model.decays) if sparse or many_a_reader(of.ratings, of.users) else 1
    return decays if sparse or decays > 1 else 0


def _of_ease(of: Size, *, in_parts: bool) -> Estimate:
    """What an EASE takes by itself while it is fitted, from parts with the rows on the disk."""
    if of.books <= WHOLE_BOOKS:
        return Estimate(3 * 8 * of.books**2, 0, 0.0)
    kept = EASE_DISK_ROW * min(of.rows, MOST_ROWS * of.users) + 12 * FEW * of.books
    book, disk = (EASE_PART_BOOK, kept) if in_parts else (EASE_BOOK, 0)
    return Estimate(EASE_PROGRAM + book * of.books, disk, EASE_SECONDS * of.books + EASE_ROW_SECONDS * of.rows)


def _weights(of: Size) -> int:
    """Bytes of a fitted EASE."""
    return 8 * of.books * (of.books if of.books <= WHOLE_BOOKS else FEW)


def size(n_bytes: int) -> str:
    """As a person says it."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{max(n_bytes / 1e6, 1):,.0f} MB"
