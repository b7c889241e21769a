"""How the GP's book table learns: the leave-one-out likelihood of packed users, in JAX. Imported only inside `fit`.

For one user with rated books O (Rasmussen & Williams 2006, 5.4.2; the objective of Sundararajan & Keerthi 2001):

    K = Q_O Q_O^T + a^2 11^T + diag(s^2)      y = r - mu_O - prior_O      A = K^-1      alpha = A y      d = diag(A)
    left-out residual alpha / d, its variance 1 / d (alpha of y without x on the shelves: `gp_likelihood`)
    loss = mean over ratings of 1/2 (residual^2 / variance + log variance), plus Gaussian priors on a book's row

Users of a block share one K, zero between them. Shelf states enter y as in SVD++ (Koren 2008):

    prior_x = |N \\ x|^-1/2 sum over b in N \\ x of (q_x . y_b + z_b)         own y, z for read and to-read
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from shelfaware.data.interactions import READ
from shelfaware.models.gp_batches import Batch, Steps
from shelfaware.models.gp_likelihood import Places, Values, likelihood
from shelfaware.training import adam

ROWS = 8192
"""Rows of the table that are brought up to date at once."""


class Task(NamedTuple):
    """The strengths of decay and priors: of q, y and z in sqrt(stars), of mu in stars, of log s_j - log s."""

    weight_decay: Any
    vector_deviation: Any
    shelf_deviation: Any
    mean_deviation: Any
    noise_deviation: Any


class Parameters(NamedTuple):
    """One row a book, cut into columns by `columns`; and the two scalars log a, log s."""

    books: adam.Rows  # value [n_books, width]
    scalars: adam.Rows  # value [1, 2]


class Columns(NamedTuple):
    """A book's row: q, mu, log of its noise beside the common s, and per shelf state y and z."""

    q: Array  # [..., factors]
    mu: Array  # [...]
    log_noise: Array  # [...]
    y: Array  # [..., 2, factors + 1], z last


def width(factors: int) -> int:
    return factors + 2 + 2 * (factors + 1)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def columns(value: Array, factors: int) -> Columns:
    """Cuts rows [..., width]. Its gradient is put together at once: autodiff pads each piece to the width and adds them."""
    states = value[..., factors + 2 :].reshape(*value.shape[:-1], 2, factors + 1)
    return Columns(value[..., :factors], value[..., factors], value[..., factors + 1], states)


def _columns_forward(value: Array, factors: int) -> tuple[Columns, None]:
    return columns(value, factors), None


def _columns_backward(factors: int, _: None, gradient: Columns) -> tuple[Array]:
    q, mu, log_noise, y = gradient
    states = y.reshape(*q.shape[:-1], 2 * (factors + 1))
    return (jnp.concatenate([q, mu[..., None], log_noise[..., None], states], -1),)  # [..., width]


columns.defvjp(_columns_forward, _columns_backward)


