"""The GP's side of the training loop: sets rates, starts, steps and scores. Imported only inside `fit`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.models import gp_network
from shelfaware.models.gp import Decay
from shelfaware.models.gp_batches import Batches
from shelfaware.models.gp_shares import shared
from shelfaware.seeding import generator
from shelfaware.training import adam, devices
from shelfaware.training.coming import Coming
from shelfaware.training.history import Scores
from shelfaware.training.schedule import rise_and_fall

if TYPE_CHECKING:
    from shelfaware.models.gp import GP


STEP_SIZE = 2048
"""Ratings of a step that `learning_rate` is meant for."""


@dataclass
class GPLearner:
    """What the loop trains: `start_means` [n_books] are the book means to start from; `score` validates a book table.

    While a part is trained on, a thread reads and packs the next: two are in memory.
    """

    config: GP
    decay: Decay
    batches: Batches
    start_means: Floats
    center: float
    score: Callable[[Floats, Floats], Scores] | None = None

    def __post_init__(self) -> None:
        config = self.config
        self.epochs, self.n_books = config.epochs, len(self.start_means)
        self.coming = Coming(self.batches.steps, config.epochs, self.batches.legs)
        self.task = gp_network.Task(
            *self.decay,
            config.shelf_deviation,
            config.mean_deviation,
            config.noise_deviation,
        )

    def start(self, draw: int) -> gp_network.Parameters:
        """q ~ N(0, 0.1^2), mu at the shrunken means, y and z at 0, a = 0.5, s = 0.6 stars."""
        value = np.zeros((self.n_books, gp_network.width(self.config.factors)), np.float32)
        rng = generator(self.config.seed, "initial values", draw)
        value[:, : self.config.factors] = rng.normal(0.0, 0.1, (self.n_books, self.config.factors))
        value[:, self.config.factors] = self.start_means
        scalars = np.log([[0.5, 0.6]])
        books, others = (adam.rows_of(jnp.array(x, jnp.float32)) for x in (value, scalars))
        return gp_network.Parameters(devices.laid_out(books, devices.BY_ROWS), devices.laid_out(others, devices.EVERYWHERE))

    def learning_rates(self) -> Floats:
        """Rate of every step of the run [steps]: a rise, then a cosine to 0. Larger steps, which are fewer, go further."""
        peak = self.config.learning_rate * max(self.config.batch_size / STEP_SIZE, 1.0) ** 0.5
        return rise_and_fall(peak, self.epochs * self.batches.n_steps)

    @property
    def legs(self) -> int:
        """A leg is a part of the data."""
        return self.batches.legs

    def train_leg(
        self, state: gp_network.Parameters, epoch: int, leg: int, rate: float
    ) -> tuple[gp_network.Parameters, Floats]:
        rates, center = devices.laid_out(
            (adam.rates_of(self.learning_rates() * rate), jnp.float32(self.center)), devices.EVERYWHERE
        )
        steps = shared(self.coming(epoch, leg), self.n_books, self.batches.n_blocks)
        state, sums = gp_network.run_steps(self.task, center, rates, state, steps)
        if leg + 1 == self.legs and (self.score or epoch + 1 == self.epochs):  # when `learned` is asked for
            state = gp_network.up_to_date(state, jnp.int32((epoch + 1) * self.batches.n_steps), rates)
        n, squared, absolute, loss = np.asarray(sums, np.float64)
        return state, np.array([loss, squared, absolute, n])

    def validate(self, state: gp_network.Parameters) -> Scores | None:
        return self.score and self.score(*(table.astype(np.float64) for table in self.learned(state)))

    def learned(self, state: gp_network.Parameters) -> tuple[AnyArray, AnyArray]:
        """The book table [n_books, width] and the scalars [1, 2]."""
        return np.array(devices.whole(state.books.value)[: self.n_books]), np.array(state.scalars.value)

    def is_dead(self, state: gp_network.Parameters) -> bool:
        """A GP has no unit that can die."""
        return False
