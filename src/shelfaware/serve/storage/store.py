"""The verbs of the storage. Each is one transaction, and each may be sent again: a lost answer costs nothing."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from shelfaware.errors import DataError, StorageError, UnknownProfileError
from shelfaware.serve.storage import limits
from shelfaware.serve.storage.change import Change
from shelfaware.serve.storage.database import Database
from shelfaware.serve.storage.migrating import is_current, migrate
from shelfaware.serve.storage.postgresql import Postgresql
from shelfaware.serve.storage.records import (
    ENTRY_FIELDS,
    LAST_LINE,
    ROW_FIELDS,
    Entry,
    FileRow,
    Limit,
    Shelf,
    check_key,
    check_text,
)
from shelfaware.serve.storage.sqlite import Sqlite
from shelfaware.serve.storage.tables import OPEN, Changes, Entries, FileRows, Profiles

SWEEP_SECONDS = 60.0
"""How often a worker clears old rate limits away."""

VERSIONS = select(Profiles.id, Profiles.version, Profiles.seen).where(Profiles.id.in_(bindparam("profiles", expanding=True)))
"""Asked by every answer; built once, it takes half the time."""


def open_store(url: str, *, patience: float = 5.0) -> Store:
    """The storage at an address such as `sqlite:///data/shelfaware.db` or `postgresql+psycopg://user@host/name`.

    Its schema is made, or brought to this version. `patience`: seconds that a verb waits for another's lock. Raises
    StorageError where that cannot be.
    """
    database = _connect(url, patience)
    try:
        migrate(database)
        database.pay_compacting()
    except BaseException:
        database.engine.dispose()
        raise
    return Store(database)


class Store:
    """Profiles and what they hold; safe to share among threads.

    A verb that changes a profile takes a `request_id` of the caller's choosing and returns the version it made. The same
    id again changes nothing and returns the same version. Every verb raises UnknownProfileError for an id that is no
    profile's, DataError for what cannot be kept and StorageError where the database cannot be used.
    """

    def __init__(self, database: Database, today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> None:
        self.database = database
        self.today = today
        self._swept_at = 0.0

    def create_profile(self) -> str:
        """A new, empty profile; its id is 128 random bits as 32 hexadecimal digits."""
        profile, today = secrets.token_hex(16), self.today()
        with self.database.writing() as connection:
            connection.execute(insert(Profiles).values(id=profile, created=today, seen=today, version=0))
        return profile

    def version(self, profile: str) -> int:
        """The version of a shelf, without reading it; it counts as use on this day."""
        found = self.versions([profile])
        if not found:
            raise unknown_profile()
        return found[profile]

    def versions(self, profiles: Collection[str]) -> dict[str, int]:
        """As `version`, of those profiles that there are."""
        with self.database.reading() as connection:
            found = connection.execute(VERSIONS, {"profiles": [one for one in profiles if _is_id(one)]}).all()
        for profile, _, seen in found:
            self._touch(profile, seen)
        return {profile: version for profile, version, _ in found}

    def shelf(self, profile: str) -> Shelf:
        """What a person has, at one version; it counts as use on this day."""
        _check_profile(profile)
        columns = [getattr(Entries, name) for name in ENTRY_FIELDS]
        theirs = and_(Entries.profile_id == Profiles.id, Entries.until == OPEN)
        query = select(Profiles.version, Profiles.seen, *columns).outerjoin(Entries, theirs).where(Profiles.id == profile)
        with self.database.reading() as connection:
            found = connection.execute(query).all()
        if not found:
            raise unknown_profile()
        self._touch(profile, found[0].seen)
        entries = [Entry(*row[2:]) for row in found if row.book_id is not None]
        return Shelf(found[0].version, tuple(sorted(entries, key=lambda entry: entry.book_id)))

    def put(self, profile: str, entries: Iterable[Entry], *, request_id: str) -> int:
        """Adds or replaces entries, all at once."""
        return self._change(profile, request_id, lambda change: change.put(entries))

    def remove(self, profile: str, book_ids: Collection[str], *, request_id: str) -> int:
        """Takes books off the shelf, all at once; those that are not there are passed over."""
        for book in book_ids:
            check_key(book, "book id")
        return self._change(profile, request_id, lambda change: change.remove(book_ids))

    def undo(self, profile: str, *, request_id: str) -> int:
        """Takes back the newest change that is not yet taken back, at most `change.STEPS` of them one after another."""
        return self._change(profile, request_id, Change.take_back)

    def import_rows(self, profile: str, rows: Sequence[FileRow], entries: Iterable[Entry], *, request_id: str) -> int:
        """Keeps what became of each row of a file, in place of the file before, and puts the entries it gave."""
        if len({row.line for row in rows}) < len(rows):
            raise DataError("a line of the file stands twice among the rows; number each row by its own line")

        def step(change: Change) -> None:
            change.replace_rows(rows)
            change.put(entries)

        return self._change(profile, request_id, step)

    def confirm(self, profile: str, line: int, book_id: str, *, request_id: str) -> int:
        """An unmatched row is this book: it counts as matched, and its stars and state are put."""
        check_key(book_id, "book id")
        return self._change(profile, request_id, lambda change: change.confirm(line, book_id))

    def rows(self, profile: str, outcome: str | None = None, after: int = 0, limit: int = 100) -> list[FileRow]:
        """The rows of the last file with this outcome (None: with any), by line, at most `limit` beyond the line `after`."""
        columns = [getattr(FileRows, name) for name in ROW_FIELDS]
        query = select(*columns).where(FileRows.profile_id == profile, FileRows.until == OPEN)
        query = query.where(FileRows.line > _bounded(after)).order_by(FileRows.line).limit(_bounded(limit))
        if outcome is not None:
            check_text(outcome, "outcome")
            query = query.where(FileRows.outcome == outcome)
        with self.database.reading() as connection:
            _require(connection, profile)
            return [FileRow(*row) for row in connection.execute(query)]

    def outcomes(self, profile: str) -> dict[str, int]:
        """How many rows of the last file ended how; empty where there was none."""
        theirs = (FileRows.profile_id == profile, FileRows.until == OPEN)
        query = select(FileRows.outcome, func.count()).where(*theirs).group_by(FileRows.outcome)
        with self.database.reading() as connection:
            _require(connection, profile)
            return {row[0]: row[1] for row in connection.execute(query)}

    def delete(self, profile: str) -> bool:
        """Deletes everything of a person; False where nobody was there, so that it may be sent again.

        On SQLite none of their bytes is in any file afterwards. On PostgreSQL their rows are gone at once, the bytes
        with the next `compact`; its write-ahead log and backups are not in our hands.
        """
        return self._delete(Profiles.id == profile) > 0 if _is_id(profile) else False

    def expire(self, before: date) -> int:
        """Deletes the profiles that were last used before a day; how many they were."""
        return self._delete(Profiles.seen < before)

    def compact(self) -> None:
        """Wipes what deleted rows left in the database's files; everybody else waits meanwhile. For a quiet hour."""
        self.database.compact()

    def allow(self, key_hash: str, limit: Limit, now: float) -> bool:
        """Whether one more request of a key keeps to its limit, across all workers; `now` in seconds since 1970."""
        check_key(key_hash, "key")
        with self.database.writing() as connection:
            self.database.forget_durability(connection)
            allowed = limits.take(connection, key_hash, limit, now)
        if now - self._swept_at > SWEEP_SECONDS:
            self._swept_at = now
            with self.database.writing() as connection:
                limits.sweep(connection, now)
        return allowed

    def ready(self) -> bool:
        """Whether the database answers and has the schema of this version."""
        try:
            with self.database.reading() as connection:
                return is_current(connection)
        except StorageError:
            return False

    def close(self) -> None:
        """Gives every connection back."""
        self.database.engine.dispose()

    def _change(self, profile: str, request_id: str, step: Callable[[Change], None]) -> int:
        _check_profile(profile)
        check_key(request_id, "request id")
        made = select(Changes.version).where(Changes.profile_id == profile, Changes.request_id == request_id)
        with self.database.writing() as connection:
            version = connection.scalar(select(Profiles.version).where(Profiles.id == profile).with_for_update())
            if version is None:
                raise unknown_profile()
            repeated = connection.scalar(made)
            if repeated is not None:
                return repeated
            change = Change(connection, profile, version + 1)
            step(change)
            change.record(request_id)
            now = {"version": change.version, "seen": self.today()}
            connection.execute(update(Profiles).where(Profiles.id == profile).values(now))
        return change.version

    def _delete(self, which: ColumnElement[bool]) -> int:
        with self.database.writing() as connection:
            deleted = connection.execute(delete(Profiles).where(which)).rowcount
            if deleted:
                self.database.owe_compacting(connection)
        self.database.pay_compacting()
        return deleted

    def _touch(self, profile: str, seen: date) -> None:
        """Once a day. A shelf that can be read is shown, though the day of its use cannot be written."""
        if seen == self.today():
            return
        with suppress(StorageError), self.database.writing() as connection:
            connection.execute(update(Profiles).where(Profiles.id == profile).values(seen=self.today()))


def _connect(url: str, patience: float) -> Database:
    try:
        address: URL = make_url(url)
    except ArgumentError:
        raise StorageError(
            "the address of the database cannot be read; write it as sqlite:///FILE or postgresql+psycopg://..."
        ) from None
    if address.drivername in ("sqlite", "sqlite+pysqlite"):
        return Sqlite(address, patience)
    if address.drivername in ("postgresql", "postgresql+psycopg"):
        return Postgresql(address, patience)
    raise StorageError(f"{address.drivername} is not supported; use sqlite or postgresql+psycopg")


def _is_id(profile: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", profile) is not None


def _check_profile(profile: str) -> None:
    if not _is_id(profile):
        raise unknown_profile()


def _require(connection: Connection, profile: str) -> None:
    if not _is_id(profile) or connection.scalar(select(Profiles.version).where(Profiles.id == profile)) is None:
        raise unknown_profile()


def _bounded(number: int) -> int:
    """The nearest number that both databases take as a line or as a count of rows."""
    return max(0, min(number, LAST_LINE))


def unknown_profile() -> UnknownProfileError:
    return UnknownProfileError("nothing is kept under this address: it was deleted, has expired or never was; start anew")
