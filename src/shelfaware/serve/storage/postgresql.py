"""PostgreSQL through psycopg."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL

from shelfaware.serve.storage.database import Database

SCHEMA_LOCK = 0x5348454C46
"""The advisory lock that only shelfaware asks for."""

AWAY = "does not answer; see that it runs and that the address is right"

REFUSALS = {
    "08": AWAY,
    "22P05": "is not in UTF-8 and cannot keep this text; make a UTF-8 database",
    "25006": "is read-only; name the primary server",
    "28": "refuses this user; see the name and the password",
    "3D": "is not there; make it with createdb",
    "40": "is busy: two changes met; try again",
    "42501": "does not let this user make or change its tables; grant it",
    "53100": "has no room left; free some space on its disk",
    "53": "is at its limit of connections or memory; try again",
    "55P03": "is busy: another program holds it; try again",
    "57014": "is busy: the answer took too long; try again",
    "57": AWAY,
    "58": "cannot be read or written; see its log and its disk",
    "XX": "is damaged; see its log",
}
"""By SQLSTATE, or by its class: the first two characters."""


class Postgresql(Database):
    """Text is sent and kept as UTF-8; a lock is waited for as long as `patience`, in seconds."""

    options: ClassVar[dict[str, str]] = {"client_encoding": "utf8"}

    def __init__(self, url: URL, patience: float) -> None:
        waits = f"-c lock_timeout={round(1000 * patience)}"
        arguments = self.options | {"connect_timeout": max(2, round(patience)), "options": waits}
        super().__init__(
            create_engine(
                url.set(drivername="postgresql+psycopg"),
                hide_parameters=True,
                pool_pre_ping=True,
                pool_timeout=patience,
                connect_args=arguments,
            )
        )

    def lock_schema(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})

    def forget_durability(self, connection: Connection) -> None:
        connection.execute(text("SET LOCAL synchronous_commit = off"))

    def owe_compacting(self, connection: Connection) -> None:
        """Autovacuum frees the rows; the bytes go when somebody compacts."""

    def compact(self) -> None:
        """A plain VACUUM frees rows but leaves their bytes in the gaps of pages; FULL writes new files."""
        with self.bare() as connection:
            for table in ("profiles", "changes", "entries", "file_rows", "buckets"):
                connection.execute(text(f"VACUUM (FULL) {table}"))

    def pay_compacting(self) -> None:
        """Left to whoever compacts: it locks the tables against every worker."""

    def _reader(self) -> Engine:
        return self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def _bare(self) -> Engine:
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def _explain(self, error: BaseException | None) -> str:
        state = getattr(error, "sqlstate", None)
        if not state:
            return AWAY
        return REFUSALS.get(state) or REFUSALS.get(state[:2], "")
