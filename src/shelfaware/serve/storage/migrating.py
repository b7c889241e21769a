"""Brings a database to this version's schema, however many workers start at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from shelfaware.errors import StorageError
from shelfaware.serve.storage.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, revision: str = "head") -> None:
    """One transaction; whoever comes second finds it done. Raises StorageError for a database of a newer version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
    with database.writing() as connection:
        database.lock_schema(connection)
        there = _revision(connection)
        if there is not None and there not in known:
            raise StorageError(f"the database {database.where} is of a newer version ({there}); install a newer shelfaware")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def is_current(connection: Connection) -> bool:
    """Whether the schema is the one of this version."""
    return _revision(connection) == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
