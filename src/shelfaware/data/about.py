"""dataset.json: what a dataset folder says of itself, and the hash of every table in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from shelfaware.data.folder import Writer, sha256, write_folder
from shelfaware.data.interactions import Scale
from shelfaware.data.report import ImportReport
from shelfaware.errors import DataError

FORMAT_VERSION = 1
ABOUT = "dataset.json"
ROWS, BOOKS, USERS = "interactions.parquet", "books.parquet", "users.parquet"
"""`ROWS` is the table of a dataset in one part; one in several has the folder `interactions` in its place."""


@dataclass(frozen=True)
class Part:
    """A table of rows: of the users `first_user` to `last_user`, both among them."""

    rows: int
    ratings: int
    first_user: int
    last_user: int


@dataclass(frozen=True)
class About:
    """What is known of a dataset beside its tables; `parts` are in the order of their users."""

    source: str
    simulated: bool
    scale: Scale
    fingerprint: str
    n_users: int
    n_books: int
    parts: tuple[Part, ...]
    report: ImportReport | None = None

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def ratings(self) -> int:
        return sum(part.ratings for part in self.parts)


def part_names(n: int) -> list[str]:
    """Where the tables of rows stand in the folder, in order."""
    return [ROWS] if n == 1 else [f"interactions/part-{i:05d}.parquet" for i in range(n)]


def write_dataset(folder: Path, about: About, parts: Sequence[Writer], books: Writer, users: Writer) -> None:
    """Writes the folder in one step, in place of an older dataset there. Raises DataError if anything else is there."""
    tables = {**dict(zip(part_names(len(parts)), parts, strict=True)), BOOKS: books, USERS: users}
    write_folder(folder, {**tables, ABOUT: partial(_write, about=about, tables=list(tables))}, owns=ABOUT)


def _write(path: Path, *, about: About, tables: Sequence[str]) -> None:
    counts = {"users": about.n_users, "books": about.n_books, "rows": about.rows, "ratings": about.ratings}
    facts = {
        "format_version": FORMAT_VERSION,
        "source": about.source,
        "simulated": about.simulated,
        "scale": asdict(about.scale),
        "fingerprint": about.fingerprint,
        "counts": counts,
        "parts": [asdict(part) for part in about.parts],
        "report": about.report.to_json() if about.report else None,
        "sha256": {name: sha256(path.parent / name) for name in tables},
    }
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_about(folder: Path) -> dict[str, Any]:
    """The facts as they were written. Raises DataError if there are none, or of another version."""
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


def hash_of(about: dict[str, Any], folder: Path, name: str) -> str:
    """The hash that `about` has for a table."""
    hashes = about.get("sha256")
    if not isinstance(hashes, dict) or name not in hashes:
        raise DataError(f"{folder / ABOUT} is damaged: it has no sha256.{name}; import the dataset again")
    return str(hashes[name])
