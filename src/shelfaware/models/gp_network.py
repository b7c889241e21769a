"""How the GP's book table learns: the leave-one-out likelihood of packed users, in JAX. Imported only inside `fit`.

For one user with rated books O (Rasmussen & Williams 2006, 5.4.2; the objective of Sundararajan & Keerthi 2001):

    K = Q_O Q_O^T + a^2 11^T + diag(s^2)      y = r - mu_O - prior_O      A = K^-1      alpha = A y      d = diag(A)
    left-out residual alpha / d, its variance 1 / d
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

from shelfaware.training import adam


class Task(NamedTuple):
    """What a compiled step depends on, beside the shapes. Deviations are of the Gaussian priors, in stars or sqrt(stars)."""

    factors: int
    weight_decay: float
    vector_deviation: float
    shelf_deviation: float
    mean_deviation: float
    noise_deviation: float


class Batch(NamedTuple):
    """Packed users. A book is named by its place among `rows`; -1 marks an empty place."""

    rows: Any  # the books of the batch, each once; past the end where fewer [c]
    book: Any  # [blocks, n]
    stars: Any  # [blocks, n]
    owner: Any  # [blocks, n]
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
def inverse_solve(K: Array, y: Array) -> tuple[Array, Array]:
    """alpha = K^-1 y and d = diag(K^-1), for K [..., n, n] positive definite, y [..., n].

    One inverse serves both directions: with A = K^-1,
    dK = -(A g_alpha) alpha^T - A diag(g_d) A,   dy = A g_alpha.
    """
    return _solve(K, y)[0]


def _solve(K: Array, y: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    root = jnp.linalg.cholesky(K)  # [..., n, n]
    unit = jnp.broadcast_to(jnp.eye(K.shape[-1], dtype=K.dtype), K.shape)
    half = jax.lax.linalg.triangular_solve(root, unit, left_side=True, lower=True)  # L^-1 [..., n, n]
    A = jnp.swapaxes(half, -1, -2) @ half  # [..., n, n]
    alpha = jnp.einsum("...ij,...j->...i", A, y)  # [..., n]
    return (alpha, jnp.diagonal(A, axis1=-2, axis2=-1)), (A, alpha)


def _solve_backward(saved: tuple[Array, Array], gradient: tuple[Array, Array]) -> tuple[Array, Array]:
    A, alpha = saved
    g_alpha, g_d = gradient
    dy = jnp.einsum("...ij,...j->...i", A, g_alpha)  # [..., n]
    dK = -dy[..., :, None] * alpha[..., None, :] - (A * g_d[..., None, :]) @ A  # [..., n, n]
    return dK, dy


inverse_solve.defvjp(_solve, _solve_backward)


def shelf_prior(q: Array, y: Array, batch: Batch) -> Array:
    """prior_x of every rated place [blocks, n], from q [blocks, n, factors] and the shelves' y, z [blocks, m, factors + 1]."""
    mine = batch.owner[:, :, None] == batch.shelf_owner[:, None, :]  # [blocks, n, m]
    other = mine & (batch.book[:, :, None] != batch.shelf_book[:, None, :])  # [blocks, n, m]
    terms = q @ jnp.swapaxes(y[..., :-1], -1, -2) + y[..., None, :, -1]  # [blocks, n, m]
    return jnp.sum(terms * other, -1) / jnp.sqrt(jnp.maximum(jnp.sum(other, -1), 1))  # [blocks, n]


def batch_loss(task: Task, center: Array, values: tuple[Array, Array], batch: Batch) -> tuple[Array, Array]:
    """The loss of a batch from the rows of its books [c, width] and the scalars [1, 2].

    Beside it: ratings, and sums of squared and absolute left-out residuals [3]. `center` is the mean of all stars.
    """
    rows, scalars = values
    log_a, log_s = scalars[0, 0], scalars[0, 1]
    there, on_shelf = batch.owner >= 0, batch.shelf_owner >= 0  # [blocks, n], [blocks, m]
    books = columns(rows, task.factors)
    place = jnp.maximum(batch.book, 0)
    q = books.q[place] * there[..., None]  # [blocks, n, factors]
    mu, log_noise = books.mu[place], books.log_noise[place]  # [blocks, n]
    y = books.y[jnp.maximum(batch.shelf_book, 0), batch.shelf_state] * on_shelf[..., None]  # [blocks, m, factors + 1]
    left = (batch.stars - mu - shelf_prior(q, y, batch)) * there  # [blocks, n]
    mine = (batch.owner[:, :, None] == batch.owner[:, None, :]) & there[:, :, None]  # [blocks, n, n]
    noise = jnp.where(there, jnp.exp(2 * (log_s + log_noise)), 1.0)  # [blocks, n]
    K = (q @ jnp.swapaxes(q, -1, -2) + jnp.exp(2 * log_a)) * mine + noise[..., None] * jnp.eye(noise.shape[-1])
    alpha, d = inverse_solve(K, left)
    residual = alpha / d  # [blocks, n]
    likelihood = 0.5 * jnp.sum((jnp.square(residual) * d - jnp.log(d)) * there)
    share, shelf_share = there / jnp.maximum(batch.n_ratings, 1), on_shelf / jnp.maximum(batch.n_shelved, 1)
    penalty = (
        _penalty(task, Columns(q, mu - center, log_noise, y), share)
        + jnp.sum(jnp.square(y) * shelf_share[..., None]) / (2 * task.shelf_deviation**2)
        + task.weight_decay * jnp.sum(jnp.square(q))
    )
    n = jnp.sum(there)
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


@partial(jax.jit, static_argnums=0)
def run_epoch(
    task: Task, center: Array, rates: adam.Rates, parameters: Parameters, batches: tuple[Array, Batch]
) -> tuple[Parameters, Array]:
    """All steps of an epoch, then every row up to date. Returns the parameters and the summed sums [4]."""
    parameters, sums = jax.lax.scan(partial(step, task, center, rates), parameters, batches)
    return Parameters(adam.catch_up(parameters.books, batches[0][-1], rates), parameters.scalars), jnp.sum(sums, 0)
