"""Where the GP's batches come from: people read and packed a part at a time. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shelfaware.arrays import Indices, Positions
from shelfaware.models.readers import Readers
from shelfaware.seeding import generator
from shelfaware.training.packing import EMPTY, Packing

if TYPE_CHECKING:
    from shelfaware.models.gp import GP


Own = Callable[[int], Positions]
"""Which of so many blocks of a step this process needs, ascending."""


class Batch(NamedTuple):
    """Packed users. A book is named by its place among `rows`; -1 marks an empty place. In an epoch [steps, ...]."""

    rows: Any  # books, each once: all of the batch, and some of no rating where these are fewer [c]
    n_ratings: Any  # their ratings in the training data [c]
    n_shelved: Any  # their shelf rows in the training data [c]
    book: Any  # [blocks, n]
    stars: Any  # [blocks, n]
    owner: Any  # [blocks, n]
    shelf_book: Any  # on the shelves beside the books above, which are read [blocks, m]
    shelf_state: Any  # 0 read, 1 to-read [blocks, m]
    shelf_owner: Any  # [blocks, m]


class Steps(NamedTuple):
    """The steps of a part, in arrays as long as those of the part with the most steps: one shape compiles once."""

    n: int
    number: Any  # from 1 in the first epoch; i32 [steps]
    batch: Batch


@dataclass(frozen=True)
class Counts:
    """Rows of a part that books have and steps that it takes: what must be known of all parts before the first step."""

    ratings: Positions  # by book [n_books]
    shelved: Positions  # by book [n_books]
    blocks: int


class Batches:
    """The batches of every epoch, from parts: `read(i)` gives the readers of part i of `n_parts`, each user whole.

    An epoch goes through all parts that there is something to learn from, in an order of its own. Batches depend on the seed,
    the epoch and the part alone.
    Of the blocks of a step `own` chooses those that are laid out, where a step has every book whichever blocks it has.
    """

    def __init__(
        self, config: GP, n_books: int, read: Callable[[int], Readers], n_parts: int = 1, own: Own = np.arange
    ) -> None:
        self.config, self.n_books, self.read, self.n_parts = config, n_books, read, n_parts
        counts = [self._counts(i) for i in range(n_parts)]
        self.n_ratings, self.n_shelved = (
            np.sum([getattr(one, what) for one in counts], axis=0).astype(np.float32) for what in ("ratings", "shelved")
        )
        self.n_blocks = max(config.batch_size // config.block_size, 1)
        self.blocks = own(self.n_blocks) if self._every_book else np.arange(self.n_blocks)
        self.steps_of_part = [-(-one.blocks // self.n_blocks) for one in counts]

    @property
    def _every_book(self) -> bool:
        """Whether a step has so many places that all books are moved with it."""
        return self.n_books <= self.n_blocks * 2 * self.config.block_size // 8

    @property
    def n_steps(self) -> int:
        """Steps of an epoch."""
        return sum(self.steps_of_part)

    @property
    def legs(self) -> int:
        """Parts that there is something to learn from."""
        return int(np.count_nonzero(self.steps_of_part))

    def steps(self, epoch: int, leg: int) -> Steps:
        """Those of an epoch's part."""
        every = generator(self.config.seed, "order of parts", epoch).permutation(self.n_parts)
        order = [i for i in every if self.steps_of_part[i]]  # in a part without steps nobody rated two books
        part, before = int(order[leg]), sum(self.steps_of_part[i] for i in order[:leg])
        readers, n_steps = self.read(part), self.steps_of_part[part]
        number = np.arange(1, n_steps + 1, dtype=np.int32) + epoch * self.n_steps + before
        batch = self._batch(readers, self._packing(readers, part), epoch, n_steps)
        longer = max(self.steps_of_part) - n_steps
        numbers, *fields = (np.pad(x, [(0, longer)] + [(0, 0)] * (x.ndim - 1)) if longer else x for x in (number, *batch))
        return Steps(n_steps, numbers, Batch(*fields))

    def _counts(self, part: int) -> Counts:
        readers = self.read(part)
        ratings, shelved = (
            np.bincount(books, minlength=self.n_books) for books in (readers.book_index[readers.rated], readers.book_index)
        )
        return Counts(ratings, shelved, self._packing(readers, part).n_blocks)

    def _packing(self, readers: Readers, part: int) -> Packing:
        seed = self.config.seed if part == 0 else int(generator(self.config.seed, "part", part).integers(2**62))
        places = (self.config.block_size, self.config.block_size)
        return Packing(readers.owner, readers.rated, places, seed)

    def _batch(self, readers: Readers, packing: Packing, epoch: int, n_steps: int) -> Batch:
        wanted = (np.arange(n_steps)[:, None] * self.n_blocks + self.blocks).ravel()
        ratings, shelves = packing.epoch(epoch, n_steps * self.n_blocks, wanted)
        book, shelf_book = (
            np.where(blocks.row == EMPTY, EMPTY, readers.book_index[blocks.row]) for blocks in (ratings, shelves)
        )
        shape = (n_steps, len(self.blocks), self.config.block_size)
        by_step = [x.reshape(shape).astype(np.int32) for x in (book, shelf_book)]
        rows, (place, shelf_place) = (
            (_every(self.n_books, n_steps), by_step) if self._every_book else books_of_steps(by_step, self.n_books)
        )
        return Batch(
            rows,
            self.n_ratings[rows],
            self.n_shelved[rows],
            place,
            np.where(ratings.row == EMPTY, 0.0, readers.stars[ratings.row]).astype(np.float32).reshape(shape),
            ratings.owner.reshape(shape),
            shelf_place,
            np.where(shelves.row == EMPTY, 0, readers.shelf[shelves.row]).reshape(shape),
            np.where(shelves.owner == EMPTY, -2, shelves.owner).reshape(shape),
        )


