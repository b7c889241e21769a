"""The GP's side of the training loop: packs users into batches, sets rates, starts and scores. Imported only inside `fit`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from shelfaware.arrays import AnyArray, Floats, Indices
from shelfaware.models import gp_network
from shelfaware.models.readers import Readers
from shelfaware.seeding import generator
from shelfaware.training import adam
from shelfaware.training.history import Scores
from shelfaware.training.packing import EMPTY, Lists, Packing

if TYPE_CHECKING:
    from shelfaware.models.gp import GP

WARM_UP = 0.1
"""Share of the steps over which the rate rises to its peak; then it follows a cosine to 0."""


@dataclass
class GPLearner:
    """What the loop trains: `start_means` [n_books] are the book means to start from, `score` validates a book table."""

    config: GP
    readers: Readers
    start_means: Floats
    center: float
    score: Callable[[Floats, Floats], Scores | None]

    def __post_init__(self) -> None:
        config, readers = self.config, self.readers
        self.epochs = config.epochs
        self.n_books = len(self.start_means)
        self.rated = np.flatnonzero(readers.rated)
        lists = tuple(Lists.of(owner.astype(np.int32), len(readers)) for owner in (readers.owner[self.rated], readers.owner))
        several = np.flatnonzero(readers.n_ratings > 1)
        self.packing = Packing(lists, (config.block_size, 2 * config.block_size), several, config.seed)
        self.n_blocks = max(config.batch_size // config.block_size, 1)
        self.n_steps = -(-self.packing.n_blocks // self.n_blocks)
        self.task = gp_network.Task(
            config.weight_decay,
            config.vector_deviation,
            config.shelf_deviation,
            config.mean_deviation,
            config.noise_deviation,
        )
        self.n_ratings = np.bincount(readers.book_index[self.rated], minlength=self.n_books).astype(np.float32)
        self.n_shelved = np.bincount(readers.book_index, minlength=self.n_books).astype(np.float32)

    def start(self, draw: int) -> gp_network.Parameters:
        """q ~ N(0, 0.1^2), mu at the shrunken means, y and z at 0, a = 0.5, s = 0.6 stars."""
        value = np.zeros((self.n_books, gp_network.width(self.config.factors)))
        rng = generator(self.config.seed, "initial values", draw)
        value[:, : self.config.factors] = rng.normal(0.0, 0.1, (self.n_books, self.config.factors))
        value[:, self.config.factors] = self.start_means
        scalars = np.log([[0.5, 0.6]])
        return gp_network.Parameters(*(adam.rows_of(jnp.asarray(x, jnp.float32)) for x in (value, scalars)))

    def learning_rates(self) -> Floats:
        """Plain rate of every step of the run [steps]: a rise, then a cosine to 0."""
        progress = (np.arange(self.epochs * self.n_steps) + 0.5) / max(self.epochs * self.n_steps, 1)
        falling = 0.5 * (1 + np.cos(np.pi * (progress - WARM_UP) / (1 - WARM_UP)))
        return np.asarray(self.config.learning_rate * np.where(progress < WARM_UP, progress / WARM_UP, falling), np.float64)

    def batches(self, epoch: int) -> tuple[AnyArray, gp_network.Batch]:
        """Step numbers [steps] and the packed users of an epoch, each field [steps, ...]."""
        readers = self.readers
        blocks = self.packing.epoch(epoch, self.n_steps * self.n_blocks)
        ratings, shelves = blocks
        row = np.where(ratings.row == EMPTY, EMPTY, self.rated[ratings.row] if len(self.rated) else EMPTY)
        book = np.where(row == EMPTY, EMPTY, readers.book_index[row])
        shelf_book = np.where(shelves.row == EMPTY, EMPTY, readers.book_index[shelves.row])
        packed = np.zeros(len(readers.book_index) + 1, np.float32)  # by row of `readers`; the last is that of an empty place
        packed[shelves.row[shelves.row != EMPTY]] = 1.0
        by_step = [x.reshape(self.n_steps, self.n_blocks, -1).astype(np.int32) for x in (book, shelf_book)]
        rows, (place, shelf_place) = _books_of_steps(by_step, self.n_books)
        shape = (self.n_steps, self.n_blocks, -1)
        return np.arange(1, self.n_steps + 1, dtype=np.int32) + epoch * self.n_steps, gp_network.Batch(
            rows,
            place,
            np.where(row == EMPTY, 0.0, readers.stars[row]).astype(np.float32).reshape(shape),
            ratings.owner.reshape(shape),
            packed[row].reshape(shape),
            self.n_ratings[book].reshape(shape),
            shelf_place,
            np.where(shelves.row == EMPTY, 0, readers.shelf[shelves.row]).reshape(shape),
            np.where(shelves.owner == EMPTY, -2, shelves.owner).reshape(shape),
            self.n_shelved[shelf_book].reshape(shape),
        )

    def train_epoch(self, state: gp_network.Parameters, epoch: int, rate: float) -> tuple[gp_network.Parameters, Scores]:
        rates = adam.rates_of(self.learning_rates() * rate)
        state, sums = gp_network.run_epoch(self.task, jnp.float32(self.center), rates, state, self.batches(epoch))
        n, squared, absolute, loss = (float(x) for x in sums)
        return state, Scores(loss / n, squared / n, absolute / n)

    def validate(self, state: gp_network.Parameters) -> Scores | None:
        return self.score(*(np.asarray(table.value, np.float64) for table in state))

    def is_dead(self, state: gp_network.Parameters) -> bool:
        """A GP has no unit that can die."""
        return False


def _books_of_steps(places: list[Indices], n_books: int) -> tuple[Indices, list[Indices]]:
    """The books of each step, each once [steps, c], and `places` [steps, blocks, n] of books as places among them."""
    n_steps, size = len(places[0]), sum(x[0].size for x in places)
    if n_books <= size:  # as many rows as there are books: no need to look who is there
        return np.tile(np.arange(n_books, dtype=np.int32), (n_steps, 1)), places
    rows = np.full((n_steps, size), n_books, np.int32)
    found = [np.empty(x.shape, np.int32) for x in places]
    for i in range(n_steps):
        books = np.unique(np.concatenate([x[i].ravel() for x in places]))
        books = books[books != EMPTY]
        rows[i, : len(books)] = books
        for x, out in zip(places, found, strict=True):
            out[i] = np.where(x[i] == EMPTY, EMPTY, np.searchsorted(books, x[i]))
    return rows, found
