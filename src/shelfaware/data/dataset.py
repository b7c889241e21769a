"""The dataset folder: three tables as Parquet and dataset.json, whole and verified or refused.

A table of many rows stands there in parts, so that it can be read (`parts.py`) and written (`part_writer.py`) by the part.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from shelfaware.data.about import ABOUT, About, write_dataset
from shelfaware.data.interactions import SHELVES, TO_READ, Interactions
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


def describe(data: Interactions) -> dict[str, Any]:
    """What is in the data, as plain JSON: counts, shares in per cent of the ratings, times in UTC.

    Ratings per user are over the users who rated at all; density is ratings / (users x books).
    """
    stars, per_user = data.stars[data.rated], data.user_ratings()
    per_user = per_user[per_user > 0]
    cells = data.n_users * data.n_books
    return {
        "source": data.source,
        "simulated": data.simulated,
        "fingerprint": data.fingerprint,
        "scale": asdict(data.scale),
        "users": data.n_users,
        "books": data.n_books,
        "ratings": data.n_ratings,
        "shelves": {name: int((data.shelf == code).sum()) for code, name in enumerate(SHELVES)},
        "read_unrated": int((~data.rated & (data.shelf != TO_READ)).sum()),
        "users_who_rated": len(per_user),
        "books_rated": int((data.book_ratings() > 0).sum()),
        "density": data.n_ratings / cells if cells else 0.0,
        "mean_stars": float(stars.mean(dtype=np.float64)) if len(stars) else None,
        "stars_percent": _histogram(data),
        "ratings_per_user": _spread(per_user),
        "time": _span(data),
    }


def _histogram(data: Interactions) -> dict[str, float]:
    steps = np.rint((data.stars[data.rated] - data.scale.min) / data.scale.step).astype(np.int64)
    counts = np.bincount(steps, minlength=len(data.scale.values))
    shares = 100 * counts / max(data.n_ratings, 1)
    return {f"{value:g}": float(share) for value, share in zip(data.scale.values, shares, strict=True)}


def _spread(counts: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, float] | None:
    if not len(counts):
        return None
    return {"median": float(np.median(counts)), "mean": float(counts.mean()), "max": int(counts.max())}


def _span(data: Interactions) -> dict[str, str] | None:
    if data.time is None or np.isnat(data.time).all():
        return None
    known = data.time[~np.isnat(data.time)]
    return {"first": str(known.min().astype("datetime64[s]")), "last": str(known.max().astype("datetime64[s]"))}
