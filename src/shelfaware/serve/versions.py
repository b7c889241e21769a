"""The versions of shelves, asked of the database for all who wait at a moment at once."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool

from shelfaware.serve.storage.store import Store, unknown_profile


class Versions:
    """Used in the event loop's thread alone. Many answers at once then wait for one thread in turn and not for one each.

    A version is never older than the question: who asks while the database is being asked is of the next turn.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._asking = store, asyncio.Lock()
        self._profiles = set[str]()
        self._turn: asyncio.Task[dict[str, int]] | None = None

    async def of(self, profile: str) -> int:
        """Raises UnknownProfileError and StorageError."""
        self._profiles.add(profile)
        self._turn = self._turn or asyncio.create_task(self._ask())
        found = await asyncio.shield(self._turn)  # who leaves takes nobody's answer with them
        if profile not in found:
            raise unknown_profile()
        return found[profile]

    async def _ask(self) -> dict[str, int]:
        async with self._asking:
            profiles, self._profiles, self._turn = self._profiles, set(), None
            return await run_in_threadpool(self._store.versions, profiles)
