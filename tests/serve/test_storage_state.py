"""Three people do anything in any order: each sees their own shelf alone, and undo is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from shelfaware.errors import DataError, UnknownProfileError
from shelfaware.serve.storage import Entry, FileRow, Store, open_store
from shelfaware.serve.storage.change import STEPS
from shelfaware.serve.storage.records import STATES

BOOKS = st.sampled_from(["1", "2", "10", "é", "b"])
STARS = st.none() | st.sampled_from([0.5, 3.0, 5.0])
ENTRIES = st.lists(st.builds(Entry, BOOKS, STARS, st.sampled_from(STATES)), max_size=4)
FOUND = st.builds(FileRow, st.integers(1, 5), st.just("rated"), book_id=BOOKS, stars=st.just(2.0))
UNMATCHED = st.builds(FileRow, st.integers(1, 5), st.just("unmatched"), title=st.sampled_from("AB"), stars=STARS)
FILES = st.lists(FOUND | UNMATCHED, max_size=4, unique_by=lambda row: row.line)
PEOPLE = st.integers(0, 2)

Held = tuple[dict[str, Entry], dict[int, FileRow]]


@dataclass
class Person:
    """What a profile should hold, and every state before that undo can bring back."""

    profile: str
    entries: dict[str, Entry] = field(default_factory=dict)
    rows: dict[int, FileRow] = field(default_factory=dict)
    before: list[Held] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    version: int = 0

    def becomes(self, entries: dict[str, Entry], rows: dict[int, FileRow]) -> None:
        if (entries, rows) != (self.entries, self.rows):
            self.before = [*self.before, (self.entries, self.rows)][-STEPS:]
            self.entries, self.rows = entries, rows


class ThreePeople(RuleBasedStateMachine):
    """Every rule asks the storage and the plain dictionaries for the same thing."""

    open: Callable[[], Store]

    @initialize()
    def start(self) -> None:
        self.store = self.open()
        self.people = [Person(self.store.create_profile()) for _ in range(3)]
        self.n_requests = 0

    def teardown(self) -> None:
        self.store.close()

    def ask(self, who: int, verb: Callable[..., int], *arguments: Any) -> Person:
        person, self.n_requests = self.people[who], self.n_requests + 1
        request_id = f"request {self.n_requests}"
        version = verb(person.profile, *arguments, request_id=request_id)
        assert version == person.version + 1
        person.version = person.made[request_id] = version
        return person

    @rule(who=PEOPLE, entries=ENTRIES)
    def put(self, who: int, entries: list[Entry]) -> None:
        person = self.ask(who, self.store.put, entries)
        person.becomes(person.entries | {one.book_id: one for one in entries}, person.rows)

    @rule(who=PEOPLE, books=st.sets(BOOKS))
    def remove(self, who: int, books: set[str]) -> None:
        person = self.ask(who, self.store.remove, books)
        person.becomes({book: one for book, one in person.entries.items() if book not in books}, person.rows)

    @rule(who=PEOPLE, rows=FILES, entries=ENTRIES)
    def import_rows(self, who: int, rows: list[FileRow], entries: list[Entry]) -> None:
        person = self.ask(who, self.store.import_rows, rows, entries)
        person.becomes(person.entries | {one.book_id: one for one in entries}, {row.line: row for row in rows})

    @rule(who=PEOPLE, line=st.integers(1, 5), book=BOOKS)
    def confirm(self, who: int, line: int, book: str) -> None:
        person = self.people[who]
        row = person.rows.get(line)
        if row is None or row.outcome != "unmatched":
            with pytest.raises(DataError):
                self.store.confirm(person.profile, line, book, request_id="refused")
            return
        self.ask(who, self.store.confirm, line, book)
        outcome = "read" if row.stars is None else "rated"
        matched = replace(row, outcome=outcome, reason="as you said", book_id=book)
        person.becomes(
            person.entries | {book: Entry(book, row.stars, "read", "import")},
            person.rows | {line: matched},
        )

    @rule(who=PEOPLE)
    def undo(self, who: int) -> None:
        person = self.ask(who, self.store.undo)
        if person.before:
            person.entries, person.rows = person.before.pop()

    @rule(who=PEOPLE, back=st.integers(1, 20))
    def repeat(self, who: int, back: int) -> None:
        person = self.people[who]
        for request_id, version in list(person.made.items())[-back:][:1]:
            assert self.store.put(person.profile, [Entry("10", 1.0)], request_id=request_id) == version
            assert self.store.undo(person.profile, request_id=request_id) == version

    @precondition(lambda self: self.n_requests % 10 == 9)
    @rule(who=PEOPLE)
    def leave(self, who: int) -> None:
        gone = self.people[who].profile
        assert self.store.delete(gone)
        with pytest.raises(UnknownProfileError):
            self.store.undo(gone, request_id="late")
        self.people[who] = Person(self.store.create_profile())

    @invariant()
    def everybody_sees_their_own(self) -> None:
        for person in getattr(self, "people", []):
            shelf = self.store.shelf(person.profile)
            assert shelf.version == person.version
            assert {one.book_id: one for one in shelf.entries} == person.entries
            assert len(shelf.entries) == len(person.entries)
            assert {row.line: row for row in self.store.rows(person.profile)} == person.rows


def machine(new_url: Callable[[], str]) -> type[ThreePeople]:
    class Here(ThreePeople):
        open = staticmethod(lambda: open_store(new_url()))

    return Here


def run(new_url: Callable[[], str], steps: int, examples: int) -> None:
    chosen = settings(stateful_step_count=steps, max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine(new_url), settings=chosen)  # type: ignore[no-untyped-call]


def test_nobody_sees_anothers_data(new_url: Callable[[], str]) -> None:
    run(new_url, steps=100, examples=3)


@pytest.mark.slow
def test_nobody_sees_anothers_data_in_500_steps(new_url: Callable[[], str]) -> None:
    run(new_url, steps=500, examples=20)
