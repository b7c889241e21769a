"""One request's change to one profile: what it closes and opens, and how the last one is taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from shelfaware.errors import DataError
from shelfaware.library.library import STATES
from shelfaware.serve.storage.records import ENTRY_FIELDS, ENTRY_VALUES, LAST_LINE, ROW_FIELDS, ROW_VALUES, Entry, FileRow
from shelfaware.serve.storage.tables import OPEN, Changes, Entries, FileRows

STEPS = 50
"""How many changes can be taken back."""

REMEMBERED = 200
"""For how many later requests a request id is known again."""

NAMED = 500
"""Above as many books the whole shelf is read: databases bound the parameters of a statement."""

Spans = type[Entries] | type[FileRows]


class Change:
    """Inside the transaction that has locked the profile; `version` is the one that this change makes."""

    def __init__(self, connection: Connection, profile: str, version: int) -> None:
        self.connection = connection
        self.profile = profile
        self.version = version
        self.steps = 0

    def put(self, entries: Iterable[Entry]) -> None:
        """Of a book named twice the last counts; an entry that is there already is not touched."""
        wanted = {entry.book_id: entry for entry in entries}
        there = self._entries(wanted)
        changed = [entry for book, entry in wanted.items() if there.get(book) != entry]
        self._close(Entries, Entries.book_id, [entry.book_id for entry in changed if entry.book_id in there])
        self._open(Entries, ENTRY_FIELDS, map(ENTRY_VALUES, changed))

    def remove(self, book_ids: Collection[str]) -> None:
        """Books that are not there are passed over."""
        self._close(Entries, Entries.book_id, list(self._entries(dict.fromkeys(book_ids))))

    def replace_rows(self, rows: Sequence[FileRow]) -> None:
        there, wanted = self._rows(), sorted(map(ROW_VALUES, rows))
        if wanted == there:
            return
        these = (FileRows.profile_id == self.profile, FileRows.until == OPEN)
        self.steps += self.connection.execute(update(FileRows).where(*these).values(until=self.version)).rowcount
        self._open(FileRows, ROW_FIELDS, wanted)

    def confirm(self, line: int, book_id: str) -> None:
        """The unmatched row of this line is the book: it leaves the unmatched, and its stars and state are put."""
        found = self._rows(FileRows.line == line) if line <= LAST_LINE else []
        if not found or (row := FileRow(*found[0])).outcome != "unmatched":
            raise DataError(f"line {line} is no row that waits for its book; look at the list again")
        outcome = "rated" if row.stars is not None else STATES[row.state]
        matched = replace(row, outcome=outcome, reason="as you said", book_id=book_id)
        self._close(FileRows, FileRows.line, [line])
        self._open(FileRows, ROW_FIELDS, [ROW_VALUES(matched)])
        self.put([Entry(book_id, row.stars, row.state or "read", "import")])

    def take_back(self) -> None:
        """The newest change that can be undone is as if it had never been; nothing happens where there is none."""
        mine = (Changes.profile_id == self.profile, Changes.undoable)
        last = self.connection.scalar(select(Changes.version).where(*mine).order_by(Changes.version.desc()).limit(1))
        if last is None:
            return
        for table in (Entries, FileRows):
            here = table.profile_id == self.profile
            self.connection.execute(delete(table).where(here, table.until == OPEN, table.since == last))
            self.connection.execute(update(table).where(here, table.until == last).values(until=OPEN))
        self._settle(last)

    def record(self, request_id: str) -> None:
        """Remembers the request, and forgets steps and requests that lie too far back."""
        row = {"profile_id": self.profile, "version": self.version, "request_id": request_id, "undoable": self.steps > 0}
        self.connection.execute(insert(Changes), row)
        mine = (Changes.profile_id == self.profile, Changes.undoable)
        beyond = select(Changes.version).where(*mine).order_by(Changes.version.desc()).offset(STEPS).limit(1)
        oldest = self.connection.scalar(beyond)
        if oldest is not None:
            for table in (Entries, FileRows):
                here = table.profile_id == self.profile
                self.connection.execute(delete(table).where(here, table.until != OPEN, table.until <= oldest))
            self._settle(oldest)
        old = (Changes.profile_id == self.profile, Changes.version <= self.version - REMEMBERED)
        self.connection.execute(delete(Changes).where(*old, ~Changes.undoable))

    def _settle(self, version: int) -> None:
        this = (Changes.profile_id == self.profile, Changes.version == version)
        self.connection.execute(update(Changes).where(*this).values(undoable=False))

    def _entries(self, books: Mapping[str, object]) -> dict[str, Entry]:
        """Those of `books` that are on the shelf."""
        columns = [getattr(Entries, name) for name in ENTRY_FIELDS]
        query = select(*columns).where(Entries.profile_id == self.profile, Entries.until == OPEN)
        if len(books) <= NAMED:
            query = query.where(Entries.book_id.in_(list(books)))
        return {row.book_id: Entry(*row) for row in self.connection.execute(query) if row.book_id in books}

    def _rows(self, *which: ColumnElement[bool]) -> list[tuple[Any, ...]]:
        """ROW_VALUES of the last file's rows, by line."""
        columns = [getattr(FileRows, name) for name in ROW_FIELDS]
        query = select(*columns).where(FileRows.profile_id == self.profile, FileRows.until == OPEN, *which)
        return [tuple(row) for row in self.connection.execute(query.order_by(FileRows.line))]

    def _close(self, table: Spans, key: Any, values: Sequence[object]) -> None:
        if not values:
            return
        this = (table.profile_id == self.profile, table.until == OPEN, key == bindparam("closed"))
        self.connection.execute(update(table).where(*this).values(until=self.version), [{"closed": one} for one in values])
        self.steps += len(values)

    def _open(self, table: Spans, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        span: dict[str, Any] = {"profile_id": self.profile, "since": self.version, "until": OPEN}
        made = [span | dict(zip(names, row, strict=True)) for row in rows]
        if made:
            self.connection.execute(insert(table), made)
        self.steps += len(made)
