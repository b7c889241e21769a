"""What a model learns from, a part at a time: data in memory is one part, a dataset folder as many as it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shelfaware.data.books import Books
from shelfaware.data.interactions import Interactions
from shelfaware.data.parts import Parts
from shelfaware.models.kept_readers import KeptReaders
from shelfaware.models.readers import Readers


@dataclass(frozen=True, eq=False)
class Source:
    """`read(i)` gives part i of `n_parts`, whole users over all books; it can be gone through any number of times.

    identity   names the rows, whatever read them
    folder     where the disk holds what must be kept of all parts; None: memory does
    """

    read: Callable[[int], Interactions]
    n_parts: int
    books: Books
    identity: str
    folder: Path | None = None

    @classmethod
    def of(cls, data: Interactions) -> Source:
        return cls(lambda _: data, 1, data.books, data.fingerprint)

    @classmethod
    def of_parts(cls, parts: Parts, folder: Path, *, shelves: bool) -> Source:
        """`shelves`: whether rows without stars are read."""

        def read(i: int) -> Interactions:
            return parts.part(i) if shelves else parts.part(i).ratings()

        return cls(read, len(parts), parts.books, f"{parts.fingerprint} in {len(parts)} parts", folder)

    def __iter__(self) -> Iterator[Interactions]:
        return (self.read(i) for i in range(self.n_parts))

    @property
    def n_books(self) -> int:
        return len(self.books)

    def readers(self) -> Callable[[int], Readers]:
        """The readers of part i, decoded once: of one part all, and held in memory, of several those who have a row."""
        if self.n_parts > 1:
            return KeptReaders(self.read, self.folder)
        only = Readers.of(self.read(0))
        return lambda _: only
