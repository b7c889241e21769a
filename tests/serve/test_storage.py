"""Every verb of the storage, on both databases: what it keeps, what it returns, what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from shelfaware.errors import DataError, UnknownProfileError
from shelfaware.serve.storage import Entry, FileRow, Limit, Shelf, Store, open_store
from shelfaware.serve.storage.change import REMEMBERED, STEPS
from shelfaware.serve.storage.tables import Base, Buckets, Changes, Entries, FileRows

NOBODY = "0" * 32

ROWS = (
    FileRow(2, "rated", "by isbn", "Dune", "Frank Herbert", "10", 5.0, "read"),
    FileRow(3, "unmatched", "no such title", "Düne – 二", "Frank Herbert", None, 4.0, "read"),
    FileRow(5, "unmatched", "no such title", "Solaris", "", None, None, "to-read"),
    FileRow(8, "skipped", "no title"),
)

BROUGHT = (Entry("10", 5.0, "read", "import"),)


def held(store: Store, profile: str) -> dict[str, float | None]:
    return {entry.book_id: entry.stars for entry in store.shelf(profile).entries}


def n_rows(store: Store, table: type[Base]) -> int:
    with store.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_a_new_profile_is_empty_and_its_id_is_random(store: Store) -> None:
    made = [store.create_profile() for _ in range(3)]
    assert len(set(made)) == 3
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in made)
    assert store.shelf(made[0]) == Shelf(0, ())
    assert store.rows(made[0]) == []
    assert store.outcomes(made[0]) == {}


def test_put_keeps_every_field_and_the_last_write_wins(store: Store) -> None:
    me = store.create_profile()
    first = [Entry("b", 4.5, "read", "import"), Entry("a", None, "to-read"), Entry("007", None, "not-for-me")]
    assert store.put(me, first, request_id="1") == 1
    assert store.shelf(me) == Shelf(1, tuple(sorted(first, key=lambda one: one.book_id)))
    assert store.put(me, [Entry("a", 1.0), Entry("a", 2.0), Entry("7", 3.0)], request_id="2") == 2
    assert store.shelf(me).entries == (Entry("007", None, "not-for-me"), Entry("7", 3.0), Entry("a", 2.0), first[0])
    assert store.version(me) == 2


def test_the_same_request_again_changes_nothing(store: Store) -> None:
    me, you = store.create_profile(), store.create_profile()
    assert store.put(me, [Entry("a", 1.0)], request_id="first") == 1
    assert store.put(me, [Entry("a", 2.0)], request_id="second") == 2
    assert store.put(me, [Entry("a", 1.0)], request_id="first") == 1
    assert held(store, me) == {"a": 2.0}
    assert store.undo(me, request_id="back") == 3
    assert store.undo(me, request_id="back") == 3
    assert held(store, me) == {"a": 1.0}
    assert store.remove(me, ["a"], request_id="second") == 2
    assert held(store, me) == {"a": 1.0}
    assert store.put(you, [Entry("a", 5.0)], request_id="first") == 1
    assert held(store, you) == {"a": 5.0}


def test_a_request_is_remembered_for_a_while_and_not_for_ever(store: Store) -> None:
    me = store.create_profile()
    for number in range(REMEMBERED + 2):
        store.put(me, [Entry("a", 1.0)], request_id=str(number))
    assert store.put(me, [Entry("a", 1.0)], request_id="2") == 3
    assert n_rows(store, Changes) == REMEMBERED + 1


def test_remove_and_undo(store: Store) -> None:
    me = store.create_profile()
    store.put(me, [Entry("a", 1.0), Entry("b", 2.0), Entry("c", 3.0)], request_id="1")
    assert store.remove(me, ["a", "c", "x"], request_id="2") == 2
    assert held(store, me) == {"b": 2.0}
    assert store.undo(me, request_id="3") == 3
    assert held(store, me) == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert store.undo(me, request_id="4") == 4
    assert held(store, me) == {}
    assert store.undo(me, request_id="5") == 5
    assert held(store, me) == {}


def test_what_changes_nothing_is_no_step_to_undo(store: Store) -> None:
    me = store.create_profile()
    store.put(me, [Entry("a", 1.0)], request_id="1")
    store.put(me, [Entry("a", 1.0)], request_id="2")
    store.remove(me, ["x"], request_id="3")
    store.undo(me, request_id="4")
    assert held(store, me) == {}


def test_undo_reaches_back_a_bounded_number_of_steps_and_keeps_no_more(store: Store) -> None:
    me = store.create_profile()
    for number in range(STEPS + 5):
        store.put(me, [Entry("a", float(number))], request_id=str(number))
    assert n_rows(store, Entries) == STEPS + 1
    for number in range(STEPS):
        store.undo(me, request_id=f"back {number}")
    assert held(store, me) == {"a": 4.0}
    store.undo(me, request_id="too far")
    assert held(store, me) == {"a": 4.0}


def test_an_import_keeps_its_rows_and_replaces_the_one_before(store: Store) -> None:
    me = store.create_profile()
    store.put(me, [Entry("mine", 1.0)], request_id="0")
    assert store.import_rows(me, ROWS, BROUGHT, request_id="1") == 2
    assert store.rows(me) == list(ROWS)
    assert store.outcomes(me) == {"rated": 1, "unmatched": 2, "skipped": 1}
    assert held(store, me) == {"mine": 1.0, "10": 5.0}
    other = FileRow(1, "rejected", "stars 'many' are no number", "Emma", "Jane Austen")
    store.import_rows(me, [other], [], request_id="2")
    assert store.rows(me) == [other]
    store.undo(me, request_id="3")
    assert store.rows(me) == list(ROWS)
    store.undo(me, request_id="4")
    assert (store.rows(me), held(store, me)) == ([], {"mine": 1.0})


def test_the_same_file_again_is_no_step_to_undo(store: Store) -> None:
    me = store.create_profile()
    store.import_rows(me, ROWS, BROUGHT, request_id="1")
    store.import_rows(me, ROWS[::-1], BROUGHT, request_id="2")
    assert n_rows(store, FileRows) == len(ROWS)
    store.undo(me, request_id="3")
    assert store.rows(me) == []


def test_rows_come_in_pages(store: Store) -> None:
    me = store.create_profile()
    store.import_rows(me, ROWS, BROUGHT, request_id="1")
    assert store.rows(me, limit=2) == list(ROWS[:2])
    assert store.rows(me, after=3, limit=2) == list(ROWS[2:])
    assert store.rows(me, "unmatched") == list(ROWS[1:3])
    assert store.rows(me, "unmatched", after=3) == [ROWS[2]]
    assert store.rows(me, "rated", after=2) == []


def test_confirming_a_row_gives_the_book_its_stars(store: Store) -> None:
    me = store.create_profile()
    store.import_rows(me, ROWS, BROUGHT, request_id="1")
    store.confirm(me, 3, "11", request_id="2")
    assert store.rows(me)[1] == FileRow(3, "rated", "as you said", "Düne – 二", "Frank Herbert", "11", 4.0, "read")
    assert store.shelf(me).entries[1] == Entry("11", 4.0, "read", "import")
    store.confirm(me, 5, "12", request_id="3")
    assert store.outcomes(me) == {"rated": 2, "to-read": 1, "skipped": 1}
    assert store.shelf(me).entries[2] == Entry("12", None, "to-read", "import")
    store.undo(me, request_id="4")
    assert store.rows(me, "unmatched") == [ROWS[2]]
    assert held(store, me) == {"10": 5.0, "11": 4.0}


@pytest.mark.parametrize("line", [1, 2, 8])
def test_only_a_row_without_its_book_is_confirmed(store: Store, line: int) -> None:
    me = store.create_profile()
    store.import_rows(me, ROWS, BROUGHT, request_id="1")
    with pytest.raises(DataError, match=f"line {line} is no row that waits"):
        store.confirm(me, line, "11", request_id="2")
    assert store.version(me) == 1
    assert store.confirm(me, 3, "11", request_id="2") == 2


def test_many_at_once(store: Store) -> None:
    me = store.create_profile()
    rows = [FileRow(line, "rated", "", f"Title {line}", "", str(line), 3.0) for line in range(1, 3001)]
    many = [Entry(str(line), 3.0, "read", "import") for line in range(1, 3001)]
    store.import_rows(me, rows, many, request_id="1")
    store.put(me, [Entry(str(line), 4.0) for line in range(1, 3001, 2)], request_id="2")
    assert sum(held(store, me).values()) == 1500 * 3.0 + 1500 * 4.0  # type: ignore[arg-type]
    store.remove(me, [str(line) for line in range(1, 3000)], request_id="3")
    assert held(store, me) == {"3000": 3.0}
    store.undo(me, request_id="4")
    store.undo(me, request_id="5")
    assert store.shelf(me) == Shelf(5, tuple(sorted(many, key=lambda one: one.book_id)))


VERBS: dict[str, Callable[[Store, str], object]] = {
    "shelf": Store.shelf,
    "version": Store.version,
    "rows": Store.rows,
    "outcomes": Store.outcomes,
    "put": lambda store, profile: store.put(profile, [Entry("a")], request_id="1"),
    "remove": lambda store, profile: store.remove(profile, ["a"], request_id="1"),
    "undo": lambda store, profile: store.undo(profile, request_id="1"),
    "import_rows": lambda store, profile: store.import_rows(profile, ROWS, BROUGHT, request_id="1"),
    "confirm": lambda store, profile: store.confirm(profile, 3, "a", request_id="1"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_profile_is_unknown_to_every_verb(store: Store, verb: str) -> None:
    me = store.create_profile()
    for profile in (NOBODY, me.upper(), me[:-1], f"{me}\n", f"{me}\0", "", "'; --", "\ud800" * 32, "٣" * 32):
        if profile != me:
            with pytest.raises(UnknownProfileError, match="start anew"):
                VERBS[verb](store, profile)
    assert store.delete(me)
    with pytest.raises(UnknownProfileError):
        VERBS[verb](store, me)


def test_delete_takes_everything_of_one_and_nothing_of_another(store: Store) -> None:
    me, you = store.create_profile(), store.create_profile()
    for one in (me, you):
        store.import_rows(one, ROWS, BROUGHT, request_id="1")
        store.put(one, [Entry("10", 1.0)], request_id="2")
    before = [n_rows(store, table) for table in (Changes, Entries, FileRows)]
    assert store.delete(me) is True
    assert store.delete(me) is False
    assert store.delete("no id") is False
    assert [2 * n_rows(store, table) for table in (Changes, Entries, FileRows)] == before
    store.undo(you, request_id="3")
    assert held(store, you) == {"10": 5.0}


def test_profiles_expire_that_nobody_has_used(url: str) -> None:
    store = open_store(url)
    day = [date(2026, 1, 1)]
    store.today = lambda: day[0]
    uses: dict[str, Callable[[str], object]] = {
        "nothing": str,
        "shelf": store.shelf,
        "version": store.version,
        "put": lambda me: store.put(me, [Entry("a")], request_id="1"),
    }
    profiles = {name: store.create_profile() for name in uses}
    day[0] = date(2026, 2, 1)
    for name, profile in profiles.items():
        uses[name](profile)
    assert store.expire(date(2026, 1, 1)) == 0
    assert store.expire(date(2026, 2, 1)) == 1
    with pytest.raises(UnknownProfileError):
        store.version(profiles["nothing"])
    assert [store.version(profiles[name]) for name in ("shelf", "version", "put")] == [0, 0, 1]
    assert store.expire(date(2026, 2, 2)) == 3
    store.close()


def test_a_limit_lets_a_burst_through_and_then_one_at_a_time(store: Store) -> None:
    limit = Limit(burst=3, seconds=30.0)

    def asked(key: str, *times: float) -> list[bool]:
        return [store.allow(key, limit, now) for now in times]

    assert asked("a", 1000, 1000, 1000, 1000, 1009) == [True, True, True, False, False]
    assert asked("b", 1009) == [True]
    assert asked("a", 1010, 1010, 1019, 1020) == [True, False, False, True]
    assert asked("a", 1200, 1200, 1200, 1200) == [True, True, True, False]
    assert asked("a", 1100) == [False]


def test_limits_are_shared_by_workers_and_swept_away(url: str) -> None:
    ours, theirs = open_store(url), open_store(url)
    limit = Limit(burst=2, seconds=10.0)
    assert [one.allow("k", limit, 5000.0) for one in (ours, theirs, ours, theirs)] == [True, True, False, False]
    for number in range(20):
        ours.allow(f"k{number}", limit, 5001.0)
    assert n_rows(ours, Buckets) == 21
    ours.allow("k", limit, 5100.0)
    assert n_rows(ours, Buckets) == 1
    ours.close()
    theirs.close()


BAD: dict[str, Callable[[], Any]] = {
    "a NUL in a book id": lambda: Entry("a\0b"),
    "half a pair in a book id": lambda: Entry("a\ud800"),
    "no book id": lambda: Entry(""),
    "a long book id": lambda: Entry("x" * 201),
    "NaN": lambda: Entry("a", float("nan")),
    "infinity": lambda: Entry("a", float("inf")),
    "a state": lambda: Entry("a", state="eaten"),  # type: ignore[arg-type]
    "a source": lambda: Entry("a", source="rumour"),  # type: ignore[arg-type]
    "a NUL in a title": lambda: FileRow(1, "rated", title="a\0"),
    "half a pair in an author": lambda: FileRow(1, "rated", author="\udfff"),
    "half a pair in a reason": lambda: FileRow(1, "rated", "\udc80"),
    "stars of a row": lambda: FileRow(1, "rated", stars=float("-inf")),
    "line 0": lambda: FileRow(0, "rated"),
    "a huge line": lambda: FileRow(2**31, "rated"),
    "a state of a row": lambda: FileRow(1, "rated", state="not-for-me"),  # type: ignore[arg-type]
    "no burst": lambda: Limit(0, 1.0),
    "no time": lambda: Limit(1, 0.0),
}


@pytest.mark.parametrize("what", BAD)
def test_what_no_database_can_keep_is_refused_in_a_sentence(what: str) -> None:
    with pytest.raises(DataError) as refused:
        BAD[what]()
    assert ";" in str(refused.value) or "characters" in str(refused.value)
    str(refused.value).encode()


def test_bad_arguments_change_nothing(store: Store) -> None:
    me = store.create_profile()
    store.import_rows(me, ROWS, BROUGHT, request_id="1")
    attempts: Iterable[Callable[[], object]] = (
        lambda: store.put(me, [Entry("a")], request_id=""),
        lambda: store.put(me, [Entry("a")], request_id="\0"),
        lambda: store.remove(me, ["10", "\ud800"], request_id="2"),
        lambda: store.confirm(me, 3, "", request_id="2"),
        lambda: store.confirm(me, 2**70, "a", request_id="2"),
        lambda: store.import_rows(me, [ROWS[0], ROWS[0]], [Entry("a")], request_id="2"),
        lambda: store.rows(me, "\0"),
        lambda: store.allow("\0", Limit(1, 1.0), 0.0),
    )
    for attempt in attempts:
        with pytest.raises(DataError):
            attempt()
    assert store.rows(me, after=2**70) == []
    assert store.rows(me, after=-(2**70), limit=2**70) == list(ROWS)
    assert store.rows(me, limit=-1) == []
    assert (store.version(me), held(store, me)) == (1, {"10": 5.0})


def test_odd_text_comes_back_as_it_went_in(store: Store) -> None:
    me = store.create_profile()
    for number, text in enumerate(
        ["'; DROP TABLE profiles; --", "\u00e9", "e\u0301", "\U0001d504 \u202e", " a ", "A", "a", "%_\\", "\x01\n"]
    ):
        store.put(me, [Entry(text, float(number))], request_id=text)
        assert held(store, me)[text] == number
    assert len(held(store, me)) == 9
