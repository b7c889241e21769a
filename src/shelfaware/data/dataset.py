"""The dataset folder: three tables as Parquet and dataset.json, whole and verified or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shelfaware.data.books import Books
from shelfaware.data.folder import sha256, write_folder
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import SHELVES, TO_READ, Interactions, Scale
from shelfaware.data.report import ImportReport
from shelfaware.errors import DataError

FORMAT_VERSION = 1
ABOUT = "dataset.json"
TABLES = ("interactions.parquet", "books.parquet", "users.parquet")


def save(data: Interactions, folder: Path | str, report: ImportReport | None = None) -> None:
    """Writes the folder in one step, in place of an older dataset there. Raises DataError if anything else is there."""
    frames = dict(zip(TABLES, (data.to_frame(), data.books.table, data.users.ids.to_frame()), strict=True))
    writers: dict[str, Callable[[Path], object]] = {name: frame.write_parquet for name, frame in frames.items()}
    write_folder(Path(folder), {**writers, ABOUT: lambda path: _write_about(path, data, report)}, owns=ABOUT)


def load(folder: Path | str) -> Interactions:
    """Reads a dataset folder. Raises DataError if it is missing, damaged, edited or of another version."""
    folder = Path(folder)
    about = _read_about(folder)
    for name in TABLES:
        if not (folder / name).is_file():
            raise DataError(f"{folder} has no {name}; import the dataset again")
        if sha256(folder / name) != _at(about, folder, "sha256", name):
            raise DataError(f"{folder / name} is damaged or was changed; import the dataset again")
    data = _assembled(folder, about)
    if data.fingerprint != about.get("fingerprint"):
        raise DataError(f"{folder / ABOUT} does not belong to the tables beside it; import the dataset again")
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


def _write_about(path: Path, data: Interactions, report: ImportReport | None) -> None:
    about = {
        "format_version": FORMAT_VERSION,
        "source": data.source,
        "simulated": data.simulated,
        "scale": asdict(data.scale),
        "fingerprint": data.fingerprint,
        "counts": {"users": data.n_users, "books": data.n_books, "rows": len(data), "ratings": data.n_ratings},
        "report": report.to_json() if report else None,
        "sha256": {name: sha256(path.parent / name) for name in TABLES},
    }
    path.write_text(json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _read_about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / ABOUT).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        what = f"{folder} is no dataset: it has no {ABOUT}" if folder.exists() else f"there is no folder {folder}"
        raise DataError(f"{what}; make one with `shelfaware import`") from None
    except OSError as error:
        raise DataError(f"{folder / ABOUT} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DataError(f"{folder / ABOUT} is damaged: it is not JSON; import the dataset again") from None
    version = about.get("format_version") if isinstance(about, dict) else None
    if version != FORMAT_VERSION:
        raise DataError(f"{folder} is a dataset of format {version}, this version reads {FORMAT_VERSION}; import it again")
    return dict(about)


def _at(about: Any, folder: Path, *keys: str) -> Any:
    for key in keys:
        if not isinstance(about, dict) or key not in about:
            raise DataError(f"{folder / ABOUT} is damaged: it has no {'.'.join(keys)}; import the dataset again")
        about = about[key]
    return about


def _assembled(folder: Path, about: dict[str, Any]) -> Interactions:
    try:
        rows, books, users = (pl.read_parquet(folder / name) for name in TABLES)
        return Interactions(
            user_index=rows["user_index"].to_numpy(),
            book_index=rows["book_index"].to_numpy(),
            stars=rows["stars"].fill_null(float("nan")).to_numpy(),
            shelf=rows["shelf"].to_physical().cast(pl.Int8).to_numpy(),
            time=None if rows["time"].is_null().all() else rows["time"].to_numpy(),
            users=IdMap(users["user_id"], "user"),
            books=Books.of(books),
            scale=Scale(**about["scale"]),
            source=str(about["source"]),
            simulated=bool(about["simulated"]),
        )
    except (pl.exceptions.PolarsError, OSError, LookupError, TypeError, ValueError):
        raise DataError(f"{folder} is damaged: its tables cannot be read; import the dataset again") from None
