"""How the GP's book table learns: the leave-one-out likelihood of packed users, in JAX. Imported only inside `fit`.

For one user with rated books O (Rasmussen & Williams 2006, 5.4.2; the objective of Sundararajan & Keerthi 2001):

    K = Q_O Q_O^T + a^2 11^T + diag(s^2)      y = r - mu_O - prior_O      A = K^-1      alpha = A y      d = diag(A)
    left-out residual alpha / d, its variance 1 / d (alpha of y without x on the shelves: `left_out`)
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
from shelfaware.training import adam

COMPILER_OPTIONS = {"xla_cpu_use_fusion_emitters": False}
"""XLA's older way to write CPU code is as fast for this step, and compiles it in 110 MB less memory."""


class Task(NamedTuple):
    """The strengths of decay and priors: of q, y and z in sqrt(stars), of mu in stars, of log s_j - log s."""

    weight_decay: Any
    vector_deviation: Any
    shelf_deviation: Any
    mean_deviation: Any
    noise_deviation: Any


class Batch(NamedTuple):
    """Packed users. A book is named by its place among `rows`; -1 marks an empty place."""

    rows: Any  # the books of the batch, each once; past the end where fewer [c]
    book: Any  # [blocks, n]
    stars: Any  # [blocks, n]
    owner: Any  # [blocks, n]
    shelved: Any  # 1 where that book is among the packed shelves too, else 0 [blocks, n]
    n_ratings: Any  # ratings of that book in the training data [blocks, n]
    shelf_book: Any  # [blocks, m]
    shelf_state: Any  # 0 read, 1 to-read [blocks, m]
    shelf_owner: Any  # [blocks, m]
    n_shelved: Any  # shelf rows of that book in the training data [blocks, m]


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


@jax.custom_vjp
def inverse(K: Array) -> Array:
    """A = K^-1 for K [..., n, n] symmetric positive definite. One inverse serves both directions: dK = -A dA A."""
    root = jnp.linalg.cholesky(K)  # [..., n, n]
    unit = jnp.broadcast_to(jnp.eye(K.shape[-1], dtype=K.dtype), K.shape)
    half = jax.lax.linalg.triangular_solve(root, unit, left_side=True, lower=True)  # L^-1 [..., n, n]
    return jnp.swapaxes(half, -1, -2) @ half


def _inverse_forward(K: Array) -> tuple[Array, Array]:
    A = inverse(K)
    return A, A


def _inverse_backward(A: Array, gradient: Array) -> tuple[Array]:
    return (-A @ gradient @ A,)


inverse.defvjp(_inverse_forward, _inverse_backward)


def left_out(A: Array, y: Array, without: Array) -> tuple[Array, Array]:
    """Residual and precision of each place, its own rating left out: both [..., n].

    `without` [..., x, i] is what to add to y_i when x is left out: x leaves the shelves, and with them the others' priors.

        alpha_x = sum over i of A_xi (y_i + without_xi)      residual alpha_x / d_x, precision d_x = A_xx
    """
    d = jnp.diagonal(A, axis1=-2, axis2=-1)  # [..., n]
    alpha = jnp.einsum("...xi,...i->...x", A, y) + jnp.sum(A * without, -1)  # [..., n]
    return alpha / d, d


