"""Few users, many books: made tables whose truth is known, streamed from a seed.

    r = clip(3.7 + b_u + b_i + p_u . q_i + e, .5, 5) rounded to half stars
    deviations: b_u .45, b_i .40, p . q .40 (RANK dimensions of decaying size), e .80

Books are taken up in proportion to a Zipf law of exponent 1, as many as a log-normal of median 50 says.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.stats import norm

from shelfaware.arrays import Floats
from shelfaware.data.interactions import Interactions, Scale
from shelfaware.seeding import generator

SIZES = ((600, 9_000, 100_000), (2_300, 7_600, 131_000))
"""Users, books and, but for rounding, ratings."""

MEDIAN, RANK, DECAY = 50.0, 12, 0.8
USER, BOOK, TASTE, ERROR = 0.45, 0.40, 0.40, 0.80
SCALE = Scale(0.5, 5.0, 0.5)


class Planted(NamedTuple):
    """The table, and the stars that the truth expects of each of its rows [n]."""

    data: Interactions
    expected: Floats

    def truth_mse(self, held: Interactions) -> float:
        """Mean squared error of the truth itself on rows of the table."""
        rows = np.searchsorted(self.data.pair_keys, held.pair_keys)
        return float(np.mean((self.expected[rows] - held.stars) ** 2))


def planted_table(n_users: int, n_books: int, n_ratings: int, seed: int) -> Planted:
    rng = generator(seed, "planted table")
    user, book = _taken(n_users, n_books, n_ratings, rng)
    size = DECAY ** np.arange(RANK)
    vectors = rng.normal(size=(n_books, RANK)) * (TASTE * size / np.sqrt(np.sum(size**2)))  # q [n_books, RANK]
    taste = rng.normal(size=(n_users, RANK))  # p [n_users, RANK]
    biases = USER * rng.normal(size=n_users)[user] + BOOK * rng.normal(size=n_books)[book]
    mean = 3.7 + biases + np.einsum("nk,nk->n", taste[user], vectors[book])
    stars = np.round(2 * np.clip(mean + ERROR * rng.normal(size=len(user)), 0.5, 5.0)) / 2
    rows = pl.DataFrame({"user_id": user, "book_id": book, "stars": stars})
    return Planted(Interactions.from_frame(rows, scale=SCALE), expected_stars(mean))


def expected_stars(mean: Floats) -> Floats:
    """The mean of what is rounded to half stars after the error is added: 5 less half a star for each step not reached."""
    steps = SCALE.values[:-1] + 0.25
    return np.asarray(5.0 - 0.5 * norm.cdf((steps - mean[:, None]) / ERROR).sum(axis=1), np.float64)


def _taken(n_users: int, n_books: int, n_ratings: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Who took up what, by user, then book; drawn without replacement by exponential clocks."""
    popularity = rng.permutation(1.0 / np.arange(1, n_books + 1))
    spread = np.sqrt(2 * np.log(max(n_ratings / n_users / MEDIAN, 1.0)))
    wanted = rng.lognormal(np.log(MEDIAN), spread, n_users)
    n = np.clip(np.round(wanted * n_ratings / wanted.sum()), 2, n_books // 2).astype(np.int64)
    books = [np.sort(np.argpartition(rng.exponential(size=n_books) / popularity, k)[:k]) for k in n]
    return np.repeat(np.arange(n_users), n), np.concatenate(books)
