"""The sample: real books, simulated people, and the truth that was planted, so that a model can be held against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from shelfaware.arrays import Floats, Mask, Stars
from shelfaware.data.about import ABOUT, About
from shelfaware.data.books import Books
from shelfaware.data.folder import refuse_foreign, translated_disk_errors
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Interactions, Scale, frame_of
from shelfaware.data.part_writer import Origin, PartWriter
from shelfaware.data.planted import BLOCK_USERS, MEDIAN_RATED, Cells, draw_block, plant
from shelfaware.data.planted_large import Shop, draw_large_block
from shelfaware.data.watching import Watch, silent
from shelfaware.errors import DataError

SOURCE = "simulated"

STAR_SHARES = (0.027, 0.053, 0.166, 0.318, 0.437)
"""Shares of 1 to 5 stars among all ratings of Goodreads."""

LEAST_BOOKS = 10
"""Of fewer, nobody has a taste to speak of."""

MOST_LOOKED_AT = 2_000
"""Of more books, a simulated user no longer looks at every one (planted_large.py)."""

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


@dataclass(frozen=True, eq=False)
class Simulator:
    """Simulated people, numbered from 1, block by block: what a block holds depends on these four alone.

    A person rates `median_rated` books in the median, if the catalogue has so many.
    """

    books: Books
    n_users: int
    seed: int = 0
    median_rated: float = MEDIAN_RATED

    def __post_init__(self) -> None:
        if self.n_users < 1 or len(self.books) < LEAST_BOOKS:
            raise DataError(
                f"cannot simulate {self.n_users:,} users of {len(self.books):,} books; "
                f"use 1 user and {LEAST_BOOKS} books or more"
            )

    @property
    def n_blocks(self) -> int:
        return -(-self.n_users // BLOCK_USERS)

    @cached_property
    def users(self) -> IdMap:
        return IdMap(pl.int_range(1, self.n_users + 1, eager=True), "user")

    def block(self, i: int) -> Cells:
        """What the users of block i do."""
        cells = self._draw(i)
        mine: list[Any] = [column[: np.searchsorted(cells.user_index, self.n_users)] for column in cells]
        return Cells(*mine)

    def stars(self, cells: Cells) -> Stars:
        """What they give [n], NaN where unrated."""
        return np.where(cells.rated, stars_of(cells.noisy, self._cuts), np.nan).astype(np.float32)

    def truth(self, cells: Cells) -> Floats:
        """The stars to expect given all that was planted [n], NaN where unrated."""
        return np.where(cells.rated, expected_stars(cells.latent, self._cuts), np.nan)

    def truth_of(self, rows: Interactions) -> Floats:
        """The truth of rows of this simulation [n], such as held-out ones, from the blocks of their users alone."""
        truth = np.empty(len(rows))
        blocks = rows.user_index // BLOCK_USERS
        for i in np.unique(blocks):
            here, cells = blocks == i, self.block(int(i))
            keys = cells.user_index.astype(np.int64) * len(self.books) + cells.book_index
            place = np.searchsorted(keys, rows.pair_keys[here])
            if rows.n_books != len(self.books) or not np.array_equal(keys[place % len(keys)], rows.pair_keys[here]):
                raise DataError("some rows are not of this simulation; pass a part of its data")
            truth[here] = self.truth(cells)[place]
        return truth

    @cached_property
    def _draw(self) -> Callable[[int], Cells]:
        world = plant(self.books, self.seed)
        if len(self.books) <= MOST_LOOKED_AT:
            return lambda i: draw_block(world, self.seed, i, self.median_rated)
        shop = Shop.of(world)
        return lambda i: draw_large_block(shop, self.seed, i, self.median_rated)

    @cached_property
    def _cuts(self) -> Floats:
        return star_cuts([self._draw(i) for i in range(min(CALIBRATION_BLOCKS, self.n_blocks))])


def simulate(books: Books, *, n_users: int = 8000, seed: int = 0) -> Simulation:
    """Simulated people, numbered from 1, who shelve, read and rate `books` (planted.py says how).

    Stars have STAR_SHARES; a person rates 7 books in the median; rated : read : shelved is about 1 : 1.04 : 1.52.
    """
    simulator = Simulator(books, n_users, seed)
    blocks = [simulator.block(i) for i in range(simulator.n_blocks)]
    columns: list[Any] = [np.concatenate(column) for column in zip(*blocks, strict=True)]
    cells = Cells(*columns)
    data = Interactions(
        user_index=cells.user_index,
        book_index=cells.book_index,
        stars=simulator.stars(cells),
        shelf=cells.shelf,
        users=simulator.users,
        books=books,
        time=cells.time.astype("datetime64[us]"),
        source=SOURCE,
        simulated=True,
    )
    return Simulation(data, simulator.truth(cells))


def simulate_parts(simulator: Simulator, folder: Path, watch: Watch = silent) -> tuple[About, float]:
    """Writes a simulation that need not fit in memory as a dataset folder. Returns its facts and the truth's own MSE."""
    folder = folder.absolute()
    refuse_foreign(folder, owns=ABOUT)
    with translated_disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as workshop:
            writer, squares, rows = PartWriter(Path(workshop)), 0.0, 0
            for i in range(simulator.n_blocks):
                cells = simulator.block(i)
                stars = simulator.stars(cells)
                squares += float(np.nansum((stars - simulator.truth(cells)) ** 2))
                times = cells.time.astype("datetime64[us]")
                writer.add(frame_of(cells.user_index, cells.book_index, stars, cells.shelf, times))
                rows += len(stars)
                watch("simulating", (i + 1) / simulator.n_blocks, rows)
            about = writer.finish(folder, simulator.users, simulator.books, Origin(SOURCE, Scale(), simulated=True))
    return about, squares / about.ratings


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
