"""Many ask for the version of a shelf: the database is asked once for those who wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection

import pytest

from shelfaware.errors import StorageError, UnknownProfileError
from shelfaware.serve.versions import Versions


class Slow:
    """Answers when it is let; keeps what it was asked."""

    def __init__(self, **versions: int) -> None:
        self.versions_of, self.asked = versions, list[set[str]]()
        self.let = threading.Semaphore(0)

    def versions(self, profiles: Collection[str]) -> dict[str, int]:
        self.asked.append(set(profiles))
        self.let.acquire()
        if "broken" in profiles:
            raise StorageError("the database is busy")
        return {name: self.versions_of[name] for name in profiles if name in self.versions_of}


async def begun(store: Slow, n: int) -> None:
    """Returns when the store has been asked `n` times."""
    while len(store.asked) < n:
        await asyncio.sleep(0)


def test_who_waits_is_asked_for_together_and_never_answered_with_an_older_version() -> None:
    async def many() -> list[int]:
        store = Slow(a=1, b=7)
        versions = Versions(store)  # type: ignore[arg-type]
        first = asyncio.create_task(versions.of("a"))
        await begun(store, 1)
        store.versions_of["a"] = 2  # written while the first is under way: whoever asks from now on must see it
        later = [asyncio.create_task(versions.of(name)) for name in ("a", "b", "a", "b")]
        await asyncio.sleep(0)
        store.let.release()
        await begun(store, 2)
        store.let.release()
        assert store.asked == [{"a"}, {"a", "b"}]
        return [await first, *[await one for one in later]]

    assert asyncio.run(many())[1:] == [2, 7, 2, 7]


def test_an_unknown_shelf_is_the_trouble_of_who_asks_for_it_alone() -> None:
    async def both() -> list[int | BaseException]:
        store = Slow(a=1)
        versions = Versions(store)  # type: ignore[arg-type]
        store.let.release()
        return await asyncio.gather(versions.of("a"), versions.of("gone"), return_exceptions=True)

    known, gone = asyncio.run(both())
    assert known == 1
    assert isinstance(gone, UnknownProfileError)


def test_a_failure_ends_with_its_turn() -> None:
    async def twice() -> int:
        store = Slow(a=1)
        versions = Versions(store)  # type: ignore[arg-type]
        store.let.release(2)
        with pytest.raises(StorageError, match="busy"):
            await versions.of("broken")
        return await versions.of("a")

    assert asyncio.run(twice()) == 1


def test_who_leaves_takes_nobody_s_answer_with_them() -> None:
    async def left() -> int:
        store = Slow(a=1)
        versions = Versions(store)  # type: ignore[arg-type]
        leaving, staying = (asyncio.create_task(versions.of("a")) for _ in range(2))
        await begun(store, 1)
        leaving.cancel()
        await asyncio.sleep(0)
        store.let.release()
        return await staying

    assert asyncio.run(left()) == 1
