"""The databases as files and schemas: what deleting leaves, who may read them, how they fail, how they grow with versions."""

from __future__ import annotations

import random
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from clusters import Cluster
from sqlalchemy import create_engine, event, text

from shelfaware.errors import StorageError
from shelfaware.serve.storage import Entry, FileRow, Limit, Store, open_store, sqlite
from shelfaware.serve.storage.migrating import migrate
from shelfaware.serve.storage.sqlite import Sqlite
from shelfaware.serve.storage.store import _connect
from shelfaware.serve.storage.tables import Base

MARK = "Marquee"


def live(store: Store, rng: random.Random, title: str) -> str:
    """A profile with a history: an import, edits, undone ones too, a second import."""
    me = store.create_profile()
    for turn in range(3):
        rows = [
            FileRow(line, "unmatched", f"{title} {rng.random()}", title * rng.randint(1, 9), title, None, 3.0)
            for line in rng.sample(range(1, 400), 60)
        ]
        store.import_rows(me, rows, [Entry(f"{title} {rng.randrange(99)}") for _ in range(30)], request_id=f"{title} {turn}")
        store.confirm(me, rows[0].line, f"{title} confirmed", request_id=f"{title} confirm {turn}")
        store.remove(me, [f"{title} {number}" for number in range(40)], request_id=f"{title} remove {turn}")
    store.undo(me, request_id=f"{title} undo")
    return me


def traces(folder: Path, profiles: list[str]) -> list[str]:
    """The files that hold a byte string of a marked person."""
    wanted = [MARK.encode(), *(profile.encode() for profile in profiles)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(one in path.read_bytes() for one in wanted)]


def lives(store: Store) -> list[str]:
    """20 marked profiles, and one unmarked beside each; the marked ones."""
    rng = random.Random(3)
    pairs = [(live(store, rng, f"{MARK} {number}"), live(store, rng, f"Other {number}")) for number in range(20)]
    return [marked for marked, _ in pairs]


@pytest.mark.parametrize("safe", [sqlite.SAFE_WAL, (3, 0, 0)], ids=["journal", "wal"])
def test_sqlite_keeps_no_byte_of_who_was_deleted(
    folder: Path, safe: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "SAFE_WAL", safe)
    store = open_store(f"sqlite:///{folder}/shelfaware.db")
    profiles = lives(store)
    assert traces(folder, profiles)
    for profile in profiles:
        assert store.delete(profile)
    assert traces(folder, profiles) == []
    assert b"Other 19" in (folder / "shelfaware.db").read_bytes()
    store.close()


@pytest.mark.parametrize("safe", [sqlite.SAFE_WAL, (3, 0, 0)], ids=["journal", "wal"])
def test_a_reader_in_the_way_of_wiping_is_said(
    folder: Path, safe: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a deletion that is sent again is finished."""
    monkeypatch.setattr(sqlite, "SAFE_WAL", safe)
    store = open_store(f"sqlite:///{folder}/shelfaware.db", patience=0.1)
    profile = live(store, random.Random(3), MARK)
    with store.database.reading() as connection:
        connection.execute(text("SELECT * FROM profiles")).all()
        with pytest.raises(StorageError, match="is busy"):
            store.delete(profile)
    store.delete(profile)
    assert traces(folder, [profile]) == []
    store.close()


def leave_a_copy(path: Path) -> None:
    """A marked title in a page that is free again: what splitting and joining pages may leave, here for certain."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE split AS SELECT ? AS title", [MARK])
        connection.execute("DROP TABLE split")


def test_what_a_crash_kept_from_being_wiped_is_wiped_at_the_next_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{folder}/shelfaware.db"
    store = open_store(url)
    profiles = lives(store)
    with monkeypatch.context() as patch:
        patch.setattr(Sqlite, "compact", lambda self: None)
        for profile in profiles:
            store.delete(profile)
    store.close()
    leave_a_copy(folder / "shelfaware.db")
    assert traces(folder, profiles) == ["shelfaware.db"]
    open_store(url).close()
    assert traces(folder, profiles) == []


def test_postgresql_keeps_no_byte_in_its_tables_once_compacted(cluster: Cluster) -> None:
    url = cluster.new_database()
    store = open_store(url)
    profiles = lives(store)
    with store.database.bare() as connection:
        connection.execute(text("ANALYZE"))
        connection.execute(text("CHECKPOINT"))
    base = cluster.data / "base"
    assert traces(base, profiles)
    for profile in profiles:
        store.delete(profile)
    assert store.outcomes(store.create_profile()) == {}
    store.compact()
    with store.database.bare() as connection:
        connection.execute(text("CHECKPOINT"))
    assert traces(base, profiles) == []
    store.close()


def test_files_and_folders_are_private(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "SAFE_WAL", (3, 0, 0))
    path = folder / "new" / "shelfaware.db"
    store = open_store(f"sqlite:///{path}")
    store.create_profile()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {one.stat().st_mode & 0o777 for one in files} == {0o600}
    store.close()


