"""The autoencoder's loss and how it learns, in JAX. Imported only inside `fit`.

Of some readers a random share of the stars is hidden. h is made of everything else that they have, and the loss is the mean
of -log P(r) over what is hidden, plus the decay (`autoencoder.Autoencoder` has the equations).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from shelfaware.arrays import AnyArray, Floats, Mask, Positions
from shelfaware.data.interactions import SHELVES, Scale
from shelfaware.models.autoencoder import places_of, state_of
from shelfaware.models.readers import Readers
from shelfaware.seeding import generator
from shelfaware.training import adam
from shelfaware.training.history import Scores
from shelfaware.training.schedule import rise_and_fall

if TYPE_CHECKING:
    from shelfaware.models.autoencoder import Autoencoder

Network = tuple[AnyArray, AnyArray]
"""W by (book, state), then c [n_books states + 1, f]; V, U and l by book, then what all books share [n_books + 1, 2 f + k]."""


class Task(NamedTuple):
    """What a compiled step depends on, beside the shapes."""

    values: tuple[float, ...]
    places: tuple[float, ...]
    dropout: float
    decay: float


class Batches(NamedTuple):
    """Steps of an epoch. A place of `cell` or `book` past the table's end is empty.

    who, cell [steps, rows]   whose row of the batch, and which row of W
    n [steps, batch]          |N| of each reader
    asked, book, value [steps, hidden]   whose hidden star, of which book, which value
    keep [steps, batch, f]    what of h is kept
    """

    who: Any
    cell: Any
    n: Any
    asked: Any
    book: Any
    value: Any
    keep: Any


def loss(task: Task, tables: tuple[Array, Array], batch: Batches) -> tuple[Array, Array]:
    """The mean of -log P over hidden stars, plus decay; and the sums of it, of squared and of absolute errors, and n [4]."""
    states, books = tables
    there = batch.book < len(books) - 1  # [hidden]
    rows = jnp.take(states, batch.cell, axis=0, mode="fill", fill_value=0.0)  # [rows, f]
    total = jnp.zeros((batch.n.shape[0], states.shape[1])).at[batch.who].add(rows)  # [b, f]
    hidden = jnp.tanh(states[-1] + total / jnp.sqrt(batch.n + 1)[:, None])  # [b, f]
    hidden = (hidden * batch.keep / (1 - task.dropout))[batch.asked]  # [hidden, f]
    own = jnp.take(books, batch.book, axis=0, mode="clip") + books[-1]  # [hidden, 2 f + k]
    f, t = states.shape[1], jnp.array(task.places)
    located, narrowed = (jnp.sum(hidden * own[:, side : side + f], axis=1)[:, None] for side in (0, f))  # [hidden, 1]
    chances = jax.nn.log_softmax(own[:, 2 * f :] + t * located - 0.5 * jnp.square(t) * narrowed)  # [hidden, k]
    lost = -jnp.sum(jnp.take_along_axis(chances, batch.value[:, None], axis=1)[:, 0] * there)
    values, n = jnp.array(task.values), jnp.maximum(jnp.sum(there), 1)
    error = (jnp.exp(chances) @ values - values[batch.value]) * there  # [hidden]
    decay = task.decay * (jnp.sum(jnp.square(states[:-1])) + jnp.sum(jnp.square(books[:-1])))
    return lost / n + decay, jnp.stack([lost, jnp.sum(jnp.square(error)), jnp.sum(jnp.abs(error)), jnp.sum(there)])


def step(
    task: Task, rates: adam.Rates, tables: tuple[adam.Rows, adam.Rows], numbered: tuple[Array, Batches]
) -> tuple[tuple[adam.Rows, adam.Rows], Array]:
    number, batch = numbered
    gradients, sums = jax.grad(partial(loss, task), has_aux=True)(tuple(table.value for table in tables), batch)
    states, books = (adam.update(table, one, number, rates) for table, one in zip(tables, gradients, strict=True))
    return (states, books), sums


@partial(jax.jit, static_argnums=0)
def run_epoch(
    task: Task, rates: adam.Rates, tables: tuple[adam.Rows, adam.Rows], numbered: tuple[AnyArray, Batches]
) -> tuple[tuple[adam.Rows, adam.Rows], Array]:
    """All steps of an epoch; and the sums over it as in `loss` [4]."""
    tables, sums = jax.lax.scan(partial(step, task, rates), tables, numbered)
    return tables, jnp.sum(sums, axis=0)


@dataclass
class Learner:
    """What the loop trains; `score` judges a network on validation."""

    config: Autoencoder
    readers: Readers
    n_books: int
    scale: Scale
    score: Callable[[Network], Scores | None]

    def __post_init__(self) -> None:
        config, readers = self.config, self.readers
        self.epochs, self.legs, self.state = config.epochs, 1, state_of(readers, self.scale)
        self.n_values, self.n_states = len(self.scale.values), len(self.scale.values) + len(SHELVES)
        self.raters = np.flatnonzero(readers.n_ratings)
        self.n_steps = -(-len(self.raters) // config.batch_size)
        decay = config.weight_decay / int(readers.rated.sum())
        self.task = Task(
            tuple(self.scale.values.tolist()), tuple(places_of(self.scale).tolist()), round(config.dropout, 2), decay
        )
        counts = np.array([self._counts(epoch) for epoch in range(self.epochs)])  # [epochs, 2, steps]
        self.n_rows, self.n_hidden = (int(n) for n in counts.max(axis=(0, 2)))

    def start(self, draw: int) -> tuple[adam.Rows, adam.Rows]:
        """W, V and U near 0; what all books share of l says how often each value is given."""
        f, rng = self.config.factors, generator(self.config.seed, "initial values", draw)
        states = rng.normal(0.0, 0.1, (self.n_books * self.n_states + 1, f))
        books = np.zeros((self.n_books + 1, 2 * f + self.n_values))
        books[:-1, :f] = rng.normal(0.0, 0.05, (self.n_books, f))
        books[:-1, f : 2 * f] = rng.normal(0.0, 0.01, (self.n_books, f))
        given = np.bincount(self.state[self.readers.rated], minlength=self.n_values)[: self.n_values] + 1
        states[-1], books[-1, 2 * f :] = 0.0, np.log(given / given.sum())
        rows = [adam.rows_of(jnp.asarray(table, jnp.float32)) for table in (states, books)]
        return rows[0], rows[1]

    def _order(self, epoch: int) -> Positions:
        """Readers by step and place [steps, batch]: all of them, and some of the first again to fill the last step."""
        order = generator(self.config.seed, "order", epoch).permutation(self.raters)
        return np.resize(order, (self.n_steps, self.config.batch_size))

    def _hidden(self, epoch: int) -> Mask:
        """Which rows are hidden [m]."""
        drawn = generator(self.config.seed, "hidden", epoch).random(len(self.state)) < self.config.held_back
        return np.asarray(drawn & self.readers.rated, bool)

    def _counts(self, epoch: int) -> AnyArray:
        """Rows that are shown and that are hidden in each step [2, steps]: room for all epochs lets one compilation serve."""
        hidden, owner = self._hidden(epoch), self.readers.owner
        of_reader = [np.bincount(owner[mask], minlength=len(self.readers)) for mask in (~hidden, hidden)]
        return np.array([counts[self._order(epoch)].sum(axis=1) for counts in of_reader])

    def batches(self, epoch: int) -> Batches:
        """The steps of an epoch."""
        order, shape = self._order(epoch), (self.n_steps, self.config.batch_size, self.config.factors)
        hidden = self._hidden(epoch)
        parts = [self._batch(readers, hidden) for readers in order]
        rng = generator(self.config.seed, "dropout", epoch)
        keep = rng.integers(0, 100, shape, np.uint8) >= round(100 * self.task.dropout)
        return Batches._make([*(np.stack(column) for column in zip(*parts, strict=True)), keep])

    def _batch(self, batch: Positions, hidden: Mask) -> tuple[AnyArray, ...]:
        """One step's arrays, but for `keep`."""
        counts = np.diff(self.readers.indptr)[batch]
        who = np.repeat(np.arange(len(batch), dtype=np.int32), counts)
        first = np.cumsum(counts) - counts
        row = np.arange(len(who)) + np.repeat(self.readers.indptr[batch] - first, counts)
        book, state, shown = self.readers.book_index[row], self.state[row], ~hidden[row]
        n = np.bincount(who[shown], minlength=len(batch)).astype(np.float32)
        ends = self.n_books * self.n_states + 1, self.n_books
        return (
            _padded(who[shown], self.n_rows, 0),
            _padded((book * self.n_states + state)[shown], self.n_rows, ends[0]),
            n,
            _padded(who[~shown], self.n_hidden, 0),
            _padded(book[~shown], self.n_hidden, ends[1]),
            _padded(state[~shown], self.n_hidden, 0),
        )

    def train_leg(
        self, state: tuple[adam.Rows, adam.Rows], epoch: int, leg: int, rate: float
    ) -> tuple[tuple[adam.Rows, adam.Rows], Floats]:
        rates = adam.rates_of(rise_and_fall(self.config.learning_rate * rate, self.epochs * self.n_steps))
        numbers = np.arange(1, self.n_steps + 1, dtype=np.int32) + epoch * self.n_steps
        state, sums = run_epoch(self.task, rates, state, (numbers, self.batches(epoch)))
        return state, np.array([*map(float, sums)])

    def validate(self, state: tuple[adam.Rows, adam.Rows]) -> Scores | None:
        return self.score(self.learned(state))

    def learned(self, state: tuple[adam.Rows, adam.Rows]) -> Network:
        """The two tables."""
        return np.asarray(state[0].value), np.asarray(state[1].value)

    def is_dead(self, state: tuple[adam.Rows, adam.Rows]) -> bool:
        """A tanh has no half on which it is deaf."""
        return False


def _padded(rows: AnyArray, n: int, fill: int) -> AnyArray:
    return np.concatenate([rows, np.full(n - len(rows), fill)]).astype(np.int32)
