"""Uploaded files, read in a process of their own: whatever is in them, the service goes on answering.

The process has a bound on memory and on time; a file that breaks either is refused in a sentence, and the process replaced.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
from concurrent.futures import TimeoutError as OutOfTime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pebble import ProcessExpired, ProcessPool

from shelfaware.data.interactions import Scale
from shelfaware.errors import DataError
from shelfaware.library.library import Library, Placed, hold_against
from shelfaware.library.matching import Matcher
from shelfaware.library.rows import Row, State
from shelfaware.serve.storage.records import Entry, FileRow

SECONDS = 10.0
"""What one file may take; on a quiet machine the largest that is allowed takes 2."""
MEMORY = 2 * 2**30
"""Address space of the reading process; the libraries that it loads need most of it."""
FILES = 100
"""Files that one process reads before it is replaced."""


class Account(NamedTuple):
    """What became of a file: its rows, the books that they gave, and what to tell the person."""

    rows: list[FileRow]
    entries: list[Entry]
    notes: list[str]
    known: int
    books: int


class Accountant:
    """Reads files for one worker of the service."""

    def __init__(self) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._pool = ProcessPool(max_workers=1, max_tasks=FILES, initializer=_bound, context=spawning)

    async def read(self, raw: bytes, model: Path, version: str) -> Account:
        """Raises DataError for a file that cannot be read, or not within the bounds."""
        future = self._pool.schedule(account_of, args=[raw, str(model), version], timeout=SECONDS)
        try:
            account: Account = await asyncio.wrap_future(future)
        except OutOfTime:
            raise DataError(f"your file took more than {SECONDS:g} seconds to read, so it was put aside") from None
        except (MemoryError, ProcessExpired):
            raise DataError("your file needs more memory to read than a list of books may, so it was put aside") from None
        return account

    async def suggest(self, names: list[tuple[str, str]], model: Path, version: str) -> list[list[int]]:
        """For each (title, author) the books that it may mean."""
        future = self._pool.schedule(suggestions, args=[names, str(model), version], timeout=SECONDS)
        found: list[list[int]] = await asyncio.wrap_future(future)
        return found

    def warm_up(self, model: Path, version: str) -> None:
        """Starts the process and lets it load the catalogue, so that nobody waits for that."""
        self._pool.schedule(_matcher, args=[str(model), version])

    def close(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def account_of(raw: bytes, model: str, version: str) -> Account:
    """Runs in the reading process."""
    from shelfaware.library.exports import parse_export

    matcher, scale = _matcher(model, version)
    library = hold_against(matcher, [parse_export(raw, "your file")], scale)
    rows = [_row(library, one) for one in library.placed]
    entries = [_entry(library, one) for one in library.placed if one.book_index >= 0 and one.outcome != "duplicate edition"]
    return Account(rows, entries, list(library.notes), library.n_known, library.n_books)


def suggestions(names: list[tuple[str, str]], model: str, version: str) -> list[list[int]]:
    """Runs in the reading process."""
    matcher, _ = _matcher(model, version)
    return matcher.suggest([Row(1, title, (author,) if author else ()) for title, author in names])


@lru_cache(maxsize=1)
def _matcher(model: str, version: str) -> tuple[Matcher, Scale]:
    """The catalogue of a model folder; `version` makes another one be read when the model changes."""
    from shelfaware.models.folder import load_model

    loaded = load_model(model)
    return Matcher(loaded.catalogue), loaded.scale


STATES: dict[State, State] = {"": "read"}


def _row(library: Library, one: Placed) -> FileRow:
    book_id = str(library.books.ids.id_of(one.book_index)) if one.book_index >= 0 else None
    author = next(iter(one.row.authors), "")
    return FileRow(one.row.line, one.outcome, one.reason, one.row.title, author, book_id, one.row.stars, one.row.state)


def _entry(library: Library, one: Placed) -> Entry:
    state = STATES.get(one.row.state, one.row.state) if one.row.stars is None else "read"
    return Entry(str(library.books.ids.id_of(one.book_index)), one.row.stars, state, "import")  # type: ignore[arg-type]


def _bound() -> None:
    import os

    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
