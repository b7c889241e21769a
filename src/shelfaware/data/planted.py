"""The planted world: what simulated books are like, what simulated people like, and which books they take up.

    latent(u, b)  = bias_u + quality_b + taste_u . vector_b        noise has deviation 1, the unit of all of these
    pull(u, b)    = popularity_b + TASTE_PULL taste_u . vector_b + SERIES_PULL g(u, series of b)

A person takes up books one after another, each with probability in proportion to exp(pull): the books of the largest
pull + Gumbel noise. Their stars are cut from latent + noise. Every capital below is an assumption of the simulator;
none was fitted to anybody's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shelfaware.arrays import Floats, Indices, Mask, Positions
from shelfaware.data.books import Books
from shelfaware.data.interactions import READ, TO_READ
from shelfaware.seeding import generator

TASTE_SPREAD = (1.1, 0.4, 0.15, 0.06, 0.05, 0.04, 0.03, 0.02)
"""Deviation of what each dimension of taste adds to the latent: one strong, two clear, the rest weak."""
GENRE, AUTHOR, SERIES, OWN = 0.5, 0.2, 0.15, 0.15
"""Shares of a book vector's variance: common to the genre, the first author, the series; its own."""
USER_SPREAD, BOOK_SPREAD = 0.25, 0.5
"""Deviations of a person's bias and of a book's quality."""
TASTE_PULL, SERIES_PULL = 0.6, 1.2
"""How much more people take up what they will like, and the rest of a series they are in."""
ZIPF, ZIPF_OFFSET, POPULARITY_SPREAD = 1.1, 8, 0.5
"""A book's popularity is (its place in the table + ZIPF_OFFSET) ** -ZIPF, times a log-normal of this deviation."""
MEDIAN_RATED, RATED_SPREAD = 7, 1.25
"""Rated books a person: log-normal, at least one, at most half of the catalogue."""
UNRATED_READ, TO_READ_SHELVED = 0.04, 0.48
"""Mean number of read books without stars, and of books to read, for each rated one."""
FIRST_DAY, LAST_DAY = np.datetime64("2018-01-01", "s"), np.datetime64("2024-01-01", "s")
"""Later than any book of the catalogue."""
BLOCK_USERS = 500
"""Users drawn together. A block depends on (world, seed, its number) alone, so blocks can be drawn anywhere."""


@dataclass(frozen=True, eq=False)
class World:
    """What is planted of the books, in the order of their table.

    vectors         [n_books, k]   what they are like
    quality         [n_books]      how much better everybody likes them
    log_popularity  [n_books]
    series          i64 [n_books]  a number for each series; a book in none has a number of its own
    position        [n_books]      place in the series, 0 where it has none
    """

    vectors: Floats
    quality: Floats
    log_popularity: Floats
    series: Positions
    position: Floats


class Cells(NamedTuple):
    """Drawn (user, book) pairs, sorted by user, then book; every array [n]. `noisy` is latent + noise."""

    user_index: Indices
    book_index: Indices
    latent: Floats
    noisy: Floats
    rated: Mask
    shelf: NDArray[np.int8]
    time: NDArray[np.datetime64]


def plant(books: Books, seed: int) -> World:
    """A world for `books`, which are taken to be listed from the most to the least read, roughly."""
    rng = generator(seed, "simulated books")
    authors = _codes(books, pl.col("authors").list.first())
    series = _codes(books, pl.col("series"))
    own = np.arange(len(books))
    vectors = np.sqrt(GENRE) * _genre_part(books, rng)
    for share, codes in ((AUTHOR, authors), (SERIES, series), (OWN, own)):
        vectors += np.sqrt(share) * rng.standard_normal((codes.max() + 1, len(TASTE_SPREAD)))[codes]
    popularity = -ZIPF * np.log(own + 1 + ZIPF_OFFSET) + POPULARITY_SPREAD * rng.standard_normal(len(books))
    # What all books have in common would be a second bias of the user: taste is about how books differ.
    vectors -= np.average(vectors, axis=0, weights=np.exp(popularity))
    return World(
        vectors=vectors / vectors.std(axis=0) * np.array(TASTE_SPREAD),
        quality=BOOK_SPREAD * rng.standard_normal(len(books)),
        log_popularity=popularity,
        series=series,
        position=books.table["series_position"].fill_null(0.0).to_numpy(),
    )


def _codes(books: Books, label: pl.Expr) -> Positions:
    """A number for each distinct label [n_books]; a book without a label has a number of its own."""
    shared = pl.struct(label.alias("label"), pl.when(label.is_null()).then(pl.col("book_id")).alias("own"))
    return books.table.select(shared.rank("dense").alias("code"))["code"].to_numpy().astype(np.int64) - 1


