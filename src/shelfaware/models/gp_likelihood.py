"""The left-out likelihood of packed users and its gradient in closed form, in JAX. Imported only inside `fit`.

For a block of users with ratings x, i and shelf rows b, those of the rated books themselves first (`gp_network`), with
K = q q^T + a^2 + diag(s^2) within users, A = K^-1, d = diag(A), P = A with a diagonal of 0, and H_ib = q_i . y_b + z_b. N_i
are the shelf rows of i's user without i's own, n_i their number, r = n^-1/2 and t = (n - 1)^-1/2 (0 at n = 1):

    T_i = sum of H_ib over b in N_i      y_i = stars_i - mu_i - r_i T_i      e_i = (r_i - t_i) T_i
    y_i gains e_i + t_i H_ix without x, which leaves the shelves too:        alpha_x = (A y)_x + sum_i P_xi (e_i + t_i H_ix)

The loss is the sum of 1/2 (alpha^2 / d - log d): the left-out residual is alpha / d, its variance 1 / d (Rasmussen & Williams
2006, 5.4.2). The gradient, with g = alpha / d, v = A g and w_x = g_x (e_x + t_x H_xx) + 1/2 (g_x^2 + 1 / d_x):

    dK = A (diag(w) - M) A,   M_ix = g_x (e_i + t_i H_ix + y_i) within users      dmu = -v    ds^2 = diag(dK)    da^2 = sum dK
    dT = (r - t) (v - d g) - r v        dH_ib = dT_i [b in N_i] + [b is x's own] P_ix t_i g_x
    dq = (dK + dK^T) q + dH y         dy = dH^T q         dz = sums of dH over i

What makes it fast on a processor: all products have sides of whole vectors, and no array but rows of q and y is wider than a
block. Small vectors that many elements need are made once (`made_once`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from shelfaware.training.fusion import made_once

SWEPT = 16
"""Up to this size an inverse is swept; a larger one is put together from quarters by matrix products."""


class Values(NamedTuple):
    """What the likelihood is a function of, or its gradient, by block and place."""

    q: Array  # [blocks, n, factors]
    mu: Array  # [blocks, n]
    log_noise: Array  # log s, all of it [blocks, n]
    y: Array  # of the rated books as read, then of the other shelf rows [blocks, n + m, factors]
    z: Array  # [blocks, n + m]
    log_bias: Array  # log a []


class Places(NamedTuple):
    """Who has which place; -1 where it is empty, in `shelf_owner` any other negative number."""

    stars: Any  # [blocks, n]
    owner: Any  # [blocks, n]
    shelf_owner: Any  # [blocks, m]


class _LeftOut(NamedTuple):
    """What the gradient needs again."""

    A: Array  # [blocks, n, n]
    d: Array  # [blocks, n]
    r: Array  # [blocks, n]
    t: Array  # [blocks, n]
    g: Array  # [blocks, n]
    w: Array  # [blocks, n]
    gains: Array  # e_i + t_i H_ix + y_i [blocks, n, n]
    mine: Array  # [blocks, n, n + m]
    turned: Array  # [blocks, n + m, n]


def likelihood(values: Values, places: Places) -> tuple[Array, Array, Values]:
    """The loss, summed over all places [], the left-out residuals [blocks, n], and the loss's gradient."""
    solved = _solved(values, places)
    loss = 0.5 * jnp.sum(jnp.square(solved.g) * solved.d - jnp.log(solved.d))  # []
    return loss, solved.g, _gradient(values, (places.owner >= 0).astype(values.q.dtype), solved)


def _solved(values: Values, places: Places) -> _LeftOut:
    q, mu, log_noise, rows, z, log_bias = values
    n, there = q.shape[1], (places.owner >= 0).astype(q.dtype)  # [blocks, n]
    eye, apart = jnp.eye(n, dtype=q.dtype), 1 - jnp.eye(n, rows.shape[1], dtype=q.dtype)  # [n, n], [n, n + m]
    mine, turned = _of_same_user(places, q.dtype)  # [blocks, n, n + m], [blocks, n + m, n]
    noise = jnp.where(there > 0, jnp.exp(2 * log_noise), 1)  # [blocks, n]
    A = inverse(mine[..., :n] * (q @ _turned(q) + jnp.exp(2 * log_bias)) + noise[..., None] * eye)  # [blocks, n, n]
    H = q @ _turned(rows) + z[:, None, :]  # [blocks, n, n + m]
    number, total = jnp.sum(mine * apart, -1), jnp.sum(mine * apart * H, -1)  # [blocks, n]
    r, t = jax.lax.rsqrt(jnp.maximum(number, 1)), jax.lax.rsqrt(jnp.maximum(number - 1, 1)) * (number > 1)  # [blocks, n]
    r, t, e, y = made_once(r, t * there, (r - t) * total * there, (places.stars - mu - r * total) * there)  # [blocks, n]
    d, own = jnp.sum(A * eye, -1), jnp.sum(H[..., :n] * eye, -1)  # [blocks, n]
    gains = t[..., None] * H[..., :n] + e[..., None]  # [blocks, n, n]
    g = jnp.sum(A * (y[..., None] + (1 - eye) * gains), -2) / d  # [blocks, n]
    g, w = made_once(g, (g * (e + t * own) + 0.5 * (jnp.square(g) + 1 / d)) * there)  # [blocks, n]
    return _LeftOut(A, d, r, t, g, w, gains + y[..., None], mine, turned)


