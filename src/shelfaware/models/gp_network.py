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
from shelfaware.models.gp_shares import LAYOUT
from shelfaware.training import adam, devices
from shelfaware.training.devices import BY_ROWS, EVERYWHERE

ROWS = 8192
"""Rows of the table that are brought up to date at once."""

AT_ONCE = 1024
"""Places whose likelihood is computed at once: a core's cache holds their arrays."""


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


def columns(value: Array, factors: int) -> Columns:
    """Cuts rows [..., width]."""
    states = value[..., factors + 2 :].reshape(*value.shape[:-1], 2, factors + 1)
    return Columns(value[..., :factors], value[..., factors], value[..., factors + 1], states)


def batch_loss(task: Task, center: Array, values: tuple[Array, Array], batch: Batch) -> tuple[Array, Array]:
    """The loss of a batch from the rows of its books [c, width] and the scalars [1, 2].

    Beside it: ratings, and sums of squared and absolute left-out residuals [3]. `center` is the mean of all stars.
    """
    loss, sums = left_out_loss(values, batch)
    return (loss + penalty(task, center, values[0], batch)) / jnp.maximum(sums[0], 1), sums


@jax.custom_vjp
def left_out_loss(values: tuple[Array, Array], batch: Batch) -> tuple[Array, Array]:
    """The likelihood's part of the loss, summed [], and the sums of `batch_loss` [3]: no gradient goes through these."""
    return _forward(values, batch)[0]


def _forward(values: tuple[Array, Array], batch: Batch) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Some blocks at a time, whose arrays stay in a processor's cache; each adds to the gradient of the batch's rows."""
    rows, scalars = values
    fields = batch.book, batch.stars, batch.owner, batch.shelf_book, batch.shelf_state, batch.shelf_owner
    n_blocks, n = batch.owner.shape
    size = min(max(AT_ONCE // n, 1), n_blocks)
    in_turn = [jnp.pad(x, ((0, -n_blocks % size), (0, 0)), constant_values=-1).reshape(-1, size, x.shape[1]) for x in fields]

    def some(so_far: Sums, blocks: list[Array]) -> tuple[Sums, None]:
        return _added(values, so_far, blocks), None

    nothing = Sums(jnp.zeros_like(rows), jnp.zeros_like(scalars), jnp.zeros((), rows.dtype), jnp.zeros(3, rows.dtype))
    total, _ = jax.lax.scan(some, nothing, in_turn)
    return (total.loss, total.ratings.astype(jnp.float32)), (total.rows, total.scalars)


def _backward(gradient: tuple[Array, Array], of_loss: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
    return (gradient[0] * of_loss[0], gradient[1] * of_loss[0]), None


left_out_loss.defvjp(_forward, _backward)


class Sums(NamedTuple):
    """What adds up over the blocks of a batch."""

    rows: Array  # the gradient of the rows [c, width]
    scalars: Array  # and of the scalars [1, 2]
    loss: Array  # []
    ratings: Array  # their number, sums of squared and absolute residuals [3]


def _added(values: tuple[Array, Array], so_far: Sums, blocks: list[Array]) -> Sums:
    """The sums with some blocks more."""
    rows, scalars = values
    book, stars, owner, shelf_book, shelf_state, shelf_owner = blocks
    factors = (rows.shape[1] - 4) // 3
    book = jnp.maximum(book, 0)  # [blocks, n]
    shelves = jnp.concatenate([book, jnp.maximum(shelf_book, 0)], 1)  # [blocks, n + m]
    state = jnp.concatenate([jnp.full_like(book, READ), jnp.maximum(shelf_state, 0).astype(book.dtype)], 1)
    column = factors + 2 + (factors + 1) * state  # of y [blocks, n + m]
    of_book, z = _windows(rows, book, factors, 2), _windows(rows, shelves, column + factors, 1)[..., 0]
    vectors = _windows(rows, book, 0, factors), _windows(rows, shelves, column, factors)
    given = Values(
        vectors[0],  # q [blocks, n, factors]
        of_book[..., 0],  # mu [blocks, n]
        scalars[0, 1] + of_book[..., 1],  # log s [blocks, n]
        vectors[1],  # y [blocks, n + m, factors]
        z,  # [blocks, n + m]
        scalars[0, 0],  # log a
    )
    loss, residual, new = likelihood(given, Places(stars, owner, shelf_owner))
    gradient = _windows_added(so_far.rows, book, 0, new.q)
    gradient = _windows_added(gradient, book, factors, jnp.stack([new.mu, new.log_noise], -1))
    gradient = _windows_added(gradient, shelves, column, new.y)
    gradient = _windows_added(gradient, shelves, column + factors, new.z[..., None])
    n = jnp.sum(owner >= 0).astype(rows.dtype)
    return Sums(
        gradient,
        so_far.scalars + jnp.stack([new.log_bias, jnp.sum(new.log_noise)]),
        so_far.loss + loss,
        so_far.ratings + jnp.stack([n, jnp.sum(jnp.square(residual)), jnp.sum(jnp.abs(residual))]),
    )


def _windows(table: Array, row: Array, column: Array | int, size: int) -> Array:
    """`size` columns from `column` on of each row: [..] of a table [c, width] -> [.., size]. No copy of the columns is made."""
    cut = jax.lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0, 1))
    found = jax.lax.gather(table, _starts(row, column), cut, (1, size), mode="promise_in_bounds")
    return found.reshape(*row.shape, size)


def _windows_added(table: Array, row: Array, column: Array | int, new: Array) -> Array:
    """The table with `new` [.., size] added to those columns of the rows; what stands there twice adds up."""
    cut = jax.lax.ScatterDimensionNumbers(
        update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0, 1)
    )
    flat = new.reshape(-1, new.shape[-1])
    return jax.lax.scatter_add(table, _starts(row, column), flat, cut, mode="promise_in_bounds")


def _starts(row: Array, column: Array | int) -> Array:
    """[places, 2]"""
    return jnp.stack([row.ravel(), jnp.broadcast_to(column, row.shape).ravel()], -1)


def penalty(task: Task, center: Array, rows: Array, batch: Batch) -> Array:
    """-log of the Gaussian priors of the books' rows [c, width]; each is paid in equal shares, one a rating or shelf row."""
    factors = (rows.shape[1] - 4) // 3
    rated = jnp.zeros(len(rows), rows.dtype).at[jnp.maximum(batch.book, 0)].add(batch.owner >= 0)  # [c]
    shelved = 2 * jnp.maximum(batch.shelf_book, 0) + jnp.maximum(batch.shelf_state, 0)  # [blocks, m]
    shelves = jnp.zeros(2 * len(rows), rows.dtype).at[shelved].add(batch.shelf_owner >= 0).reshape(-1, 2)  # [c, 2]
    shelves = shelves.at[:, READ].add(rated) / jnp.maximum(batch.n_shelved, 1)[:, None]  # a rated book is read
    share = rated / jnp.maximum(batch.n_ratings, 1)  # [c]
    of_q = share / (2 * task.vector_deviation**2) + task.weight_decay * rated
    of_rest = share / (2 * task.mean_deviation**2), share / (2 * task.noise_deviation**2)
    of_y = jnp.repeat(shelves / (2 * task.shelf_deviation**2), factors + 1, axis=1)  # [c, 2 (factors + 1)]
    strength = jnp.concatenate([jnp.broadcast_to(of_q[:, None], (len(rows), factors)), jnp.stack(of_rest, -1), of_y], -1)
    return jnp.sum(strength * jnp.square(rows.at[:, factors].add(-center)))


