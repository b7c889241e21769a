"""A database and its three kinds of transaction; every failure leaves as one sentence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shelfaware.errors import StorageError


class Database(ABC):
    """What SQLite and PostgreSQL do differently. `where` names the database in errors, without its password."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.where = engine.url.render_as_string(hide_password=True)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that may write: all of it happens or nothing."""
        with self._sentences(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that sees a single state of the database and writes nothing."""
        with self._sentences(), self._reader().begin() as connection:
            yield connection

    @contextmanager
    def bare(self) -> Iterator[Connection]:
        """A connection without a transaction, for what runs in none."""
        with self._sentences(), self._bare().connect() as connection:
            yield connection

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Lets one process at a time look at the schema and change it, until its transaction ends."""

    @abstractmethod
    def forget_durability(self, connection: Connection) -> None:
        """This transaction may be lost in a crash, where the database can do it for a single one."""

    @abstractmethod
    def owe_compacting(self, connection: Connection) -> None:
        """Notes, within a transaction that deletes, that deleted bytes must still be wiped from the files."""

    @abstractmethod
    def compact(self) -> None:
        """Writes the tables anew, without the bytes of anything deleted. Waits for everybody else's transactions."""

    @abstractmethod
    def pay_compacting(self) -> None:
        """Compacts if it is owed."""

    @abstractmethod
    def _reader(self) -> Engine: ...

    @abstractmethod
    def _bare(self) -> Engine: ...

    @abstractmethod
    def _explain(self, error: BaseException | None) -> str:
        """What a driver's error means and what to do, as the end of a sentence; "" for one that nobody foresaw."""

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """A driver's own words may quote what was to be kept, so they go into no traceback and no log."""
        try:
            yield
        except PoolTimeout:
            raise StorageError(f"the database {self.where} is busy: every connection is taken; try again") from None
        except SQLAlchemyError as error:
            why = self._explain(error.orig) if isinstance(error, DBAPIError) else ""
            raise StorageError(f"the database {self.where} {why or f'failed ({type(error).__name__}); see its log'}") from None
