"""The draws that Gibbs sampling of a factorisation is made of, batched over like users or books. NumPy and SciPy.

Everything is a Bayesian linear regression: weights w ~ N(mean, R R^T) and rows t_i = f_i . w + N(0, s_i^2). Whitened, w = R v
with v ~ N(R^-1 mean, I) and features F R, a draw of the posterior needs no root of its covariance: draw v_0 from the prior and
e from the noise, and move v_0 by what its regression on t + e - F v_0 says (perturb and condition, Papandreou & Yuille 2010):

    n <= f:  v = v_0 + F^T (F F^T + diag(s^2))^-1 (t + e - F v_0)
    n >  f:  v = v_0 + (I + F^T diag(s^-2) F)^-1 F^T diag(s^-2) (t + e - F v_0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions, Stars

CELLS = 250_000
"""Numbers in the largest array of a chunk: what stays in a core's cache."""


class Prior(NamedTuple):
    """N(mean, root root^T); root [f, f] is lower triangular, mean [f] or, one for each, [n, f]."""

    mean: Floats
    root: Floats


@dataclass(frozen=True, eq=False)
class Side:
    """The users or the books of m ratings: `chunks` of (which of them [b], their rows [b, n], m where they have fewer).

    other [m + 1]   whom each rating is of on the other side; n_other for the empty row m
    """

    n: int
    other: Positions
    chunks: list[tuple[Positions, Positions]]

    @classmethod
    def of(cls, owner: Positions, n: int, other: tuple[Positions, int], features: int) -> Side:
        """From the owner [m] of each rating, and from (whom, how many) there are opposite."""
        size, order = np.bincount(owner, minlength=n), np.append(np.argsort(owner, kind="stable"), len(owner))
        start, by_size = np.cumsum(size) - size, np.argsort(size, kind="stable")
        sizes, chunks, first = size[by_size], [], 0
        while first < n:
            longest = max(int(1.25 * sizes[first]) + 1, 2)
            alike = int(np.searchsorted(sizes, longest, side="right"))
            end = min(alike, first + max(CELLS // (longest * features), 1))
            who, place = by_size[first:end], np.arange(max(sizes[end - 1], 1))
            there = place < size[who][:, None]
            chunks.append((who, order[np.where(there, start[who][:, None] + place, len(owner))]))
            first = end
        return cls(n, np.append(other[0], other[1]), chunks)


def draw_vectors(side: Side, others: Stars, rows: tuple[Stars, Stars], prior: Prior, rng: np.random.Generator) -> Stars:
    """Weights of everybody on one side [n, f], given those opposite, `others` [n_other, f].

    The last weight is a bias: a row is t = others[:, :-1] . w[:-1] + w[-1] + noise. `rows` are t and s^2, both [m].
    """
    f = others.shape[1]
    features = np.zeros((len(others) + 1, f), np.float32)  # the last one, of empty places, stays 0
    features[:-1, :-1], features[:-1, -1] = others[:, :-1], 1.0
    features = features @ prior.root.astype(np.float32)
    target, noise = (np.append(x, fill).astype(np.float32) for x, fill in zip(rows, (0.0, 1.0), strict=True))
    target[:-1] += np.sqrt(noise[:-1]) * rng.standard_normal(len(target) - 1, np.float32)
    start = rng.standard_normal((side.n, f), np.float32)  # v_0 [n, f]
    start += np.linalg.solve(prior.root, np.atleast_2d(prior.mean).T).T.astype(np.float32)
    return np.asarray(conditioned(side, features, (target, noise), start) @ prior.root.T.astype(np.float32))


def conditioned(side: Side, features: Stars, rows: tuple[Stars, Stars], start: Stars) -> Stars:
    """The mean of weights ~ N(start, I) given rows t = features . w + N(0, s^2), of everybody on one side [n, f].

    features [n_other + 1, f] with a last row of 0; `rows` are t and s^2, both [m + 1], 0 and 1 in the last.
    """
    target, noise = rows
    weights = start.copy()
    for who, row in side.chunks:
        x = features[side.other[row]]  # [b, n, f]
        weights[who] += _moved(x, target[row] - np.matmul(x, start[who][:, :, None])[..., 0], noise[row])
    return weights


def _moved(x: AnyArray, error: AnyArray, noise: AnyArray) -> AnyArray:
    """The mean of N(0, I) weights given x [b, n, f] . w = error [b, n], by the smaller of the two systems [b, f]."""
    turned = np.swapaxes(x, 1, 2)  # [b, f, n]
    n, f = x.shape[1:]
    if n <= f:
        K = x @ turned  # [b, n, n]
        K[:, np.arange(n), np.arange(n)] += noise
        return np.asarray((turned @ np.linalg.solve(K, error[..., None]))[..., 0])
    scaled = turned / noise[:, None, :]  # [b, f, n]
    C = scaled @ x  # [b, f, f]
    C[:, np.arange(f), np.arange(f)] += 1.0
    return np.asarray(np.linalg.solve(C, scaled @ error[..., None])[..., 0])


def draw_prior(products: Floats, n: int, scatter: Floats, rng: np.random.Generator) -> Prior:
    """The prior of n vectors, a draw given them: mean ~ N(0, Sigma), Sigma ~ inverse Wishart(f + 2, diag(scatter)).

    products [f + 1, f + 1] are X^T M^-1 X of X = (vectors, 1) [n, f + 1], where M_ab Sigma_ij is the covariance of entry i of
    vector a and entry j of vector b (a matrix normal): M = I where the vectors are independent.
    """
    from scipy.stats import invwishart

    f, count, total = len(scatter), products[-1, -1], products[-1, :-1]
    scale = np.diag(scatter) + products[:-1, :-1] - np.outer(total, total) / (count + 1)
    root = np.linalg.cholesky(np.atleast_2d(invwishart(f + 2 + n, scale).rvs(random_state=rng)))
    return Prior(total / (count + 1) + root @ rng.standard_normal(f) / np.sqrt(count + 1), root)


LEAST_NOISE = 1e-4
"""Of a variance, where all stars are the same and nothing is left to explain."""

FREEDOM = np.geomspace(4.0, 4096.0, 21)
"""Degrees of freedom nu that the noise of books may have; at the last, all books are as noisy."""


def draw_noise(squares: Floats, n: Floats, level: float, rng: np.random.Generator) -> tuple[Floats, float]:
    """s_i^2 of each book [n_books] and their common level s^2, from sums of squared errors and counts, both [n_books].

    s_i^2 ~ scaled inverse chi^2(nu, s^2). nu is drawn from FREEDOM and s^2 moved, s_i^2 integrated out; then s_i^2, then s^2.
    """
    likelihood = np.array([_noise_likelihood(squares, n, level, freedom) for freedom in FREEDOM])
    weight = np.exp(likelihood - likelihood.max())
    freedom = float(rng.choice(FREEDOM, p=weight / weight.sum()))
    level = _moved_level(squares, n, (level, freedom), rng)
    noise = np.maximum((freedom * level + squares) / (2 * rng.gamma((freedom + n) / 2)), LEAST_NOISE)
    level = float(rng.gamma(freedom * len(n) / 2 + 1) / (freedom / 2 * (1 / noise).sum()))
    return noise, max(level, LEAST_NOISE)


def _noise_likelihood(squares: Floats, n: Floats, level: float, freedom: float) -> float:
    """log p(squares | nu, s^2), s_i^2 integrated out, but for a constant."""
    from scipy.special import gammaln

    half = (freedom + n) / 2
    terms = (
        gammaln(half) - gammaln(freedom / 2) - n / 2 * np.log(freedom * level) - half * np.log1p(squares / (freedom * level))
    )
    return float(terms.sum())


def _moved_level(squares: Floats, n: Floats, at: tuple[float, float], rng: np.random.Generator) -> float:
    """A Metropolis move of s^2, proposed as if all books were as noisy: where they are, s_i^2 and s^2 hold each other."""
    (level, freedom), total, m = at, float(squares.sum()), float(n.sum())
    proposed = max(total / rng.chisquare(m), LEAST_NOISE)
    gain = 0.0
    for sign, x in ((1, proposed), (-1, level)):
        gain += sign * (_noise_likelihood(squares, n, x, freedom) + (m / 2 + 1) * np.log(x) + total / (2 * x))
    return proposed if np.log(rng.random()) < gain else level