def shelf_priors(q: Array, y: Array, own: Array, batch: Batch) -> tuple[Array, Array]:
    """prior_i of every rated place [blocks, n], and what it loses when another place leaves the shelves [blocks, x, i].

    q [blocks, n, factors]; y, z of the shelves' books [blocks, m, factors + 1] and of the rated ones, `own` [blocks, n, ..].
    """
    slots = jnp.arange(q.shape[1] // 2)  # a packed user has two ratings or more
    on_shelf = (batch.shelf_owner[:, None, :] == slots[:, None]).astype(q.dtype)  # [blocks, users, m]
    mine = (batch.owner[:, :, None] == slots).astype(q.dtype)  # [blocks, n, users]
    others = mine @ (on_shelf @ y) - batch.shelved[..., None] * own  # sum over N \\ i of (y_b, z_b) [blocks, n, factors + 1]
    total = (jnp.sum(q * others[..., :-1], -1) + others[..., -1])[:, None, :]  # [blocks, 1, i]
    n = (jnp.einsum("bnu,bu->bn", mine, jnp.sum(on_shelf, -1)) - batch.shelved)[:, None, :]  # |N \\ i| [blocks, 1, i]
    prior = total / jnp.sqrt(jnp.maximum(n, 1))  # [blocks, 1, i]
    rest = total - own[..., :-1] @ jnp.swapaxes(q, -1, -2) - own[..., -1:]  # [blocks, x, i]
    prior_without = jnp.where(n > 1, rest * jax.lax.rsqrt(jnp.maximum(n - 1, 1)), 0.0)  # [blocks, x, i]
    apart = (batch.owner[:, :, None] == batch.owner[:, None, :]) & ~jnp.eye(q.shape[1], dtype=bool)  # [blocks, x, i]
    return prior[:, 0], (prior - prior_without) * (apart * batch.shelved[:, :, None])


def batch_loss(task: Task, center: Array, values: tuple[Array, Array], batch: Batch) -> tuple[Array, Array]:
    """The loss of a batch from the rows of its books [c, width] and the scalars [1, 2].

    Beside it: ratings, and sums of squared and absolute left-out residuals [3]. `center` is the mean of all stars.
    """
    rows, scalars = values
    log_a, log_s = scalars[0, 0], scalars[0, 1]
    there, on_shelf = batch.owner >= 0, batch.shelf_owner >= 0  # [blocks, n], [blocks, m]
    books = columns(rows, (rows.shape[1] - 4) // 3)
    place = jnp.maximum(batch.book, 0)
    q = books.q[place] * there[..., None]  # [blocks, n, factors]
    mu, log_noise = books.mu[place], books.log_noise[place]  # [blocks, n]
    y = books.y[jnp.maximum(batch.shelf_book, 0), batch.shelf_state] * on_shelf[..., None]  # [blocks, m, factors + 1]
    prior, without = shelf_priors(q, y, books.y[place, READ] * there[..., None], batch)
    mine = (batch.owner[:, :, None] == batch.owner[:, None, :]) & there[:, :, None]  # [blocks, n, n]
    noise = jnp.where(there, jnp.exp(2 * (log_s + log_noise)), 1.0)  # [blocks, n]
    K = (q @ jnp.swapaxes(q, -1, -2) + jnp.exp(2 * log_a)) * mine + noise[..., None] * jnp.eye(noise.shape[-1])
    residual, precision = left_out(inverse(K), (batch.stars - mu - prior) * there, without)
    likelihood = 0.5 * jnp.sum((jnp.square(residual) * precision - jnp.log(precision)) * there)
    share, shelf_share = there / jnp.maximum(batch.n_ratings, 1), on_shelf / jnp.maximum(batch.n_shelved, 1)
    penalty = (
        _penalty(task, Columns(q, mu - center, log_noise, y), share)
        + jnp.sum(jnp.square(y) * shelf_share[..., None]) / (2 * task.shelf_deviation**2)
        + task.weight_decay * jnp.sum(jnp.square(q))
    )
    n, residual = jnp.sum(there), residual * there
    sums = jnp.stack([n.astype(jnp.float32), jnp.sum(jnp.square(residual)), jnp.sum(jnp.abs(residual))])
    return (likelihood + penalty) / jnp.maximum(n, 1), sums


def _penalty(task: Task, books: Columns, share: Array) -> Array:
    """-log of the Gaussian priors of q, mu and noise; each book's is paid in n_j equal shares, one a rating."""
    return jnp.sum(
        share
        * (
            jnp.sum(jnp.square(books.q), -1) / (2 * task.vector_deviation**2)
            + jnp.square(books.mu) / (2 * task.mean_deviation**2)
            + jnp.square(books.log_noise) / (2 * task.noise_deviation**2)
        )
    )


def step(
    task: Task, center: Array, rates: adam.Rates, parameters: Parameters, batch: tuple[Array, Batch]
) -> tuple[Parameters, Array]:
    """One Adam move of the rows of a batch. Returns the parameters and the batch's sums: loss x ratings, and as above [4]."""
    number, packed = batch
    books = adam.catch_up(adam.gather(parameters.books, packed.rows), number - 1, rates)
    values = (books.value, parameters.scalars.value)
    (loss, sums), gradient = jax.value_and_grad(partial(batch_loss, task, center), has_aux=True)(values, packed)
    books = adam.update(books, gradient[0], number, rates)
    scalars = adam.update(parameters.scalars, gradient[1], number, rates)
    return Parameters(adam.scatter(parameters.books, packed.rows, books), scalars), jnp.append(sums, loss * sums[0])


@partial(jax.jit, compiler_options=COMPILER_OPTIONS)
def run_epoch(
    task: Task, center: Array, rates: adam.Rates, parameters: Parameters, batches: tuple[Array, Batch]
) -> tuple[Parameters, Array]:
    """All steps of an epoch, then every row up to date. Returns the parameters and the summed sums [4]."""
    parameters, sums = jax.lax.scan(partial(step, task, center, rates), parameters, batches)
    return Parameters(adam.catch_up(parameters.books, batches[0][-1], rates), parameters.scalars), jnp.sum(sums, 0)
