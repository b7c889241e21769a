"""Whole users packed into blocks of one shape, so that a step compiles once whoever is in it.

A block has places for rated rows and, beside them, places for shelf rows; users share a block and a mask keeps them apart.
A user with more rows than places gives a random part of them, another one each epoch. Users go into blocks in random order,
each into the open block or the next; who comes after the last block waits for another epoch.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shelfaware.arrays import Indices, Positions
from shelfaware.seeding import generator

EMPTY = -1
SPARE = 1.02
"""Room for the orders of users that pack worse than the first one."""


class Lists(NamedTuple):
    """One list of table rows a user, in CSR form: user u has the rows start[u] to start[u] + size[u]."""

    start: Positions
    size: Positions

    @classmethod
    def of(cls, user: Indices, n_users: int) -> Lists:
        """From the ascending user of each row."""
        size = np.bincount(user, minlength=n_users)
        return cls(np.cumsum(size) - size, size)


class Blocks(NamedTuple):
    """Positions of rows by block and place, EMPTY where a place is free, and whose they are within their block."""

    row: NDArray[np.int64]  # [n_blocks, places]
    owner: NDArray[np.int32]  # [n_blocks, places]


@dataclass(frozen=True)
class Packing:
    """How users are packed: `lists` of rows (ratings; shelves) with their `places` in a block, the same users in each."""

    lists: tuple[Lists, ...]
    places: tuple[int, ...]
    users: Positions
    seed: int

    @property
    def n_blocks(self) -> int:
        """Blocks of every epoch: what the first order needs, and a little more."""
        block, _ = self._assign(self.users[generator(self.seed, "packing", 0).permutation(len(self.users))])
        return int(SPARE * (block[-1] + 1)) + 1 if len(block) else 0

    def epoch(self, epoch: int, n_blocks: int) -> tuple[Blocks, ...]:
        """The blocks of an epoch, one Blocks a list; they depend on the seed and the epoch alone."""
        rng = generator(self.seed, "packing", epoch)
        users = self.users[rng.permutation(len(self.users))]
        block, rank = self._assign(users)
        placed = block < n_blocks
        users, block, rank = users[placed], block[placed], rank[placed]
        return tuple(
            _fill(lists, places, (users, block, rank), n_blocks, rng)
            for lists, places in zip(self.lists, self.places, strict=True)
        )

    def _assign(self, users: Positions) -> tuple[Positions, Positions]:
        """The block of each user and their rank in it, in order of arrival."""
        counts = [np.minimum(lists.size[users], places) for lists, places in zip(self.lists, self.places, strict=True)]
        totals = [np.concatenate([[0], np.cumsum(count)]).tolist() for count in counts]  # rows of the users before each
        starts = [0]
        while starts[-1] < len(users):
            first = starts[-1]
            ends = (bisect_right(t, t[first] + p, first) - 1 for t, p in zip(totals, self.places, strict=True))
            starts.append(min(ends))
        block = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        return block, np.arange(len(users)) - np.array(starts)[block]


def _fill(
    lists: Lists, places: int, where: tuple[Positions, Positions, Positions], n_blocks: int, rng: np.random.Generator
) -> Blocks:
    """Lays the rows of users, at most `places` each, one after another into their blocks."""
    users, block, rank = where
    count = np.minimum(lists.size[users], places)
    before = np.cumsum(count) - count
    owner = np.repeat(np.arange(len(users)), count)
    offset = np.arange(len(owner)) - before[owner]
    for i in np.flatnonzero(lists.size[users] > places):
        offset[before[i] : before[i] + places] = np.sort(rng.choice(lists.size[users[i]], places, replace=False))
    first = np.searchsorted(block, np.arange(n_blocks))
    starts = np.append(before, len(owner))[first]
    place = np.arange(len(owner)) - starts[block[owner]]
    blocks = Blocks(np.full((n_blocks, places), EMPTY, np.int64), np.full((n_blocks, places), EMPTY, np.int32))
    blocks.row[block[owner], place] = lists.start[users[owner]] + offset
    blocks.owner[block[owner], place] = rank[owner]
    return blocks