def pragmas(store: Store) -> dict[str, object]:
    with store.database.bare() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}


@pytest.mark.parametrize(("version", "mode", "synchronous"), [((3, 51, 2), "delete", 3), ((3, 51, 3), "wal", 2)])
def test_sqlite_is_set_for_safety(
    folder: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], mode: str, synchronous: int
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    store = open_store(f"sqlite:///{folder}/shelfaware.db", patience=1.5)
    expected = {"journal_mode": mode, "synchronous": synchronous, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 1500}
    assert pragmas(store) == expected
    store.close()


def test_models_and_migrations_agree(store: Store) -> None:
    with store.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []


def test_an_old_database_is_brought_up_to_date_with_all_it_holds(url: str) -> None:
    database = _connect(url, 1.0)
    migrate(database, "0001")
    before = Store(database)
    me = before.create_profile()
    before.put(me, [Entry("a", 4.0)], request_id="1")
    before.put(me, [Entry("a", 5.0)], request_id="2")
    assert not before.ready()
    before.close()
    store = open_store(url)
    assert store.ready()
    assert store.shelf(me).entries == (Entry("a", 5.0),)
    store.undo(me, request_id="3")
    assert store.shelf(me).entries == (Entry("a", 4.0),)
    assert store.allow("k", Limit(1, 1.0), 0.0)
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(store: Store, url: str) -> None:
    with store.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not store.ready()
    with pytest.raises(StorageError, match=r"newer version \(9999\); install a newer shelfaware"):
        open_store(url)


def test_a_locked_database_is_busy(store: Store, url: str) -> None:
    me = store.create_profile()
    other = open_store(url)
    with other.database.writing() as connection:
        connection.execute(text("UPDATE profiles SET version = version"))
        with pytest.raises(StorageError, match="is busy: another program holds it; try again"):
            store.put(me, [Entry("a")], request_id="1")
    assert store.put(me, [Entry("a")], request_id="1") == 1
    other.close()


@pytest.fixture
def limited(folder: Path) -> Iterator[Callable[[str], Store]]:
    """A SQLite store whose every connection has one more pragma."""
    opened: list[Store] = []

    def open_with(pragma: str) -> Store:
        store = open_store(f"sqlite:///{folder}/shelfaware.db")
        store.create_profile()
        store.close()
        event.listen(store.database.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}").close())
        opened.append(store)
        return store

    yield open_with
    for store in opened:
        store.close()


def test_a_full_disk_is_said_and_nothing_is_half_written(limited: Callable[[str], Store]) -> None:
    store = limited("max_page_count = 30")
    me = store.create_profile()
    rows = [FileRow(line, "rated", "by title", "A long title " * 9) for line in range(1, 999)]
    with pytest.raises(StorageError, match="has no room left; free some space on its disk"):
        store.import_rows(me, rows, [Entry("a")], request_id="1")
    assert (store.version(me), store.rows(me), store.shelf(me).entries) == (0, [], ())


def test_a_read_only_sqlite_is_said(limited: Callable[[str], Store]) -> None:
    with pytest.raises(StorageError, match="is read-only; give its file"):
        limited("query_only = ON").create_profile()


def test_a_read_only_postgresql_is_said(cluster: Cluster) -> None:
    url = cluster.new_database()
    open_store(url).close()
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on"))
    engine.dispose()
    store = open_store(url)
    with pytest.raises(StorageError, match="is read-only; name the primary server"):
        store.create_profile()
    store.close()


ADDRESSES = {
    "no address": "address of the database cannot be read",
    "mysql://h/n": "mysql is not supported; use sqlite or postgresql",
    "sqlite://": "in memory is lost and not shared; name a file",
    "sqlite:///:memory:": "in memory is lost and not shared; name a file",
    "sqlite:////dev/null/x.db": "cannot be made: .*; name another place",
    "postgresql://user:secret@/none?host=/nowhere": "does not answer; see that it runs",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_leads_nowhere(address: str) -> None:
    with pytest.raises(StorageError, match=ADDRESSES[address]) as refused:
        open_store(address, patience=0.5)
    assert "secret" not in str(refused.value)


def test_a_postgresql_that_is_not_there(cluster: Cluster) -> None:
    with pytest.raises(StorageError, match=r"does not answer|is not there"):
        open_store(cluster.url("missing"))


@pytest.mark.parametrize("content", [b"no database at all " * 99, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database(folder: Path, content: bytes) -> None:
    path = folder / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"is no SQLite database|is damaged"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_no_error_tells_what_was_to_be_kept(store: Store) -> None:
    with (
        pytest.raises(StorageError, match=r"failed \(IntegrityError\); see its log") as refused,
        store.database.writing() as connection,
    ):
        connection.execute(text("INSERT INTO profiles (id, version) VALUES (:id, 1)"), {"id": "a private title"})
    assert "a private title" not in "".join(traceback.format_exception(refused.value))
