"""Stars as steps of a latent normal: the ordered probit (McCullagh 1980; Albert & Chib 1993). NumPy only.

r = value_k where cut_k-1 < z <= cut_k        z ~ N(m, s^2)        P(r > value_k) = Phi((m - cut_k) / s)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.interactions import Scale

END, KNOTS = 8.0, 1000
PHI = np.array([0.5 * math.erfc(-i / KNOTS / math.sqrt(2)) for i in range(round(-END * KNOTS), round(END * KNOTS) + 2)])
"""The normal distribution function from -END on, KNOTS a unit; between two a straight line is off by 3e-8 at most.

`scipy.special.ndtr` is exact and as fast, but importing it takes a third of the time in which a person gets an answer.
"""

LEAST_VARIANCE = 1e-4
"""Of stars: nobody's next star is certain."""

LEAST_CHANCE = 1e-15, 1 - 1e-15
"""Of a draw to lie farther out: that is 8 deviations."""

FARTHEST = 4.0
"""Deviations between a mean and the step that was seen: from farther off, the step says no more."""


def normal_cdf(x: AnyArray) -> Floats:
    """Phi(x), of any shape."""
    place = (np.clip(x, -END, END) + END) * KNOTS
    knot = place.astype(np.int32)
    below = PHI[knot]
    return np.asarray(below + (place - knot) * (PHI[knot + 1] - below), np.float64)


def _density(x: AnyArray) -> Floats:
    return np.asarray(np.exp(-0.5 * np.square(x)) / math.sqrt(2 * math.pi))


@dataclass(frozen=True, eq=False)
class StarSteps:
    """The values [n] of a star scale, ascending, and the cuts [n - 1] between them on the latent line."""

    values: Floats
    cuts: Floats

    @classmethod
    def rounding(cls, scale: Scale) -> StarSteps:
        """A latent star is rounded to the nearest value."""
        return cls(scale.values, (scale.values[1:] + scale.values[:-1]) / 2)

    @classmethod
    def of_counts(cls, scale: Scale, counts: AnyArray) -> StarSteps:
        """Cuts between which a standard normal falls as often as each value was given, one more of each: none is empty."""
        from statistics import NormalDist

        shares = np.cumsum(counts + 1.0)[:-1] / (np.sum(counts) + len(counts))  # [n - 1]
        return cls(scale.values, np.array([NormalDist().inv_cdf(share) for share in shares.tolist()]))

    def moments(self, mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
        """E[r] and Var[r] where z ~ N(mean, deviation^2), of any shape.

        E[r] = v_1 + sum_k (v_k+1 - v_k) P(r > v_k), and likewise E[r^2].
        """
        first, second = np.full(mean.shape, self.values[0]), np.full(mean.shape, self.values[0] ** 2)
        for low, high, cut in zip(self.values, self.values[1:], self.cuts, strict=False):
            above = normal_cdf((mean - cut) / deviation)
            first += (high - low) * above
            second += (high**2 - low**2) * above
        return first, np.maximum(second - first**2, LEAST_VARIANCE)

    def step_of(self, stars: AnyArray) -> AnyArray:
        """Which value each star is, from 0."""
        step = self.values[1] - self.values[0]
        return np.asarray(np.rint((stars - self.values[0]) / step), np.int64)

    def bounds(self, step: AnyArray) -> tuple[Floats, Floats]:
        """The cuts below and above the value of each step; infinite at the ends."""
        edges = np.concatenate([[-np.inf], self.cuts, [np.inf]])
        return edges[step], edges[step + 1]

    @staticmethod
    def latent(mean: Floats, deviation: Floats, bounds: tuple[Floats, Floats]) -> Floats:
        """E[z | low < z <= high] where z ~ N(mean, deviation^2): m + s (phi(a) - phi(b)) / (Phi(b) - Phi(a))."""
        mean = near(mean, deviation, bounds)
        a, b = (bounds[0] - mean) / deviation, (bounds[1] - mean) / deviation
        return np.asarray(mean + deviation * (_density(a) - _density(b)) / (normal_cdf(b) - normal_cdf(a)))


def near(mean: AnyArray, deviation: AnyArray, bounds: tuple[AnyArray, AnyArray]) -> AnyArray:
    """The mean, moved to within FARTHEST deviations of its step."""
    reach = FARTHEST * deviation
    return np.clip(mean, bounds[0] - reach, bounds[1] + reach)


def draw_latent(mean: AnyArray, deviation: AnyArray, bounds: tuple[AnyArray, AnyArray], rng: np.random.Generator) -> AnyArray:
    """z ~ N(mean, deviation^2) given low < z <= high, by inverting the distribution function. Never infinite: in float64."""
    from scipy.special import ndtr, ndtri

    mean, deviation = mean.astype(np.float64), deviation.astype(np.float64)
    mean = near(mean, deviation, bounds)
    low, high = (ndtr((bound - mean) / deviation) for bound in bounds)
    chance = np.clip(low + (high - low) * rng.random(len(mean)), *LEAST_CHANCE)
    return np.clip(mean + deviation * ndtri(chance), *bounds)
