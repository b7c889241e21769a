"""The planted world of a large catalogue: what a block of users takes up, at a cost that grows with what they take up.

Nobody looks at every book of two million. A user's candidates are drawn by popularity, and of those the ones of the largest

    TASTE_PULL taste_u . vector_b + SERIES_PULL g(u, series of b) + Gumbel noise

are taken up: popularity has had its say in the draw. With ever more candidates this would be the choice of planted.py
(sampling, importance, resampling; Rubin 1987); with three for each place people are like those there, but less choosy: what
they take up they like .36 above the mean of all books rather than .62. Everything else is drawn as it is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import Floats, Positions
from shelfaware.data.planted import BLOCK_USERS, SERIES_PULL, TASTE_PULL, USER_SPREAD, Cells, World, cells_of, how_many
from shelfaware.seeding import generator

CANDIDATES, MORE_CANDIDATES = 3, 30
"""Draws for each book that is taken up, and for each user besides. A heavy reader draws many books twice and so reads fewer."""


@dataclass(frozen=True, eq=False)
class Shop:
    """A world whose books can be drawn by popularity: `heaped` [n_books] is the cumulative share."""

    world: World
    heaped: Floats

    @classmethod
    def of(cls, world: World) -> Shop:
        popularity = np.exp(world.log_popularity)
        return cls(world, np.cumsum(popularity) / popularity.sum())


def draw_large_block(shop: Shop, seed: int, block: int, median_rated: float) -> Cells:
    """What the users block * BLOCK_USERS ... of the world do."""
    rng, world = generator(seed, "simulated users", block), shop.world
    taste = rng.standard_normal((BLOCK_USERS, world.vectors.shape[1]))
    bias = USER_SPREAD * rng.standard_normal(BLOCK_USERS)
    rated, read, taken = how_many(rng, len(shop.heaped), median_rated)
    user, book = _candidates(rng, shop, taken)
    liking = np.einsum("nk,nk->n", taste[user], world.vectors[book])  # [n]
    pull = TASTE_PULL * liking + rng.gumbel(size=len(user)) + SERIES_PULL * _fondness(rng, user, world.series[book])
    chosen = _first(user, pull, taken)
    user, book = user[chosen], book[chosen]
    latent = liking[chosen] + world.quality[book] + bias[user]
    return cells_of(rng, world, (user, book, latent), (rated, read), block)


def _candidates(rng: np.random.Generator, shop: Shop, taken: Positions) -> tuple[Positions, Positions]:
    """Distinct (user, book) pairs, sorted: each user's draws by popularity."""
    n_books = len(shop.heaped)
    user = np.repeat(np.arange(BLOCK_USERS), CANDIDATES * taken + MORE_CANDIDATES)
    book = np.minimum(np.searchsorted(shop.heaped, rng.random(len(user))), n_books - 1)
    pairs = _distinct(np.sort(user * n_books + book))
    return pairs // n_books, pairs % n_books


def _fondness(rng: np.random.Generator, user: Positions, series: Positions) -> Floats:
    """A standard normal for each (user, series), for each candidate [n]."""
    key = user * (int(series.max()) + 1) + series
    known = _distinct(np.sort(key))
    fondness: Floats = rng.standard_normal(len(known))[np.searchsorted(known, key)]
    return fondness


def _distinct(ascending: Positions) -> Positions:
    return ascending[np.diff(ascending, prepend=-1) > 0]


def _first(user: Positions, pull: Floats, taken: Positions) -> Positions:
    """The rows of each user's `taken` largest pulls, in the order of the rows. `user` is sorted."""
    order = np.argsort(user * 2 * np.abs(pull).max() - pull)
    place = np.arange(len(user)) - np.searchsorted(user, user)
    return np.sort(order[place < taken[user]])
