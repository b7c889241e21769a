"""The sample: real books, simulated people, and the truth that was planted, so that a model can be held against it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import polars as pl

from shelfaware.arrays import Floats, Mask
from shelfaware.data.books import Books
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Interactions
from shelfaware.data.planted import BLOCK_USERS, Cells, draw_block, plant
from shelfaware.errors import DataError

STAR_SHARES = (0.027, 0.053, 0.166, 0.318, 0.437)
"""Shares of 1 to 5 stars among all ratings of Goodreads."""

LEAST_BOOKS = 10
"""Of fewer, nobody has a taste to speak of."""

CALIBRATION_BLOCKS = 16
"""The cuts between stars come from the first blocks, however many users are drawn after them."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """`data`, and the stars to expect in each row given all that was planted: `truth` [n], NaN where unrated.

    No model can expect a lower error than the truth's own, so a model's score is the share of the way from a
    baseline's error to the truth's that it covers.
    """

    data: Interactions
    truth: Floats

    @property
    def truth_mse(self) -> float:
        """Mean squared difference of stars and truth over all ratings."""
        return self._mse(self.data.rated)

    def truth_mse_of(self, held_out: Interactions) -> float:
        """The same over the ratings of `held_out`. Raises DataError unless it is a part of `data` and holds ratings."""
        pairs = held_out.ratings().pair_keys
        if held_out.users != self.data.users or held_out.n_books != self.data.n_books:
            raise DataError("the held-out ratings are not of this simulation: their users or books differ")
        here = self.data.rated & np.isin(self.data.pair_keys, pairs)
        if not len(pairs) or here.sum() != len(pairs):
            raise DataError(
                f"{here.sum():,} of {len(pairs):,} held-out ratings are of this simulation; pass a part of its data"
            )
        return self._mse(here)

    def _mse(self, rows: Mask) -> float:
        return float(np.mean((self.data.stars[rows] - self.truth[rows]) ** 2))


def load_catalogue() -> Books:
    """The typed catalogue: about 400 well-known books, roughly from the most to the least read.

    Years are of the first publication, negative before Christ and often scholars' estimates before 1500. Positions in a
    series follow publication; those of a detective count the novels alone.
    """
    text = (files("shelfaware.data") / "catalogue.csv").read_bytes()
    table = pl.read_csv(text, schema_overrides={"series_position": pl.Float64})
    return Books.of(table.with_columns(pl.col("authors", "genres").str.split(";")))


def simulate(books: Books, *, n_users: int = 8000, seed: int = 0) -> Simulation:
    """Simulated people, numbered from 1, who shelve, read and rate `books` (planted.py says how).

    Stars have STAR_SHARES; a person rates 7 books in the median; rated : read : shelved is about 1 : 1.04 : 1.52.
    """
    if n_users < 1 or len(books) < LEAST_BOOKS:
        raise DataError(
            f"cannot simulate {n_users:,} users of {len(books):,} books; use 1 user and {LEAST_BOOKS} books or more"
        )
    world = plant(books, seed)
    blocks = [draw_block(world, seed, block) for block in range(-(-n_users // BLOCK_USERS))]
    cuts = star_cuts(blocks[:CALIBRATION_BLOCKS])
    cells = _first_users(blocks, n_users)
    data = Interactions(
        user_index=cells.user_index,
        book_index=cells.book_index,
        stars=np.where(cells.rated, stars_of(cells.noisy, cuts), np.nan).astype(np.float32),
        shelf=cells.shelf,
        users=IdMap(pl.int_range(1, n_users + 1, eager=True), "user"),
        books=books,
        time=cells.time.astype("datetime64[us]"),
        source="simulated",
        simulated=True,
    )
    return Simulation(data, np.where(cells.rated, expected_stars(cells.latent, cuts), np.nan))


def star_cuts(blocks: list[Cells]) -> Floats:
    """Where to cut latent + noise so that the ratings in `blocks` have STAR_SHARES [4]."""
    noisy = np.concatenate([block.noisy[block.rated] for block in blocks])
    cuts: Floats = np.quantile(noisy, np.cumsum(STAR_SHARES)[:-1])
    return cuts


def stars_of(noisy: Floats, cuts: Floats) -> Floats:
    """1 star, and one more for each cut that latent + noise lies above [n]."""
    return 1.0 + np.searchsorted(cuts, noisy).astype(np.float64)


def expected_stars(latent: Floats, cuts: Floats) -> Floats:
    """E[stars | latent] = 1 + sum over the cuts of Phi(latent - cut), the noise being standard normal [n]."""
    from scipy.special import ndtr

    expected: Floats = 1.0 + ndtr(latent[:, None] - cuts).sum(axis=1)
    return expected


def _first_users(blocks: list[Cells], n_users: int) -> Cells:
    """The blocks one after another, up to the given number of users."""
    n = sum(int(np.searchsorted(block.user_index, n_users)) for block in blocks)
    columns: list[Any] = [np.concatenate(column)[:n] for column in zip(*blocks, strict=True)]
    return Cells(*columns)
