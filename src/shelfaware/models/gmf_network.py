"""GMF's network and how it learns, in JAX: the notebook's, to the letter, or mended. Imported only inside `fit`.

    h = relu(w . (u * v * mask / keep) + c)        prediction = a h + d        (+ b_u + b_v when mended)

u and v are rows of the user and the book table, mask keeps an element with probability `keep` while training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from shelfaware.arrays import AnyArray, Floats, Mask, Positions
from shelfaware.seeding import generator
from shelfaware.training import adam
from shelfaware.training.coming import Coming
from shelfaware.training.history import Scores

if TYPE_CHECKING:
    from shelfaware.models.gmf import GMF


class Task(NamedTuple):
    """What a compiled step depends on, beside the shapes."""

    biases: bool
    dropout: float
    weight_decay: float


class Ratings(NamedTuple):
    """Rows to learn from or to score; in training each field is [steps, batch], else [n]."""

    user: Any
    book: Any
    stars: Any


class Tables(NamedTuple):
    """A network's values. With biases the last column of a table is its bias."""

    users: Any  # [n_users, factors (+ 1)]
    books: Any  # [n_books, factors (+ 1)]
    head: Any  # [1, factors + 3]: w, c, a, d


class Network(NamedTuple):
    """The tables with their Adam state."""

    users: adam.Rows
    books: adam.Rows
    head: adam.Rows

    @property
    def tables(self) -> Tables:
        return Tables(self.users.value, self.books.value, self.head.value)


DEAD_DEVIATION = 1e-3
"""A network whose output deviates less than this over the training rows, in stars, is dead."""


def forward(users: Array, books: Array, head: Array, mask: Array | float = 1.0) -> Array:
    """The network's output, without biases: users, books [b, factors], head [factors + 3], mask over keep -> [b]."""
    w, (c, a, d) = head[:-3], (head[-3], head[-2], head[-1])
    hidden = jax.nn.relu((users * books * mask) @ w + c)  # [b]
    return a * hidden + d


def predict(task: Task, users: Array, books: Array, head: Array, mask: Array | float = 1.0) -> Array:
    """Stars, unclipped [b], from rows of the tables."""
    if not task.biases:
        return forward(users, books, head, mask)
    return users[:, -1] + books[:, -1] + forward(users[:, :-1], books[:, :-1], head, mask)


def batch_loss(task: Task, rows: tuple[Array, Array, Array], stars: Array, mask: Array) -> tuple[Array, Array]:
    """Mean over the batch of squared error + weight_decay (|a| sum_f |w_f| (u_f^2 + v_f^2) + b_u^2 + b_v^2); and the errors.

    The decay counts an embedding by what the head makes of it. Plain |u|^2 + |v|^2 would be evaded: scaling u and v down
    and w up leaves every prediction as it was. NaN stars are padding.
    """
    users, books, head = rows
    there = ~jnp.isnan(stars)  # [b]
    error = jnp.where(there, predict(task, users, books, head[0], mask) - jnp.nan_to_num(stars), 0.0)  # [b]
    worth = jnp.abs(head[0, :-3] * head[0, -2])  # [factors]
    worth = jnp.append(worth, 1.0) if task.biases else worth  # [factors (+ 1)]
    decay = ((jnp.square(users) + jnp.square(books)) @ worth) * there  # [b]
    return (jnp.sum(jnp.square(error)) + task.weight_decay * jnp.sum(decay)) / jnp.sum(there), error


def step(task: Task, rates: adam.Rates, network: Network, batch: tuple[Array, Ratings, Array]) -> tuple[Network, Array]:
    """Brings the rows of one batch up to date, then one gradient and one Adam move of each.

    Returns the network and the batch's sums of loss, squared and absolute error [3].
    """
    number, ratings, mask = batch
    users = adam.catch_up(adam.gather(network.users, ratings.user), number - 1, rates)
    books = adam.catch_up(adam.gather(network.books, ratings.book), number - 1, rates)
    scale = mask.astype(jnp.float32) / (1.0 - task.dropout)  # [b, factors]
    rows = (users.value, books.value, network.head.value)
    (loss, error), gradient = jax.value_and_grad(partial(batch_loss, task), has_aux=True)(rows, ratings.stars, scale)
    # A row that stands twice in the batch gets the sum of its gradients, at each place the same.
    users = adam.update(users, same(ratings.user) @ gradient[0], number, rates)
    books = adam.update(books, same(ratings.book) @ gradient[1], number, rates)
    network = Network(
        adam.scatter(network.users, ratings.user, users),
        adam.scatter(network.books, ratings.book, books),
        adam.update(network.head, gradient[2], number, rates),
    )
    n = jnp.sum(~jnp.isnan(ratings.stars))
    return network, jnp.stack([loss * n, jnp.sum(jnp.square(error)), jnp.sum(jnp.abs(error))])


def same(index: Array) -> Array:
    """Which places of a batch hold the same row, as 0 and 1 [b, b]."""
    return (index[:, None] == index[None, :]).astype(jnp.float32)


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def run_steps(task: Task, rates: adam.Rates, network: Network, batches: tuple[Array, Ratings, Array]) -> tuple[Network, Array]:
    """The steps, in the place of `network`. Returns the network and the summed sums of `step` [3]."""
    network, sums = jax.lax.scan(partial(step, task, rates), network, batches)
    return network, jnp.sum(sums, axis=0)


@partial(jax.jit, donate_argnums=0)
def up_to_date(network: Network, number: Array, rates: adam.Rates) -> Network:
    """Every row as it is after step `number`, in the place of `network`."""
    users, books = (adam.catch_up(table, number, rates) for table in (network.users, network.books))
    return Network(users, books, network.head)


