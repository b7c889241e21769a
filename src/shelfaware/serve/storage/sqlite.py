"""SQLite: one file, safe against crashes and against what deleted rows leave behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection

from shelfaware.errors import StorageError
from shelfaware.serve.storage.database import Database

SAFE_WAL = (3, 51, 3)
"""The first SQLite whose write-ahead log cannot corrupt the file when a checkpoint meets a writer."""

CONNECTIONS = 40
"""More than a worker has threads: each connection is a file handle and some memory."""

REFUSALS = {
    sqlite3.SQLITE_BUSY: "is busy: another program holds it; try again",
    sqlite3.SQLITE_LOCKED: "is busy: another program holds it; try again",
    sqlite3.SQLITE_READONLY: "is read-only; give its file and folder back to the user that runs this service",
    sqlite3.SQLITE_FULL: "has no room left; free some space on its disk",
    sqlite3.SQLITE_IOERR: "cannot be read or written; see whether its disk is full or failing",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; see that its folder is there and yours",
    sqlite3.SQLITE_PERM: "cannot be opened; see that its file is yours",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a copy",
    sqlite3.SQLITE_NOTADB: "is no SQLite database; name another file",
}


class Sqlite(Database):
    """Writers take their lock at once (BEGIN IMMEDIATE), so that none fails halfway because another was faster."""

    def __init__(self, url: URL, patience: float) -> None:
        if not url.database or url.database == ":memory:":
            raise StorageError("a database in memory is lost and not shared; name a file, as in sqlite:///shelfaware.db")
        _make_private(Path(url.database))
        engine = create_engine(url, hide_parameters=True, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=patience)
        event.listen(engine, "connect", _Settings(patience))
        event.listen(engine, "begin", _begin)
        super().__init__(engine)

    def lock_schema(self, connection: Connection) -> None:
        """BEGIN IMMEDIATE has locked the file."""

    def forget_durability(self, connection: Connection) -> None:
        """Not possible for one transaction alone."""

    def owe_compacting(self, connection: Connection) -> None:
        owed, _ = _owed_and_paid(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {owed + 1}")

    def compact(self) -> None:
        """secure_delete clears a deleted row, but not the copies that splitting and joining pages left in their gaps.

        What is owed is read first: of what others delete meanwhile nothing is taken for paid.
        """
        with self.bare() as connection:
            owed, _ = _owed_and_paid(connection)
            connection.exec_driver_sql("VACUUM")
            if connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one():
                raise StorageError(f"the database {self.where} {REFUSALS[sqlite3.SQLITE_BUSY]}")
            connection.exec_driver_sql(f"PRAGMA application_id = {owed}")

    def pay_compacting(self) -> None:
        with self.bare() as connection:
            owed, paid = _owed_and_paid(connection)
        if owed != paid:
            self.compact()

    def _reader(self) -> Engine:
        return self.engine.execution_options(sqlite_begin="BEGIN")

    def _bare(self) -> Engine:
        return self.engine.execution_options(sqlite_begin="")

    def _explain(self, error: BaseException | None) -> str:
        return REFUSALS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")


class _Settings:
    """What every connection is told, each in its turn: without patience the others may find the file busy."""

    def __init__(self, patience: float) -> None:
        wal = sqlite3.sqlite_version_info >= SAFE_WAL
        self.pragmas = (
            f"busy_timeout = {round(1000 * patience)}",
            f"journal_mode = {'WAL' if wal else 'DELETE'}",
            f"synchronous = {'FULL' if wal else 'EXTRA'}",
            "foreign_keys = ON",
            "secure_delete = ON",
            "temp_store = MEMORY",
        )

    def __call__(self, connection: DBAPIConnection, record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in self.pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _owed_and_paid(connection: Connection) -> tuple[int, int]:
    """How many deletions there were, and after how many of them the file was last compacted: two numbers of its header."""
    owed, paid = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("user_version", "application_id"))
    return owed, paid


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE")
    if statement:
        connection.exec_driver_sql(statement)


def _make_private(path: Path) -> None:
    """The file and, where it is new, its folder are for this user alone; the journal takes its rights from the file."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError as error:
        raise StorageError(f"the database {path} cannot be made: {error.strerror}; name another place") from error