def batch_loss(task: Task, center: Array, values: tuple[Array, Array], batch: Batch) -> tuple[Array, Array]:
    """The loss of a batch from the rows of its books [c, width] and the scalars [1, 2].

    Beside it: ratings, and sums of squared and absolute left-out residuals [3]. `center` is the mean of all stars.
    """
    rows, scalars = values
    log_a, log_s = scalars[0, 0], scalars[0, 1]
    books = columns(rows, (rows.shape[1] - 4) // 3)
    there, place = batch.owner >= 0, jnp.maximum(batch.book, 0)  # [blocks, n]
    own = books.y[:, READ][place]  # [blocks, n, factors + 1]
    others, n_others = other_shelves(books.y, own, batch)  # [blocks, n, factors + 1], [blocks, n]
    noise = jnp.exp(2 * (log_s + books.log_noise[place]))  # [blocks, n]
    given = Values(books.q[place], own, others, batch.stars - books.mu[place], noise, jnp.exp(2 * log_a))
    loss, residual = likelihood(given, Places(batch.owner, batch.shelved, n_others))
    n, residual = jnp.sum(there), residual * there
    sums = jnp.stack([n.astype(jnp.float32), jnp.sum(jnp.square(residual)), jnp.sum(jnp.abs(residual))])
    return (loss + penalty(task, books._replace(mu=books.mu - center), batch)) / jnp.maximum(n, 1), sums


def other_shelves(y: Array, own: Array, batch: Batch) -> tuple[Array, Array]:
    """Sum of (y, z) over the user's packed shelves without that place's book, and their number.

    Both [blocks, n, ..]. y [c, 2, factors + 1] of all books, own [blocks, n, factors + 1] of the places' books as read.
    """
    n_blocks, n = batch.owner.shape
    first = n // 2 * jnp.arange(n_blocks)[:, None]  # a packed user has two ratings or more
    nobody = n_blocks * (n // 2)
    shelf_owner = jnp.where(batch.shelf_owner >= 0, first + batch.shelf_owner, nobody).ravel()  # [blocks m]
    owner = jnp.where(batch.owner >= 0, first + batch.owner, nobody)  # [blocks, n]
    rows = y.reshape(-1, y.shape[-1])[_shelf_rows(batch)]  # [blocks m, factors + 1]
    sums = jnp.zeros((nobody + 1, y.shape[-1]), y.dtype).at[shelf_owner].add(rows)  # [users, factors + 1]
    counts = jnp.zeros(nobody + 1, y.dtype).at[shelf_owner].add(1)  # [users]
    return sums[owner] - batch.shelved[..., None] * own, counts[owner] - batch.shelved


def _shelf_rows(batch: Batch) -> Array:
    """Rows of (book, state) of the packed shelves [blocks m]."""
    return jnp.ravel(2 * jnp.maximum(batch.shelf_book, 0) + batch.shelf_state)


def penalty(task: Task, books: Columns, batch: Batch) -> Array:
    """-log of the Gaussian priors of the books; each is paid in equal shares, one a rating or shelf row."""
    there, on_shelf = batch.owner >= 0, (batch.shelf_owner >= 0).ravel()  # [blocks, n], [blocks m]
    counts = jnp.zeros_like(books.mu).at[jnp.maximum(batch.book, 0)].add(there)  # [c]
    shelf_counts = jnp.zeros(2 * len(counts), counts.dtype).at[_shelf_rows(batch)].add(on_shelf).reshape(-1, 2)  # [c, 2]
    squares = jnp.sum(jnp.square(books.q), -1)  # [c]
    rated = (
        squares / (2 * task.vector_deviation**2)
        + jnp.square(books.mu) / (2 * task.mean_deviation**2)
        + jnp.square(books.log_noise) / (2 * task.noise_deviation**2)
    )  # [c]
    shelved = jnp.sum(jnp.square(books.y), -1) / (2 * task.shelf_deviation**2)  # [c, 2]
    paid = jnp.sum(counts * (rated / jnp.maximum(batch.n_ratings, 1) + task.weight_decay * squares))
    return paid + jnp.sum(shelf_counts * shelved / jnp.maximum(batch.n_shelved, 1)[:, None])


def step(
    task: Task, center: Array, rates: adam.Rates, parameters: Parameters, batch: tuple[Array, Batch]
) -> tuple[Parameters, Array]:
    """One Adam move of the rows of a batch. Returns the parameters and the batch's sums: loss x ratings, and as above [4]."""
    number, packed = batch
    every = len(packed.rows) == len(parameters.books.value)  # then the rows are the table, in its order
    books = parameters.books if every else adam.gather(parameters.books, packed.rows)
    books = adam.catch_up(books, number - 1, rates)
    values = (books.value, parameters.scalars.value)
    (loss, sums), gradient = jax.value_and_grad(partial(batch_loss, task, center), has_aux=True)(values, packed)
    books = adam.update(books, gradient[0], number, rates)
    scalars = adam.update(parameters.scalars, gradient[1], number, rates)
    table = books if every else adam.scatter(parameters.books, packed.rows, books, unique=True)
    return Parameters(table, scalars), jnp.append(sums, loss * sums[0])


def run_steps(task: Task, center: Array, rates: adam.Rates, parameters: Parameters, steps: Steps) -> tuple[Parameters, Array]:
    """The steps, in the place of `parameters`. Returns the parameters and the summed sums [4]."""
    every = steps.batch.rows.shape[1] == len(parameters.books.value)
    run = _run_over_every_book if every else _run
    moved: tuple[Parameters, Array] = run(task, center, rates, parameters, steps)
    return moved


def _scanned(task: Task, center: Array, rates: adam.Rates, parameters: Parameters, steps: Steps) -> tuple[Parameters, Array]:
    def one(i: Array, so_far: tuple[Parameters, Array]) -> tuple[Parameters, Array]:
        parameters, sums = so_far
        moved, new = step(task, center, rates, parameters, jax.tree.map(lambda x: x[i], (steps.number, steps.batch)))
        return moved, sums.at[i].set(new)

    start = parameters, jnp.zeros((len(steps.number), 4), jnp.float32)
    parameters, sums = jax.lax.fori_loop(0, steps.n, one, start)  # as many as there are, whatever the arrays' length
    return parameters, jnp.sum(sums, 0)


_run = jax.jit(_scanned, donate_argnums=3)
# XLA's older way to write CPU code compiles in half the time and 100 MB less, but scatters row by row.
_run_over_every_book = jax.jit(_scanned, donate_argnums=3, compiler_options={"xla_cpu_use_fusion_emitters": False})


@partial(jax.jit, donate_argnums=0)
def up_to_date(parameters: Parameters, number: Array, rates: adam.Rates) -> Parameters:
    """Every row as it is after step `number`, in the place of `parameters`: some at a time, so that no second table is made."""
    n = len(parameters.books.value)
    size = min(n, ROWS)

    def some(i: Array, books: adam.Rows) -> adam.Rows:
        index = jnp.minimum(i * size, n - size) + jnp.arange(size)  # a row that is up to date stays as it is
        rows = adam.catch_up(adam.gather(books, index), number, rates)
        return adam.scatter(books, index, rows, unique=True)

    return parameters._replace(books=jax.lax.fori_loop(0, -(-n // size), some, parameters.books))
