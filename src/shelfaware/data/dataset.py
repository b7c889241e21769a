"""The dataset folder: three tables as Parquet and dataset.json, whole and verified or refused.

A table of many rows stands there in parts, so that it can be read (`parts.py`) and written (`part_writer.py`) by the part.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from shelfaware.arrays import Positions
from shelfaware.data.about import ABOUT, About, write_dataset
from shelfaware.data.interactions import READ, SHELVES, Interactions
from shelfaware.data.part_writer import cuts, part_of, write_rows
from shelfaware.data.parts import Parts
from shelfaware.data.report import ImportReport
from shelfaware.errors import DataError


def save(data: Interactions, folder: Path | str, report: ImportReport | None = None) -> None:
    """Writes the folder in one step, in place of an older dataset there. Raises DataError if anything else is there."""
    rows = data.to_frame()
    edges = cuts(data.user_index)
    parts = [rows[start:stop] for start, stop in pairwise(edges)]
    about = About(
        source=data.source,
        simulated=data.simulated,
        scale=data.scale,
        fingerprint=data.fingerprint,
        n_users=data.n_users,
        n_books=data.n_books,
        parts=tuple(part_of(part) for part in parts),
        report=report,
    )
    writers = [partial(write_rows, part) for part in parts]
    write_dataset(Path(folder), about, writers, data.books.table.write_parquet, data.users.ids.to_frame().write_parquet)


def load(folder: Path | str) -> Interactions:
    """Reads a dataset folder whole. Raises DataError if it is missing, damaged, edited or of another version."""
    parts = Parts.open(folder)
    data = parts.assembled(range(len(parts)))
    if data.fingerprint != parts.fingerprint:
        raise DataError(f"{parts.folder / ABOUT} does not belong to the tables beside it; import the dataset again")
    return data


def describe(data: Interactions | Parts) -> dict[str, Any]:
    """What is in the data, as plain JSON: counts, shares in per cent of the ratings, times in UTC.

    Ratings per user are over the users who rated at all; density is ratings / (users x books). Of a folder one part at a time
    is in memory, and a count for each user and book.
    """
    rows = _Counted.of(data)
    per_user, cells = rows.per_user[rows.per_user > 0], data.n_users * data.n_books
    n = int(rows.stars.sum())
    return {
        "source": data.source,
        "simulated": data.simulated,
        "fingerprint": data.fingerprint,
        "scale": asdict(data.scale),
        "users": data.n_users,
        "books": data.n_books,
        "ratings": n,
        "shelves": dict(zip(SHELVES, rows.shelves.tolist(), strict=True)),
        "read_unrated": int(rows.shelves[READ]) - n,
        "users_who_rated": len(per_user),
        "books_rated": int((rows.per_book > 0).sum()),
        "density": n / cells if cells else 0.0,
        "mean_stars": rows.total_stars / n if n else None,
        "stars_percent": {f"{data.scale.values[i]:g}": 100 * k / max(n, 1) for i, k in enumerate(rows.stars.tolist())},
        "ratings_per_user": _spread(per_user),
        "time": None if rows.times is None else {"first": str(rows.times[0]), "last": str(rows.times[1])},
    }


@dataclass
class _Counted:
    """Sums over rows: ratings of each value of the scale, of each user and of each book, rows of each shelf state."""

    stars: Positions
    per_user: Positions
    per_book: Positions
    shelves: Positions
    total_stars: float = 0.0
    times: tuple[np.datetime64, np.datetime64] | None = None

    @classmethod
    def of(cls, data: Interactions | Parts) -> _Counted:
        stars, users, books, shelves = (
            np.zeros(n, np.int64) for n in (len(data.scale.values), data.n_users, data.n_books, len(SHELVES))
        )
        counted = cls(stars, users, books, shelves)
        for part in data if isinstance(data, Parts) else [data]:
            counted.add(part)
        return counted

    def add(self, part: Interactions) -> None:
        stars, scale = part.stars[part.rated], part.scale
        steps = np.rint((stars - scale.min) / scale.step).astype(np.int64)
        self.stars += np.bincount(steps, minlength=len(self.stars))
        self.per_user += part.user_ratings()
        self.per_book += part.book_ratings()
        self.shelves += np.bincount(part.shelf, minlength=len(SHELVES))
        self.total_stars += float(stars.sum(dtype=np.float64))
        known = np.array([]) if part.time is None else part.time[~np.isnat(part.time)].astype("datetime64[s]")
        if len(known):
            first, last = self.times or (known[0], known[0])
            self.times = min(first, known.min()), max(last, known.max())


def _spread(counts: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, float] | None:
    if not len(counts):
        return None
    return {"median": float(np.median(counts)), "mean": float(counts.mean()), "max": int(counts.max())}
