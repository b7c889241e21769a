"""Files are read beside the service: whatever one does to its reader, others are answered, and the next file is read."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from shelfaware.errors import DataError
from shelfaware.serve import accounts
from shelfaware.serve.accounts import Account, Accountant
from shelfaware.serve.engine import Loaded

sys.path.insert(0, str(Path(__file__).parents[1] / "library"))
from hostile import HOSTILE

GOOD = b"title,author,rating\nZzzz Qqqq,Nobody,4\n"
LONG = GOOD + b"Zzzz Qqqq,Nobody,4\n" * 40_000
Started = Callable[[], Accountant]


@pytest.fixture
def start(app: FastAPI) -> Iterator[Started]:
    """Makes accountants for the books of the app's model."""
    made = []

    def start() -> Accountant:
        loaded: Loaded = app.state.desk.engine.current
        made.append(Accountant(loaded))
        return made[-1]

    yield start
    for accountant in made:
        accountant.close()


def run(work: Coroutine[Any, Any, Account]) -> Account:
    return asyncio.run(work)


def reader_of(accountant: Accountant) -> int:
    """The process that reads for it."""
    asyncio.run(accountant.read(GOOD))
    (worker,) = accountant._pool._pool_manager.worker_manager.workers
    return int(worker)


def said(accountant: Accountant, raw: bytes) -> str:
    """The sentence that refuses a file; "" for one that was read."""
    try:
        assert run(accountant.read(raw)).rows
    except DataError as error:
        return str(error)
    return ""


def check_hostile(accountant: Accountant, names: Iterable[str]) -> None:
    """Each is refused for what it is or read, within the bounds of time and memory, and by one process."""
    first = reader_of(accountant)
    for name in names:
        sentence = said(accountant, HOSTILE[name])
        assert "\n" not in sentence
        assert "memory" not in sentence, name
        assert "seconds" not in sentence, name
    assert reader_of(accountant) == first


def test_hostile_files_end_in_a_sentence_or_in_rows(start: Started) -> None:
    check_hostile(start(), ("open quotes", "a bomb", "everything is a quote"))


@pytest.mark.slow
def test_every_hostile_file_within_the_bounds(start: Started) -> None:
    check_hostile(start(), HOSTILE)


def test_a_file_that_takes_too_long(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    accountant = start()
    first = reader_of(accountant)
    monkeypatch.setattr(accounts, "SECONDS", 0.05)
    with pytest.raises(DataError, match=r"your file took more than 0\.05 seconds to read"):
        run(accountant.read(LONG))
    monkeypatch.undo()
    assert reader_of(accountant) != first


def test_a_reader_that_is_killed_in_the_middle(start: Started) -> None:
    accountant = start()
    first = reader_of(accountant)

    async def both() -> Account:
        reading = asyncio.create_task(accountant.read(HOSTILE["lines of one letter"]))
        await asyncio.sleep(0.1)
        os.kill(first, signal.SIGKILL)
        return await reading

    with pytest.raises(DataError, match="took more memory to read than a list of books may, or was interrupted"):
        run(both())
    assert run(accountant.read(GOOD)).rows[0].outcome == "unmatched"
    assert accountant._waiting == 0


def test_a_reader_that_is_killed_while_it_waits(start: Started) -> None:
    accountant = start()
    os.kill(reader_of(accountant), signal.SIGKILL)
    while accountant._pool.active:
        time.sleep(0.01)
    assert run(accountant.read(GOOD)).rows[0].outcome == "unmatched"


def test_a_reader_has_the_memory_that_it_needs_and_no_more(start: Started) -> None:
    accountant = start()
    status = Path(f"/proc/{reader_of(accountant)}/status").read_text()
    limit = Path(f"/proc/{reader_of(accountant)}/limits").read_text()
    assert f"Max address space         {accounts.MEMORY}" in limit
    peak = 1024 * int(status.partition("VmPeak:")[2].split()[0])
    assert peak < 0.75 * accounts.MEMORY


def test_memory_beyond_the_bound_is_a_sentence(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    accountant = start()
    with pytest.raises(DataError, match="took more memory"):
        run(accountant.read(Greedy()))  # type: ignore[arg-type]
    assert run(accountant.read(GOOD)).rows


class Greedy(bytes):
    """Takes more memory than there is where it arrives."""

    def __reduce__(self) -> Any:
        return greedy, ()


def greedy() -> bytes:
    return bytes(4 * 2**30)


def test_another_model_s_books_count_from_then_on(start: Started, app: FastAPI) -> None:
    accountant = start()
    loaded: Loaded = app.state.desk.engine.current
    raw = f"book_id,title,rating\n,{loaded.model.catalogue.title(0)},4\n".encode()
    assert run(accountant.read(raw)).known == 1
    former = accountant.follow(Loaded(_Renamed(loaded), "other", None))  # type: ignore[arg-type]
    former.join()
    assert run(accountant.read(raw)).known == 0


class _Renamed:
    """The same model, its books called otherwise."""

    def __init__(self, loaded: Loaded) -> None:
        from shelfaware.data.books import Books

        table = loaded.model.catalogue.table
        self.catalogue = Books(table.with_columns(title="Qqqq " + table["book_id"].cast(str)))
        self.scale = loaded.model.scale


def test_suggestions_that_take_too_long_are_none(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    accountant = start()
    assert asyncio.run(accountant.suggest([("the", "")] * 2)) is not None
    monkeypatch.setattr(accounts, "SECONDS", 0.01)
    assert asyncio.run(accountant.suggest([("the lord of", "x")] * 5000)) == [[]] * 5000


def test_others_are_answered_while_a_file_is_read(new_client: Callable[[], TestClient]) -> None:
    client, waits, stop = new_client(), [], threading.Event()
    me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"

    def ask() -> None:
        while not stop.wait(0.02):
            started = time.perf_counter()
            assert client.get("/healthz").status_code == 200
            waits.append(time.perf_counter() - started)

    asking = threading.Thread(target=ask)
    asking.start()
    started = time.perf_counter()
    answer = client.post(f"{me}/library", files={"file": ("a.csv", LONG[:100_000])})
    took = time.perf_counter() - started
    stop.set()
    asking.join()
    assert answer.status_code == 201, answer.text
    assert max(waits) < max(0.1, took / 3), (max(waits), took)
