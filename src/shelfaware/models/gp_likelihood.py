"""The left-out likelihood of packed users and its gradient in closed form, in JAX. Imported only inside `fit`.

With A = K^-1, alpha = A y, d = diag(A) for a block of users (`gp_network`), the loss is the sum over ratings x of

    1/2 (alpha_x^2 / d_x - log d_x)                        left-out residual alpha_x / d_x, its variance 1 / d_x

Where x leaves the shelves too, the priors of the user's other ratings i lose a part. With T_i = q_i . others_i + z of them, the
sum over N \\ i, n_i its size, r = n^-1/2 and s = (n - 1)^-1/2 (0 at n = 1), own_x = (y_x, z_x) and Z_i = s_i (q_i, 1):

    y_i = base_i - r_i T_i           what y_i gains without x:  e_i + own_x . Z_i,   e_i = (r_i - s_i) T_i
    alpha_x = (A y)_x + h_x ((P e)_x + own_x . (P Z)_x)    h_x: whether x is on the shelves; P is A with a diagonal of 0

since A is 0 between users. The gradient needs no array that this one has not (Rasmussen & Williams 2006, 5.4.2):

    g = alpha / d      S = h g      v = A g      X = S own      w = S (e + own . Z) + 1/2 (g^2 + 1 / d)
    -dK = (A X)(A Z)^T + (A S)(A e)^T + v (A y)^T - A diag(w) A, within users
    dT = (r - s) P S - r v      dq = s P (S y) + dT others + (dK + dK^T) q
    down = S P Z      dothers = dT (q, 1)      dbase = v      dbias = sum of dK      dnoise = diag(dK)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

SWEPT = 16
"""Up to this size an inverse is swept; a larger one is put together from quarters by matrix products."""


class Values(NamedTuple):
    """What the likelihood is a function of, by block and place: own and others have z last."""

    q: Array  # [blocks, n, factors]
    own: Array  # (y, z) of that book as read [blocks, n, factors + 1]
    others: Array  # sum of (y, z) over the user's other shelved books [blocks, n, factors + 1]
    base: Array  # stars - mu [blocks, n]
    noise: Array  # s^2 [blocks, n]
    bias: Array  # a^2 []


class Places(NamedTuple):
    """Who has which place, and what of the shelves does not depend on parameters."""

    owner: Any  # -1 where empty [blocks, n]
    shelved: Any  # h: 1 where that book is among the packed shelves too, else 0 [blocks, n]
    n_others: Array  # |N \\ i| [blocks, n]


class _Solved(NamedTuple):
    alpha: Array  # [blocks, n]
    d: Array  # [blocks, n]
    A: Array  # [blocks, n, n]
    right: Array  # Z, e and y as columns [blocks, n, factors + 3]
    spread: Array  # P (Z, e, y) [blocks, n, factors + 3]
    r: Array  # [blocks, n]
    s: Array  # [blocks, n]


@jax.custom_vjp
def likelihood(values: Values, places: Places) -> tuple[Array, Array]:
    """The loss, summed over all places [], and the left-out residuals [blocks, n]: no gradient goes through these."""
    return _told(_solve(values, places))


def _told(solved: _Solved) -> tuple[Array, Array]:
    alpha, d = solved.alpha, solved.d
    return 0.5 * jnp.sum(jnp.square(alpha) / d - jnp.log(d)), alpha / d  # [], [blocks, n]


def _solve(values: Values, places: Places) -> _Solved:
    q, own, others, base, noise, bias = values
    there = (places.owner >= 0).astype(q.dtype)  # [blocks, n]
    r = jax.lax.rsqrt(jnp.maximum(places.n_others, 1))  # [blocks, n]
    s = jnp.where(places.n_others > 1, jax.lax.rsqrt(jnp.maximum(places.n_others - 1, 1)), 0) * there  # [blocks, n]
    total = jnp.sum(q * others[..., :-1], -1) + others[..., -1]  # T [blocks, n]
    e, y = (r - s) * total * there, (base - r * total) * there  # [blocks, n]
    eye = jnp.eye(q.shape[1], dtype=q.dtype)
    K = jnp.where(_mine(places.owner), q @ _turned(q) + bias, 0) + jnp.where(there > 0, noise, 1)[..., None] * eye
    A = inverse(K)  # [blocks, n, n]
    d = _diagonal(A)  # [blocks, n]
    right = jnp.concatenate([s[..., None] * q, jnp.stack([s, e, y], -1)], -1)  # [blocks, n, factors + 3]
    spread = (A * (1 - eye)) @ right  # [blocks, n, factors + 3]
    gained = spread[..., -2] + jnp.sum(own * spread[..., :-2], -1)  # [blocks, n]
    return _Solved(spread[..., -1] + d * y + places.shelved * gained, d, A, right, spread, r, s)


def _forward(values: Values, places: Places) -> tuple[tuple[Array, Array], tuple[Values, Places, _Solved]]:
    solved = _solve(values, places)
    return _told(solved), (values, places, solved)


def _backward(kept: tuple[Values, Places, _Solved], gradient: tuple[Array, Array]) -> tuple[Values, None]:
    values, places, (alpha, d, A, right, spread, r, s) = kept
    q, own, others, *_ = values
    there, eye = places.owner >= 0, jnp.eye(q.shape[1], dtype=q.dtype)
    g = gradient[0] * alpha / d  # [blocks, n]
    S = places.shelved * g  # [blocks, n]
    left = jnp.concatenate([S[..., None] * own, jnp.stack([S, g], -1)], -1)  # X, S and g as columns [blocks, n, factors + 3]
    spread_left = (A * (1 - eye)) @ left  # [blocks, n, factors + 3]
    whole = spread_left + d[..., None] * left  # A (X, S, g) [blocks, n, factors + 3]
    v = whole[..., -1]  # [blocks, n]
    w = jnp.sum(left[..., :-2] * right[..., :-2], -1) + S * right[..., -2]  # [blocks, n]
    w += 0.5 * gradient[0] * (jnp.square(alpha / d) + 1 / d)  # [blocks, n]
    dK = (A * w[..., None, :]) @ A - whole @ _turned(spread + d[..., None] * right)  # [blocks, n, n]
    dK = jnp.where(_mine(places.owner), dK, 0)  # [blocks, n, n]
    total = (r - s) * spread_left[..., -2] - r * v  # dT [blocks, n]
    dq = s[..., None] * spread_left[..., :-3] + total[..., None] * others[..., :-1] + (dK + _turned(dK)) @ q
    ones = jnp.ones_like(q[..., :1])
    of_values = Values(
        dq,  # [blocks, n, factors]
        S[..., None] * spread[..., :-2],  # [blocks, n, factors + 1]
        total[..., None] * jnp.concatenate([q, ones], -1),  # [blocks, n, factors + 1]
        v,  # [blocks, n]
        jnp.where(there, _diagonal(dK), 0),  # [blocks, n]
        jnp.sum(dK),  # []
    )
    return of_values, None


likelihood.defvjp(_forward, _backward)


def _mine(owner: Array) -> Array:
    """Whether two places are one user's [blocks, n, n]."""
    return (owner[:, :, None] == owner[:, None, :]) & (owner >= 0)[:, :, None]


def _turned(matrices: Array) -> Array:
    return jnp.swapaxes(matrices, -1, -2)


def _diagonal(A: Array) -> Array:
    n = A.shape[-1]
    return A.reshape(*A.shape[:-2], n * n)[..., :: n + 1]  # [..., n]


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
    top = jnp.concatenate([first + _turned(T) @ W, -_turned(W)], -1)  # [..., half, n]
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