@partial(jax.jit, static_argnums=0)
def score(task: Task, tables: Tables, ratings: Ratings) -> Array:
    """Sum of squared and of absolute errors, and the deviation of the network's own output [3]."""
    users, books, head = tables.users[ratings.user], tables.books[ratings.book], tables.head[0]
    error = predict(task, users, books, head) - ratings.stars  # [n]
    factors = len(head) - 3
    output = forward(users[:, :factors], books[:, :factors], head)  # [n]
    return jnp.stack([jnp.sum(jnp.square(error)), jnp.sum(jnp.abs(error)), jnp.std(output)])


MOST_CELLS = 2**26
"""Places of a dropout mask, a byte each, that are drawn at once: an epoch of more is trained in legs."""


@dataclass
class GMFLearner:
    """What the loop trains: a configuration, the rows to learn from and the rows to watch."""

    config: GMF
    train: Ratings
    validation: Ratings
    n_users: int
    n_books: int

    def __post_init__(self) -> None:
        self.epochs, self.n = self.config.epochs, len(self.train.stars)
        self.n_steps = -(-self.n // self.config.batch_size)
        cells = self.n_steps * self.config.batch_size * self.config.factors
        self.steps_of_leg = -(-self.n_steps // max(-(-cells // MOST_CELLS), 1))
        self.legs = -(-self.n_steps // self.steps_of_leg)
        self.coming = Coming(self.batches, self.epochs, self.legs)
        self._order: tuple[int, Positions] = -1, np.empty(0, np.int64)
        self._rates: tuple[float, adam.Rates] | None = None
        self.task = Task(self.config.biases, round(self.config.dropout, 2), self.config.weight_decay)

    def start(self, draw: int) -> Network:
        """Keras's initial values: embeddings uniform(+-0.05), dense layers Glorot-uniform, biases 0.

        Mended: embeddings N(0, 0.1^2), biases 0, and a head that starts alive, at relu(w . (u * v) + 1) - 1 + mean stars.
        """
        rng, config = generator(self.config.seed, "initial values", draw), self.config
        head = np.zeros(config.factors + 3)
        if config.biases:
            tables = [rng.normal(0.0, 0.1, (n, config.factors + 1)) for n in (self.n_users, self.n_books)]
            for table in tables:
                table[:, -1] = 0.0
            head[:-3], head[-3:] = 1.0, (1.0, 1.0, np.mean(self.train.stars, dtype=np.float64) - 1.0)
        else:
            tables = [rng.uniform(-0.05, 0.05, (n, config.factors)) for n in (self.n_users, self.n_books)]
            limit, limit_out = np.sqrt(6 / (config.factors + 1)), np.sqrt(6 / 2)
            head[:-3], head[-2] = rng.uniform(-limit, limit, config.factors), rng.uniform(-limit_out, limit_out)
        return Network(*(adam.rows_of(jnp.asarray(x, jnp.float32)) for x in (*tables, head[None])))

    def batches(self, epoch: int, leg: int) -> tuple[AnyArray, Ratings, Mask]:
        """Step numbers [steps], shuffled rows [steps, batch] (NaN stars are padding) and the dropout mask of a leg."""
        of_epoch, order = self._order
        if of_epoch != epoch:
            order = generator(self.config.seed, "order", epoch).permutation(self.n)
            self._order = epoch, order
        first, size = leg * self.steps_of_leg, self.config.batch_size
        n_steps = min(self.steps_of_leg, self.n_steps - first)
        order = order[first * size : (first + n_steps) * size]
        real, order = len(order), np.resize(order, (n_steps, size))  # [steps, batch]
        stars = self.train.stars[order]
        stars.ravel()[real:] = np.nan
        numbers = np.arange(1, n_steps + 1, dtype=np.int32) + epoch * self.n_steps + first
        return numbers, Ratings(self.train.user[order], self.train.book[order], stars), self._mask((epoch, leg), order.shape)

    def _mask(self, place: tuple[int, int], shape: tuple[int, int]) -> Mask:
        """Keeps an element with probability exactly 1 - dropout, to the hundredth: whole draws below 100."""
        hundredths = round(self.config.dropout * 100)
        if not hundredths:
            return np.ones((*shape, 1), bool)
        divisor = np.gcd(hundredths, 100)
        rng = generator(self.config.seed, "dropout", *(place if place[1] else place[:1]))
        draws = rng.integers(0, 100 // divisor, (*shape, self.config.factors), np.uint8)
        keep: Mask = draws >= hundredths // divisor
        return keep

    def train_leg(self, state: Network, epoch: int, leg: int, rate: float) -> tuple[Network, Floats]:
        if self._rates is None or self._rates[0] != rate:
            self._rates = rate, adam.rates_of(np.full(self.epochs * self.n_steps, self.config.learning_rate * rate))
        batches = self.coming(epoch, leg)
        state, sums = run_steps(self.task, self._rates[1], state, batches)
        if leg + 1 == self.legs:
            state = up_to_date(state, jnp.int32((epoch + 1) * self.n_steps), self._rates[1])
        return state, np.array([*map(float, sums), np.count_nonzero(~np.isnan(batches[1].stars))])

    def validate(self, state: Network) -> Scores | None:
        n = len(self.validation.stars)
        if not n:
            return None
        squared, absolute, _ = (float(total) / n for total in score(self.task, state.tables, self.validation))
        return Scores(squared, squared, absolute)

    def learned(self, state: Network) -> Tables:
        """Copies of the values: the next epoch works in the place of the state."""
        return Tables(*map(np.array, state.tables))

    def is_dead(self, state: Network) -> bool:
        return self.are_dead(state.tables)

    def are_dead(self, tables: Tables) -> bool:
        return float(score(self.task, tables, self.train)[2]) < DEAD_DEVIATION
