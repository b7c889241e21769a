"""Three people take random steps beside each other: nobody ever sees what another has, and what was deleted stays away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test
from starlette.testclient import TestClient

PEOPLE = 3
BOOKS = 12
"""Of the catalogue; each person has books, stars and titles that no other one has."""


class People(RuleBasedStateMachine):
    """What each person should have is kept beside, and all that they are told is held against it."""

    clients: list[TestClient]
    books: list[str]
    people = Bundle("people")

    def __init__(self) -> None:
        super().__init__()
        self.numbers = iter(range(PEOPLE * 1000))
        self.shelves: dict[str, dict[str, float]] = {}
        self.past: dict[str, list[dict[str, float]]] = {}
        self.titles: dict[str, str] = {}
        self.owner: dict[str, int] = {}
        self.gone: list[str] = []

    @rule(target=people)
    def arrive(self) -> str:
        number = next(self.numbers)
        profile = self.clients[number % PEOPLE].post("/v1/profiles")
        assert profile.status_code in (201, 429)
        if profile.status_code == 429:
            return ""
        me: str = profile.json()["profile"]
        assert me not in self.shelves
        self.owner[me], self.shelves[me], self.past[me], self.titles[me] = number, {}, [], ""
        return me

    @rule(me=people, book=st.integers(0, BOOKS - 1))
    def rate(self, me: str, book: int) -> None:
        if me:
            self.step(me, self.shelves[me] | {self.books[book]: self.stars(me)})
            answer = self.ask("PUT", me, f"/books/{self.books[book]}", json={"stars": self.stars(me)})
            assert answer.status_code == 200

    @rule(me=people, book=st.integers(0, BOOKS - 1))
    def take_off(self, me: str, book: int) -> None:
        if me:
            self.step(me, {one: stars for one, stars in self.shelves[me].items() if one != self.books[book]})
            assert self.ask("DELETE", me, f"/books/{self.books[book]}").status_code == 200

    @rule(me=people)
    def take_back(self, me: str) -> None:
        """Only what was rated or taken off: a file is not taken back here."""
        if me and self.past[me]:
            self.shelves[me] = self.past[me].pop()
            assert self.ask("POST", me, "/undo").status_code == 200

    @rule(me=people)
    def bring(self, me: str) -> None:
        if not me:
            return
        title = f"Secret of {self.owner[me]:04}"
        raw = f"title,author,rating\n{title},Nobody Anywhere,3\n".encode()
        if self.ask("POST", me, "/library", files={"file": ("a.csv", raw)}).status_code == 201:
            self.titles[me] = title
            self.past[me] = []

    @rule(me=people)
    def look(self, me: str) -> None:
        if not me:
            return
        shelf = self.ask("GET", me, "").json()
        assert {one["book_id"]: one["stars"] for one in shelf["books"]} == self.shelves[me]
        rows = self.ask("GET", me, "/library").json()["rows"]
        assert [row["title"] for row in rows] == ([self.titles[me]] if self.titles[me] else [])
        for path in ("/recommendations?n=2", "/export", "/questions", "/map", f"/books/{self.books[0]}"):
            self.ask("GET", me, path)
        shares = self.ask("GET", me, "/recommendations?n=1").json()["recommendations"][0]["why"]["books"]
        assert {str(one["book_id"]): one["stars"] for one in shares} == self.shelves[me]

    @rule(me=consumes(people))
    def leave(self, me: str) -> None:
        if me:
            assert self.ask("DELETE", me, "").status_code == 204
            self.gone.append(me)
            del self.shelves[me]

    @rule()
    def nobody_is_there(self) -> None:
        for one in (*self.gone[-3:], "0" * 32):
            for path in ("", "/recommendations", "/library", "/export", "/map"):
                answer = self.clients[0].get(f"/v1/profiles/{one}{path}")
                assert answer.status_code == 404
                assert not self.foreign("", answer.text)
            assert self.clients[0].post(f"/v1/profiles/{one}/undo").status_code == 404

    def stars(self, me: str) -> float:
        """A number between 1 and 5 that is this person's alone."""
        return round(1.5 + self.owner[me] / 1000, 4) + 0.0001

    def step(self, me: str, shelf: dict[str, float]) -> None:
        if shelf != self.shelves[me]:
            self.past[me] = [*self.past[me][-49:], self.shelves[me]]
            self.shelves[me] = shelf

    def ask(self, method: str, me: str, path: str, **more: Any) -> Any:
        """Every answer is searched for what belongs to somebody else."""
        answer = self.clients[self.owner[me] % PEOPLE].request(method, f"/v1/profiles/{me}{path}", **more)
        assert answer.status_code < 500
        assert not self.foreign(me, answer.text)
        return answer

    def foreign(self, me: str, text: str) -> list[str]:
        """What an answer holds of anybody but this person."""
        others = [one for one in self.owner if one != me]
        marks = [*others, *(f"Secret of {self.owner[one]:04}" for one in others), *(f":{self.stars(one):g}," for one in others)]
        return [mark for mark in marks if mark in text]


def walk(app: FastAPI, new_client: Callable[[], TestClient], walks: int, steps: int) -> None:
    People.clients = [new_client() for _ in range(PEOPLE)]
    People.books = [str(one) for one in app.state.desk.engine.current.model.catalogue.ids.ids[:BOOKS]]
    chosen = settings(
        max_examples=walks, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(People, settings=chosen)


def test_three_people_never_meet(app: FastAPI, new_client: Callable[[], TestClient]) -> None:
    walk(app, new_client, walks=3, steps=25)


@pytest.mark.slow
def test_three_people_never_meet_in_500_steps(app: FastAPI, new_client: Callable[[], TestClient]) -> None:
    walk(app, new_client, walks=3, steps=500)
