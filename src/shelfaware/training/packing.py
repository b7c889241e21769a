"""Whole users packed into blocks of one shape, so that a step compiles once whoever is in it.

A block has places for rated rows and, beside them, places for the other rows of its users: what they took up without a
rating. Users share a block and a mask keeps them apart. A user with more ratings than places gives a random part of them,
another one each epoch, and the rest of them counts as other rows; of other rows there are as many as there is room for.

Since a size is a small number, blocks are filled by how many users have it: a block begins with the largest size that is
left and goes on with the largest that fits, and as many blocks as possible are made alike (first fit, decreasing). Who of a
size gets which place, and the order of blocks, are drawn anew each epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shelfaware.arrays import Indices, Mask, Positions
from shelfaware.seeding import generator

EMPTY = -1
NOWHERE = np.iinfo(np.int32).max
"""The rank of a row that is not drawn."""
LEAST = 2
"""Ratings that a user must have: one alone cannot be predicted from others."""


class Blocks(NamedTuple):
    """Positions of rows by block and place, EMPTY where a place is free, and whose they are within their block."""

    row: NDArray[np.int64]  # [n_blocks, places]
    owner: NDArray[np.int32]  # [n_blocks, places]


class Slots(NamedTuple):
    """Where users can go, by size, largest first."""

    block: Positions  # [n]
    rank: Positions  # among the users of the block [n]
    place: Positions  # of the first rating [n]
    size: Positions  # [n]


class Ranked(NamedTuple):
    """Rows and where they go."""

    row: Positions  # [n]
    slot: Indices  # the user's, in their order [n]
    rank: Indices  # among the rows of the user with the same `other` [n]
    other: Mask  # not among the ratings of the block [n]


@dataclass(frozen=True, eq=False)
class Packing:
    """How users are packed.

    user     of each row, ascending [n_rows]
    rated    which rows are ratings [n_rows]
    places   in a block, for ratings and for other rows
    """

    user: Positions
    rated: Mask
    places: tuple[int, int]
    seed: int

    @cached_property
    def users(self) -> Positions:
        """Those with two ratings or more."""
        return np.flatnonzero(self._n_rated >= LEAST)

    @property
    def n_blocks(self) -> int:
        """Blocks of every epoch."""
        return sum(times for _, times in self._patterns)

    def epoch(self, epoch: int, n_blocks: int, wanted: Positions | None = None) -> tuple[Blocks, Blocks]:
        """The blocks of an epoch, ratings and others, filled up with empty ones to `n_blocks`; of these all, or the wanted.

        They depend on the seed and the epoch alone: a block is the same whichever others are wanted.
        """
        rng = generator(self.seed, "packing", epoch)
        slots = self._slots
        order = rng.permutation(self.users)
        order = order[np.argsort(-np.minimum(self._n_rated[order], self.places[0]), kind="stable")]  # users of the slots
        block = rng.permutation(n_blocks)[slots.block]
        if wanted is not None:
            place = np.full(n_blocks, EMPTY)
            place[wanted], n_blocks = np.arange(len(wanted)), len(wanted)
            block = place[block]
        by_block = np.lexsort((slots.rank, block))
        by_block = by_block[np.searchsorted(block[by_block], 0) :]  # without what is not wanted
        where = Slots(*(field[by_block] for field in (block, *slots[1:])))
        return self._filled(order[by_block], where, n_blocks, rng)

    def _filled(self, users: Positions, slots: Slots, n_blocks: int, rng: np.random.Generator) -> tuple[Blocks, Blocks]:
        """Lays the rows of users, in the order of blocks, into their places."""
        others = self._n_rows[users] - slots.size
        before = np.cumsum(others) - others
        first = before - before[np.searchsorted(slots.block, slots.block)]  # place of the first other row
        room = np.clip(self.places[1] - first, 0, others)
        rows = self._ranked(users, slots.size, room < others, rng)
        filled = []
        for i, (start, count) in enumerate(((slots.place, slots.size), (first, room))):
            which = (rows.other == bool(i)) & (rows.rank < count[rows.slot])
            at, places = rows.slot[which], self.places[i]
            place = slots.block[at] * places + start[at] + rows.rank[which]
            blocks = Blocks(np.full((n_blocks, places), EMPTY, np.int64), np.full((n_blocks, places), EMPTY, np.int32))
            blocks.row.ravel()[place], blocks.owner.ravel()[place] = rows.row[which], slots.rank[at]
            filled.append(blocks)
        return filled[0], filled[1]

    def _ranked(self, users: Positions, size: Positions, crowded: Mask, rng: np.random.Generator) -> Ranked:
        """The rows of the users, `size` of each in the first places; in random order where not all fit."""
        slot_of, drawn = np.full(len(self._n_rows), EMPTY, np.int32), np.zeros(len(self._n_rows), bool)
        slot_of[users], drawn[users] = np.arange(len(users)), crowded | (self._n_rated[users] > size)
        slot = np.repeat(slot_of, self._n_rows)  # faster than slot_of[user], whose order is not known to be ascending
        rank, other = np.where(slot < 0, NOWHERE, self._rank), ~self.rated
        some = np.flatnonzero(np.repeat(drawn, self._n_rows))
        mine, (first, second) = slot[some], (rng.random(len(slot), np.float32)[some] for _ in range(2))
        rank[some] = np.where(other[some], NOWHERE, _drawn(mine, ~other[some], size, first))
        other[some] |= rank[some] >= size[mine]
        room = np.full_like(size, self.places[1])
        rank[some] = np.where(other[some], _drawn(mine, other[some], room, second), rank[some])
        row = np.flatnonzero(rank < max(self.places))
        return Ranked(row, slot[row], rank[row], other[row])

    @cached_property
    def _n_rows(self) -> Positions:
        return np.bincount(self.user)

    @cached_property
    def _n_rated(self) -> Positions:
        return np.diff(np.append(self._rated_before, np.count_nonzero(self.rated))[self._starts])

    @cached_property
    def _starts(self) -> Positions:
        """Where the rows of each user begin, and all end [n_users + 1]."""
        return np.concatenate([[0], np.cumsum(self._n_rows)])

    @cached_property
    def _rated_before(self) -> Indices:
        """Ratings before each row [n_rows]."""
        return np.cumsum(self.rated, dtype=np.int32) - self.rated

    @cached_property
    def _rank(self) -> Indices:
        """Of each row among the user's rated or other rows [n_rows]."""
        before, starts = self._rated_before, self._starts[:-1].astype(np.int32)
        first = np.append(before, 0)[starts].astype(np.int32)  # a user without rows begins where the next one does
        among_rated = before - np.repeat(first, self._n_rows)
        place = np.arange(len(before), dtype=np.int32) - np.repeat(starts, self._n_rows)
        return np.asarray(np.where(self.rated, among_rated, place - among_rated), np.int32)

    @cached_property
    def _patterns(self) -> list[tuple[list[int], int]]:
        sizes = np.minimum(self._n_rated[self.users], self.places[0])
        return list(_patterns(np.bincount(sizes, minlength=self.places[0] + 1).tolist()))

    @cached_property
    def _slots(self) -> Slots:
        parts, block = [np.zeros((4, 0), np.int64)], 0
        for sizes, times in self._patterns:
            blocks, ranks = np.repeat(np.arange(block, block + times), len(sizes)), np.tile(np.arange(len(sizes)), times)
            parts.append(np.stack([blocks, ranks, (np.cumsum(sizes) - sizes)[ranks], np.array(sizes)[ranks]]))
            block += times
        every = np.concatenate(parts, 1)  # [4, n]
        return Slots(*every[:, np.argsort(-every[3], kind="stable")])