def _gradient(values: Values, there: Array, solved: _LeftOut) -> Values:
    q, rows = values.q, values.y
    A, d, r, t, g, w, gains, mine, turned = solved
    n, more = q.shape[1], rows.shape[1] - q.shape[1]
    eye, apart = jnp.eye(n, dtype=q.dtype), 1 - jnp.eye(n, n + more, dtype=q.dtype)  # [n, n], [n, n + m]
    v = jnp.sum(A * g[:, None, :], -1)  # [blocks, n]
    dK = A @ (w[..., None] * eye - mine[..., :n] * g[:, None, :] * gains) @ A  # [blocks, n, n]
    dnoise = 2 * jnp.exp(2 * values.log_noise) * jnp.sum(dK * eye, -1) * there  # [blocks, n]
    dT, v, dnoise = made_once((r - t) * (v - d * g) - r * v, v, dnoise)  # [blocks, n]
    left = (1 - eye) * A  # P [blocks, n, n]
    dH = mine * apart * dT[..., None]  # [blocks, n, n + m]
    dH += jnp.pad(left * t[..., None] * g[:, None, :], ((0, 0), (0, 0), (0, more)))
    dH_turned = turned * apart.T * dT[:, None, :]  # [blocks, n + m, n]
    dH_turned += jnp.pad(left * g[..., None] * t[:, None, :], ((0, 0), (0, more), (0, 0)))
    return Values(
        (dK + _turned(dK)) @ q + dH @ rows,  # [blocks, n, factors]
        -v,  # [blocks, n]
        dnoise,  # [blocks, n]
        dH_turned @ q,  # [blocks, n + m, factors]
        jnp.sum(dH_turned, -1),  # [blocks, n + m]
        2 * jnp.exp(2 * values.log_bias) * jnp.sum(dK),  # []
    )


def _of_same_user(places: Places, dtype: Any) -> tuple[Array, Array]:
    """Which shelf rows are of the user of a rating [blocks, n, n + m], and the same turned [blocks, n + m, n].

    As products, which XLA makes once where it would compare again for every use, and twice, since a turned factor is slow.
    """
    users = jnp.arange(max(places.owner.shape[1] // 2, 1))  # a packed user has two ratings or more
    owner = jnp.concatenate([places.owner, places.shelf_owner], 1)  # [blocks, n + m]
    of_all = (owner[..., None] == users).astype(dtype)  # [blocks, n + m, users]
    of_rated = of_all[:, : places.owner.shape[1]]  # [blocks, n, users]
    return of_rated @ _turned(of_all), of_all @ _turned(of_rated)


def _turned(matrices: Array) -> Array:
    return jnp.swapaxes(matrices, -1, -2)


def inverse(K: Array) -> Array:
    """A = K^-1 for K [..., n, n] symmetric positive definite, by quarters.

    With S = (K_22 - K_21 K_11^-1 K_12)^-1 and W = S K_21 K_11^-1:

        A = [[K_11^-1 + (K_21 K_11^-1)^T W, -W^T], [-W, S]]

    XLA leaves Cholesky and triangular systems to LAPACK, matrix by matrix; products run in vectors and compile in no time.
    """
    n = K.shape[-1]
    if n <= SWEPT:
        return _swept(K)
    half = n // 2
    first, below = inverse(K[..., :half, :half]), K[..., half:, :half]
    T = below @ first  # [..., n - half, half]
    S = inverse(K[..., half:, half:] - T @ _turned(below))  # [..., n - half, n - half]
    W = S @ T  # [..., n - half, half]
    top = jnp.concatenate([first + (first @ _turned(below)) @ W, -_turned(W)], -1)  # [..., half, n]
    return jnp.concatenate([top, jnp.concatenate([-W, S], -1)], -2)  # [..., n, n]


def _swept(K: Array) -> Array:
    """Gauss and Jordan's inverse, pivot by pivot, with the batch as last axis: that one runs in vectors."""
    n = K.shape[-1]
    places = jnp.arange(n)

    def sweep(k: int, A: Array) -> Array:
        here = (places == k)[:, None]  # [n, 1]
        row = jnp.where(here, 1, A[k]) / A[k, k]  # [n, batch]
        column = jnp.where(here, 1, -A[:, k])  # [n, batch]
        return jnp.where(here[None] | here[:, None], 0, A) + column[:, None] * row  # [n, n, batch]

    last = jnp.moveaxis(K.reshape(-1, n, n), 0, -1)  # [n, n, batch]
    return jnp.moveaxis(jax.lax.fori_loop(0, n, sweep, last), -1, 0).reshape(K.shape)