def _genre_part(books: Books, rng: np.random.Generator) -> Floats:
    """The normalised sum of the vectors of a book's genres [n_books, k], of unit variance; 0 for a book of none."""
    pairs = books.table.select(pl.int_range(pl.len()).alias("book"), "genres").explode("genres").drop_nulls()
    genres = pairs["genres"].rank("dense").to_numpy().astype(np.int64) - 1
    n_genres = int(genres.max(initial=-1)) + 1
    of_genre = rng.standard_normal((n_genres, len(TASTE_SPREAD)))
    belongs = np.zeros((len(books), n_genres))
    belongs[pairs["book"].to_numpy(), genres] = 1
    part: Floats = belongs @ of_genre / np.sqrt(np.maximum(belongs.sum(axis=1, keepdims=True), 1))
    return part


def draw_block(world: World, seed: int, block: int, median_rated: float = MEDIAN_RATED) -> Cells:
    """What the users block * BLOCK_USERS ... of the world do."""
    rng = generator(seed, "simulated users", block)
    n_books, k = world.vectors.shape
    liking = rng.standard_normal((BLOCK_USERS, k)) @ world.vectors.T
    latent = liking + world.quality + USER_SPREAD * rng.standard_normal((BLOCK_USERS, 1))
    pull = world.log_popularity + TASTE_PULL * liking + rng.gumbel(size=liking.shape)
    pull += SERIES_PULL * rng.standard_normal((BLOCK_USERS, int(world.series.max()) + 1))[:, world.series]
    rated, read, taken = how_many(rng, n_books, median_rated)
    least = np.take_along_axis(np.sort(pull, axis=1), (n_books - taken)[:, None], axis=1)
    user, book = np.nonzero(pull >= least)
    return cells_of(rng, world, (user, book, latent[user, book]), (rated, read), block)


def median_for(n_ratings: int, n_users: int) -> float:
    """The median of rated books a user with which so many users rate so many books in all, about."""
    return n_ratings / n_users / float(np.exp(RATED_SPREAD**2 / 2))


def how_many(rng: np.random.Generator, n_books: int, median_rated: float) -> tuple[Positions, Positions, Positions]:
    """How many books each user rated, read and took up at all, each [BLOCK_USERS] and within the next."""
    rated = np.rint(median_rated * np.exp(RATED_SPREAD * rng.standard_normal(BLOCK_USERS)))
    rated = np.clip(rated, 1, max(n_books // 2, 1)).astype(np.int64)
    read = np.minimum(rated + rng.poisson(UNRATED_READ * rated), n_books)
    return rated, read, np.minimum(read + rng.poisson(TO_READ_SHELVED * rated), n_books)


def cells_of(
    rng: np.random.Generator,
    world: World,
    taken: tuple[Positions, Positions, Floats],
    how_many: tuple[Positions, Positions],
    block: int,
) -> Cells:
    """What is done with the books that are taken up: user within the block, book and latent [n], sorted by user, then book.

    `how_many`: books that each user rated, and read, [BLOCK_USERS].
    """
    (user, book, latent), (n_rated, n_read) = taken, how_many
    turn = _places(user, _moments(rng, world, user, book))
    return Cells(
        user_index=(user + block * BLOCK_USERS).astype(np.int32),
        book_index=book.astype(np.int32),
        latent=latent,
        noisy=latent + rng.standard_normal(len(latent)),
        rated=turn < n_rated[user],
        shelf=np.where(turn < n_read[user], READ, TO_READ).astype(np.int8),
        time=_times(rng, user, _moments(rng, world, user, book)),
    )


def _moments(rng: np.random.Generator, world: World, user: Positions, book: Positions) -> Floats:
    """A random moment of [0, 1) for each cell [n]; a user's volumes of one series have theirs in reading order."""
    moment, series = rng.random(len(user)), world.series[book]
    several = _shared(user * (int(series.max()) + 1) + series)
    mine, volumes, moments = user[several], series[several], moment[several]
    in_order = np.empty_like(moments)
    in_order[np.lexsort((world.position[book[several]], volumes, mine))] = moments[np.lexsort((moments, volumes, mine))]
    moment[several] = in_order
    return moment


def _shared(keys: Positions) -> Mask:
    """Where a key stands more than once [n]."""
    ascending = np.sort(keys)
    twice = ascending[1:][ascending[1:] == ascending[:-1]]
    place = np.minimum(np.searchsorted(twice, keys), len(twice) - 1)
    return twice[place] == keys if len(twice) else np.zeros(len(keys), bool)


def _places(user: Positions, moment: Floats) -> Positions:
    """The place of each cell among its user's, by moment, from 0 [n]. `user` is sorted."""
    places = np.empty(len(user), np.int64)
    places[np.lexsort((moment, user))] = np.arange(len(user)) - np.searchsorted(user, user)
    return places


def _times(rng: np.random.Generator, user: Positions, moment: Floats) -> NDArray[np.datetime64]:
    """Whole seconds between the day a user joins and LAST_DAY [n]."""
    seconds = (LAST_DAY - FIRST_DAY).astype(float)
    joined = rng.random(BLOCK_USERS)[user]
    elapsed = seconds * (joined + (1 - joined) * moment)
    times: NDArray[np.datetime64] = FIRST_DAY + elapsed.astype("timedelta64[s]")
    return times