def _patterns(left: list[int]) -> Iterator[tuple[list[int], int]]:
    """Sizes of the users of a block, and how many blocks are alike; `left[s]` users of size s are used up."""
    places = len(left) - 1
    while any(left):
        sizes: list[int] = []
        room, size = places, places
        while size:
            fit = min(left[size], room // size)
            sizes += [size] * fit
            room -= fit * size
            size = min(size - 1, room)
        times = min(left[size] // sizes.count(size) for size in set(sizes))
        for size in sizes:
            left[size] -= times
        yield sizes, times


def _drawn(group: Indices, among: Mask, wanted: Positions, key: NDArray[np.float32]) -> Indices:
    """A random rank among the members of its group for at least as many of each as are `wanted`, NOWHERE for the others [n].

    By `key`, uniform from 0 to 1 [n]. Only so many are ordered as are hardly ever too few, by six standard deviations; who
    then has too few leaves places free.
    """
    size = np.bincount(group[among], minlength=len(wanted))
    enough = (wanted + 6 * np.sqrt(wanted) + 6) / np.maximum(size, 1)
    candidate = np.flatnonzero(among & (key < enough.astype(np.float32)[group]))
    ordered = candidate[np.argsort(group[candidate] + key[candidate].astype(np.float64))]
    starts = np.flatnonzero(np.diff(group[ordered], prepend=-1))
    rank = np.full(len(group), NOWHERE, np.int32)
    rank[ordered] = np.arange(len(ordered)) - np.repeat(starts, np.diff(starts, append=len(ordered)))
    return rank