def books_of_steps(places: Sequence[Indices], n_books: int) -> tuple[Indices, Sequence[Indices]]:
    """The books of each step, each once [steps, c], and `places` [steps, blocks, n] of books as places among them.

    Where a step has fewer than c, others fill up: without a gradient they move as they would have when next needed. Where c is
    near the number of all books, these are the books of every step, in their order.
    """
    n_steps, size = len(places[0]), sum(x[0].size for x in places)
    place_of = np.empty(n_books + 1, np.int32)  # the last is that of an empty place
    found = [_each_once(np.concatenate([x[i].ravel() for x in places]), place_of) for i in range(n_steps)]
    grain = -(-size // 32)  # few shapes are compiled
    width = -(-max(map(len, found), default=0) // grain) * grain
    if 1.25 * width >= n_books:
        return _every(n_books, n_steps), places
    rows, moved = np.empty((n_steps, width), np.int32), [np.empty_like(x) for x in places]
    for i, books in enumerate(found):
        rows[i] = _filled_up(books, width)
        place_of[books], place_of[EMPTY] = np.arange(len(books)), EMPTY
        for x, new in zip(places, moved, strict=True):
            new[i] = place_of[x[i]]
    return rows, moved


def _every(n_books: int, n_steps: int) -> Indices:
    return np.tile(np.arange(n_books, dtype=np.int32), (n_steps, 1))


def _each_once(books: Indices, place_of: Indices) -> Indices:
    """Each of `books` once, without empty places; `place_of` is room to work in."""
    counted = np.arange(len(books), dtype=np.int32)
    place_of[books] = counted
    once: Indices = books[(place_of[books] == counted) & (books != EMPTY)]
    return once


def _filled_up(books: Indices, width: int) -> Indices:
    """`books`, and the first of the others, together `width`."""
    taken = np.zeros(width, bool)
    taken[books[books < width]] = True
    return np.concatenate([books, np.flatnonzero(~taken)[: width - len(books)].astype(np.int32)])
