"""Uploaded files, read in a process of their own: whatever is in them, the service goes on answering.

The process has a bound on memory and on time; a file that breaks either is refused in a sentence, and the process replaced.
It is given the books of a model when it starts, so that it needs no folder that may be replaced or damaged by then.
"""

from __future__ import annotations

import asyncio
import gc
import io
import multiprocessing
import os
import resource
from concurrent.futures import TimeoutError as OutOfTime
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

import polars as pl
from pebble import ProcessExpired, ProcessPool

from shelfaware.data.books import Books
from shelfaware.data.interactions import Scale
from shelfaware.errors import BusyError, DataError
from shelfaware.library.library import Placed, hold_against
from shelfaware.library.matching import Matcher
from shelfaware.library.rows import Row
from shelfaware.serve.engine import Loaded
from shelfaware.serve.storage.records import Entry, FileRow

SECONDS = 30.0
"""What one file may take; on a quiet machine the largest that is allowed takes 2, beside a service under load some 10."""
MEMORY = 2 * 2**30
"""Address space of the reading process. With 10,000 books hostile files take it to 0.9 GiB, 0.7 of which its libraries
reserve; the rest is for the index of a larger catalogue."""
FILES = 100
"""Files that one process reads before it is replaced."""
LOST = (MemoryError, ProcessExpired, BrokenProcessPool)
"""How it is told that the process, or what it did, is no more."""
WAITING = 8
"""Files that may wait at once, each in memory; whoever brings another is asked to come back."""


class Account(NamedTuple):
    """What became of a file: its rows, the books that they gave, what to tell the person, and against whose books."""

    rows: list[FileRow]
    entries: list[Entry]
    notes: list[str]
    known: int
    books: int
    model_version: str = ""


class Accountant:
    """Reads files for one worker of the service, against the books of one model; used in the event loop's thread alone."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded, self._waiting = loaded, 0
        self._pool = _pool(loaded)

    def start(self) -> None:
        """Starts the process at once, so that nobody waits for that."""
        self._alive().schedule(_nothing)

    def follow(self, loaded: Loaded) -> ProcessPool:
        """From now on the books of another model count; the former process finishes what it was given, and is to be joined."""
        former, self._loaded, self._pool = self._pool, loaded, _pool(loaded)
        self.start()
        former.close()  # type: ignore[no-untyped-call]
        return former

    async def read(self, raw: bytes) -> Account:
        """Raises DataError for a file that cannot be read, or not within the bounds, and BusyError where too many wait."""
        if self._waiting >= WAITING:
            raise BusyError("many files are being read at this moment; bring yours again in a minute")
        self._waiting += 1
        version = self._loaded.version
        try:
            account: Account = await self._run(account_of, raw)
        except OutOfTime:
            raise DataError(f"your file took more than {SECONDS:g} seconds to read, so it was put aside") from None
        except LOST:
            raise DataError("your file took more memory to read than a list of books may, or was interrupted") from None
        finally:
            self._waiting -= 1
        return account._replace(model_version=version)

    async def suggest(self, names: list[tuple[str, str]]) -> list[list[str]]:
        """For each (title, author) the ids of books that it may mean; none where finding them takes too much."""
        try:
            found: list[list[str]] = await self._run(suggestions, names)
        except (OutOfTime, *LOST):
            return [[] for _ in names]
        return found

    def close(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    async def _run(self, function: Any, given: object) -> Any:
        return await asyncio.wrap_future(self._alive().schedule(function, args=[given], timeout=SECONDS))

    def _alive(self) -> ProcessPool:
        """A process that is killed while it has nothing to do is the end of its pool."""
        if not self._pool.active:
            self._pool = _pool(self._loaded)
        return self._pool


def _pool(loaded: Loaded) -> ProcessPool:
    books = io.BytesIO()
    loaded.model.catalogue.table.write_parquet(books)
    given = (books.getvalue(), loaded.model.scale)
    spawning = multiprocessing.get_context("spawn")
    return ProcessPool(max_workers=1, max_tasks=FILES, initializer=_settle, initargs=given, context=spawning)


_catalogue: tuple[Matcher, Scale]
"""Of the reading process alone."""


def _settle(books: bytes, scale: Scale) -> None:
    """Runs first in the reading process."""
    global _catalogue
    os.environ["POLARS_MAX_THREADS"] = "1"  # each thread takes address space for its stack and its arena
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    _catalogue = Matcher(Books(pl.read_parquet(books))), scale
    gc.collect()
    gc.freeze()  # the index stays for ever: to look through it for garbage with every file takes a tenth of the time


def _nothing() -> None:
    """Waits for nothing but the process."""


def account_of(raw: bytes) -> Account:
    """Runs in the reading process."""
    from shelfaware.library.exports import parse_export

    matcher, scale = _catalogue
    library = hold_against(matcher, [parse_export(raw, "your file")], scale)
    ids = library.books.ids.ids.cast(pl.String).to_list()
    rows = [_row(one, ids) for one in library.placed]
    entries = [_entry(one, ids) for one in library.placed if one.book_index >= 0 and one.outcome != "duplicate edition"]
    return Account(rows, entries, list(library.notes), library.n_known, library.n_books)


def suggestions(names: list[tuple[str, str]]) -> list[list[str]]:
    """Runs in the reading process."""
    matcher, _ = _catalogue
    found = matcher.suggest([Row(1, title, (author,) if author else ()) for title, author in names])
    return [[str(matcher.books.ids.id_of(book)) for book in books] for books in found]


def _row(one: Placed, ids: list[str]) -> FileRow:
    book_id = ids[one.book_index] if one.book_index >= 0 else None
    author = next(iter(one.row.authors), "")
    return FileRow(one.row.line, one.outcome, one.reason, one.row.title, author, book_id, one.row.stars, one.row.state)


def _entry(one: Placed, ids: list[str]) -> Entry:
    state = (one.row.state or "read") if one.row.stars is None else "read"
    return Entry(ids[one.book_index], one.row.stars, state, "import")
