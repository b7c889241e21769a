"""What one can ask of the service: the model and the storage brought together. API and pages both stand on this."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from starlette.concurrency import run_in_threadpool

from shelfaware.arrays import Positions
from shelfaware.data.interactions import READ, TO_READ
from shelfaware.errors import DataError, UnknownIdError
from shelfaware.models.readers import Readers
from shelfaware.recommending.answer import answers, rank_to_read, recommend, would_dislike
from shelfaware.recommending.questions import next_question
from shelfaware.recommending.recommendations import Recommendation, Recommendations
from shelfaware.recommending.strangers import Person
from shelfaware.recommending.taste import BookMap, Taste, book_map, taste
from shelfaware.recommending.wishes import Wishes
from shelfaware.serve.accounts import Account, Accountant
from shelfaware.serve.engine import Engine, Loaded
from shelfaware.serve.storage.records import Entry, FileRow, Shelf
from shelfaware.serve.storage.store import Store
from shelfaware.serve.versions import Versions

Question = Literal["next", "to-read", "dislike"]

TOLD = {"read": READ, "to-read": TO_READ}
"""States that the model is told of; stars always are."""
NOT_HAD = "not-read"
"""The answer "haven't read it": neither had nor put away."""

CACHED = 256
"""Answers that a worker keeps, each of one shelf, one model and one question: of 25 kB, and of 250 kB for the longest."""
MOST = 100
"""Books of one answer."""


class Asked(NamedTuple):
    """One question of one person; equal questions have equal answers as long as shelf and model are the same."""

    question: Question
    n: int
    wishes: Wishes


@dataclass(frozen=True)
class Theirs:
    """A shelf as a model sees it. Books that the model does not have are left out."""

    loaded: Loaded
    shelf: Shelf
    person: Person
    asked: tuple[int, ...]

    @classmethod
    def of(cls, loaded: Loaded, shelf: Shelf) -> Theirs:
        model = loaded.model
        known = [(loaded.places[entry.book_id], entry) for entry in shelf.entries if entry.book_id in loaded.places]
        told = [(i, one) for i, one in known if one.stars is not None or one.state in TOLD]
        besides = [i for i, one in known if one.stars is None and one.state not in (*TOLD, NOT_HAD)]
        stars = [
            np.nan if one.stars is None else float(np.clip(one.stars, model.scale.min, model.scale.max)) for _, one in told
        ]
        shelves = [READ if one.stars is not None else TOLD[one.state] for _, one in told]
        books = np.array([i for i, _ in told], np.int32)
        reader = Readers.one(books, np.array(stars, np.float64), np.array(shelves, np.int8))
        asked = tuple(i for i, one in known if one.state == NOT_HAD)
        return cls(loaded, shelf, Person(reader, np.array(besides, np.int64)), asked)


class Desk:
    """Safe to share among the threads of a worker."""

    def __init__(self, engine: Engine, store: Store, accountant: Accountant) -> None:
        self.engine, self.store, self.accountant = engine, store, accountant
        self._versions = Versions(store)
        self._answer = lru_cache(CACHED)(self._begun)

    def refresh(self) -> bool:
        """Takes up a new model, if there is one; the answers of the former, and so that itself, are let go."""
        taken_up = self.engine.refresh()
        if taken_up:
            self._answer.cache_clear()
        return taken_up

    def theirs(self, profile: str) -> Theirs:
        """A person's shelf beside the present model."""
        return Theirs.of(self.engine.current, self.store.shelf(profile))

    async def recommendations(self, profile: str, asked: Asked) -> bytes:
        """The answer as JSON, from memory where the same was asked of the same shelf and model; worked out once for many."""
        answer = self._answer(profile, await self._versions.of(profile), self.engine.current, asked)
        try:
            return await asyncio.shield(answer)
        except Exception:
            self._answer.cache_clear()  # no failure is kept
            raise

    def _begun(self, profile: str, version: int, loaded: Loaded, asked: Asked) -> asyncio.Task[bytes]:
        return asyncio.create_task(run_in_threadpool(self._answer_anew, profile, loaded, asked))

    def _answer_anew(self, profile: str, loaded: Loaded, asked: Asked) -> bytes:
        shelf = self.store.shelf(profile)
        return as_json(loaded, self.answer(Theirs.of(loaded, shelf), asked), shelf_version=shelf.version)

    def answer(self, theirs: Theirs, asked: Asked) -> Recommendations:
        """The books that a person asked for."""
        model, n = theirs.loaded.model, min(asked.n, MOST)
        if asked.question == "to-read":
            return rank_to_read(model, theirs.person, asked.wishes)[:n]
        if asked.question == "dislike":
            return would_dislike(model, theirs.person, n, asked.wishes)
        return recommend(model, theirs.person, n, asked.wishes)

    def index_of(self, loaded: Loaded, book_id: str) -> int:
        """Raises UnknownIdError."""
        index = loaded.places.get(book_id)
        if index is None:
            raise UnknownIdError(f"no book has the id {book_id[:40]!r} here")
        return index

    def book(self, theirs: Theirs, index: int) -> Recommendation:
        """One book as it would be recommended, with every reason."""
        model = theirs.loaded.model
        asked = np.array([index], np.int64)
        return answers(model, theirs.person.reader, asked, np.zeros(len(model.catalogue)), reasons=None)[0]

    def similar(self, loaded: Loaded, index: int, n: int) -> list[tuple[int, float]]:
        """Books alike with their cosine."""
        books = loaded.model.catalogue
        found = loaded.model.similar_books(books.ids.id_of(index), n)
        return [(books.index_of(book_id), cosine) for book_id, cosine in found]

    def questions(self, theirs: Theirs, n: int) -> Positions:
        """Books to ask about next."""
        return next_question(theirs.loaded.model, theirs.person, theirs.asked, n)

    def taste(self, theirs: Theirs, n: int = 5) -> Taste:
        return taste(theirs.loaded.model, theirs.person, n)

    def book_map(self, theirs: Theirs, n: int = 600) -> BookMap:
        return book_map(theirs.loaded.model, theirs.person, n)

    async def bring(self, profile: str, raw: bytes, request_id: str) -> Account:
        """Reads a file and puts what it says on a person's shelf."""
        account = await self.read(raw)
        await run_in_threadpool(self.keep, profile, account, request_id)
        return account

    async def read(self, raw: bytes) -> Account:
        """What a file says, kept nowhere yet. Raises DataError for one that cannot be read."""
        return await self.accountant.read(raw)

    def keep(self, profile: str, account: Account, request_id: str) -> int:
        """Puts what a file says on a person's shelf, with what became of its rows."""
        return self.store.import_rows(profile, account.rows, account.entries, request_id=request_id)

    async def with_suggestions(self, loaded: Loaded, rows: Sequence[FileRow]) -> list[tuple[FileRow, list[int]]]:
        """Each row with the books that it may mean, if it is unmatched."""
        unmatched = [row for row in rows if row.outcome == "unmatched"]
        if not unmatched:
            return [(row, []) for row in rows]
        names = [(row.title, row.author) for row in unmatched]
        found = await self.accountant.suggest(names)
        places = [[loaded.places[book_id] for book_id in ids if book_id in loaded.places] for ids in found]
        meant = {row.line: books for row, books in zip(unmatched, places, strict=True)}
        return [(row, meant.get(row.line, [])) for row in rows]

    def put(self, profile: str, entries: Sequence[Entry], request_id: str) -> int:
        """Raises what `check` raises."""
        self.check(self.engine.current, entries)
        return self.store.put(profile, entries, request_id=request_id)

    def check(self, loaded: Loaded, entries: Iterable[Entry]) -> None:
        """Raises DataError for stars off the scale and UnknownIdError for a book that is not here."""
        scale = loaded.model.scale
        for entry in entries:
            self.index_of(loaded, entry.book_id)
            if entry.stars is not None and not scale.min <= entry.stars <= scale.max:
                raise DataError(f"{entry.stars:g} stars are not on the scale {scale.min:g} to {scale.max:g}")


def as_json(loaded: Loaded, books: Recommendations, **more: Any) -> bytes:
    """An answer names its model."""
    about = {"model_version": loaded.version, "simulated": loaded.model.simulated, **more}
    return json.dumps({**about, "recommendations": books.to_json()}, ensure_ascii=False, allow_nan=False).encode()


def facts(loaded: Loaded, index: int) -> dict[str, Any]:
    """What is known of a book, as plain JSON."""
    row = loaded.model.catalogue.table.row(index, named=True)
    counts = loaded.model.arrays["star_counts"][index].tolist()
    stars = {f"{value:g}": count for value, count in zip(loaded.model.scale.values, counts, strict=True)}
    return {**row, "n_ratings": sum(counts), "stars": stars}


def taste_json(found: Taste) -> dict[str, Any]:
    return {**asdict(found), "harshness": found.harshness}