def step(
    task: Task, center: Array, rates: adam.Rates, parameters: Parameters, batch: tuple[Array, Batch]
) -> tuple[Parameters, Array]:
    """One Adam move of the rows of a batch. Returns the parameters and the batch's sums: loss x ratings, and as above [4]."""
    number, packed = batch
    every = _every_book(packed, parameters)
    books = parameters.books if every else adam.catch_up(adam.gather(parameters.books, packed.rows), number - 1, rates)
    values = (books.value, parameters.scalars.value)
    (loss, sums), gradient = devices.value_and_grad(partial(batch_loss, task, center))(values, packed)
    books = adam.update(books, gradient[0], number, rates)
    scalars = adam.update(parameters.scalars, gradient[1], number, rates)
    table = books if every else adam.scatter(parameters.books, packed.rows, books, unique=True)
    return Parameters(table, scalars), jnp.append(sums, loss * sums[0])


def _every_book(batch: Batch, parameters: Parameters) -> bool:
    """Whether a step's rows are the table, in its order."""
    every: bool = batch.rows.shape[-1] == len(parameters.books.value)
    return every


def run_steps(task: Task, center: Array, rates: adam.Rates, parameters: Parameters, steps: Steps) -> tuple[Parameters, Array]:
    """The steps, in the place of `parameters`. Returns the parameters and the summed sums [4]."""
    run = _run_over_every_book if _every_book(steps.batch, parameters) else _run
    moved: tuple[Parameters, Array] = run(task, center, rates, parameters, steps)
    return moved


def _scanned(task: Task, center: Array, rates: adam.Rates, parameters: Parameters, steps: Steps) -> tuple[Parameters, Array]:
    def one(i: Array, so_far: tuple[Parameters, Array]) -> tuple[Parameters, Array]:
        parameters, sums = so_far
        moved, new = step(task, center, rates, parameters, jax.tree.map(lambda x: x[i], (steps.number, steps.batch)))
        return moved, sums.at[i].set(new)

    if _every_book(steps.batch, parameters):  # no step leaves one behind
        parameters = parameters._replace(books=adam.catch_up(parameters.books, steps.number[0] - 1, rates))
    start = parameters, jnp.zeros((len(steps.number), 4), jnp.float32)
    parameters, sums = jax.lax.fori_loop(0, steps.n, one, start)  # as many as there are, whatever the arrays' length
    return parameters, jnp.sum(sums, 0)


STATE = Parameters(BY_ROWS, EVERYWHERE)  # type: ignore[arg-type]
_on_devices = devices.divided(_scanned, (EVERYWHERE, EVERYWHERE, EVERYWHERE, STATE, LAYOUT), (STATE, EVERYWHERE))
_run = jax.jit(_on_devices, donate_argnums=3)
# XLA's older way to write CPU code compiles in half the time and 100 MB less, but scatters row by row.
_run_over_every_book = jax.jit(_on_devices, donate_argnums=3, compiler_options={"xla_cpu_use_fusion_emitters": False})


def _up_to_date(parameters: Parameters, number: Array, rates: adam.Rates) -> Parameters:
    """Every row as it is after step `number`, in the place of `parameters`: some at a time, so that no second table is made."""
    n = len(parameters.books.value)
    size = min(n, ROWS)

    def some(i: Array, books: adam.Rows) -> adam.Rows:
        index = jnp.minimum(i * size, n - size) + jnp.arange(size)  # a row that is up to date stays as it is
        rows = adam.catch_up(adam.gather(books, index), number, rates)
        return adam.scatter(books, index, rows, unique=True)

    return parameters._replace(books=jax.lax.fori_loop(0, -(-n // size), some, parameters.books))


up_to_date = jax.jit(devices.divided(_up_to_date, (STATE, EVERYWHERE, EVERYWHERE), STATE), donate_argnums=0)
