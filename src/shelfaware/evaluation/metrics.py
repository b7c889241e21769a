"""Errors of predicted stars: one value a pair, then means with intervals. What is averaged over what is always said.

RMSE is `bootstrap_mean(squared_errors(stars, predicted)).root()`: a percentile interval passes through a square root.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Indices
from shelfaware.errors import EvaluationError
from shelfaware.seeding import generator


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its interval; the bounds are NaN where one group alone tells nothing of the spread."""

    mean: float
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        """Whether the interval cannot rule `value` out."""
        return not (value < self.low or value > self.high)

    def root(self) -> Interval:
        """The interval of the square root: RMSE from MSE."""
        return Interval(*(float(np.sqrt(part)) for part in (self.mean, self.low, self.high)))


@dataclass(frozen=True)
class Decile:
    """A tenth of the pairs: those whose user or book has `least` to `most` ratings."""

    least: int
    most: int
    n: int
    mean: Interval


def squared_errors(stars: AnyArray, predicted: AnyArray) -> Floats:
    """(stars - predicted)^2 of each pair [n], in stars^2; its mean over pairs is the MSE."""
    return residuals(stars, predicted) ** 2


def absolute_errors(stars: AnyArray, predicted: AnyArray) -> Floats:
    """|stars - predicted| of each pair [n], in stars; its mean over pairs is the MAE."""
    return np.abs(residuals(stars, predicted))


def residuals(stars: AnyArray, predicted: AnyArray) -> Floats:
    """stars - predicted of each pair [n], in stars. Raises EvaluationError where a pair lacks either."""
    return finite(stars, "stars") - finite(predicted, "predictions", len(stars))


def bootstrap_mean(
    values: AnyArray, *, groups: AnyArray | None = None, seed: int = 0, n_resamples: int = 1000, level: float = 0.95
) -> Interval:
    """Mean over `values` [n] with its percentile bootstrap interval (Efron & Tibshirani 1993, 13.3).

    With `groups` [n] (the user of each pair) whole groups are drawn, with replacement, as many as there are: pairs of
    one user are alike, and an interval that takes them for independent is too narrow. The mean stays over pairs.
    """
    values = finite(values, "values")
    if not len(values):
        raise EvaluationError("there is nothing to average: no pair was held out")
    if groups is not None and len(groups) != len(values):
        raise EvaluationError(f"there are {len(groups):,} groups for {len(values):,} values; give one a value")
    group = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sums, counts = np.bincount(group, values), np.bincount(group)
    if len(sums) == 1:
        return Interval(float(values.mean()), np.nan, np.nan)
    rng, means = generator(seed, "bootstrap"), np.empty(n_resamples)
    for i in range(n_resamples):
        drawn = rng.integers(len(sums), size=len(sums))
        means[i] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_difference(a: AnyArray, b: AnyArray, *, groups: AnyArray | None = None, seed: int = 0) -> Interval:
    """Mean over pairs of a - b [n], two models on the same pairs: `0 in` it where they cannot be told apart."""
    a = finite(a, "values")
    return bootstrap_mean(a - finite(b, "values", len(a)), groups=groups, seed=seed)


def by_decile(values: AnyArray, activity: AnyArray, *, groups: AnyArray | None = None, seed: int = 0) -> list[Decile]:
    """Means of `values` [n] by tenths of the pairs, from the least to the most `activity` [n].

    `activity` is the number of training ratings of the pair's user, or of its book. Pairs of equal activity stay
    together, so tenths are equal as far as ties allow, and there are fewer than ten where one value fills several.
    """
    values, activity = finite(values, "values"), np.asarray(activity)
    decile = equal_count_bins(finite(activity, "activities", len(values)))
    return [
        Decile(
            least=int(activity[inside].min()),
            most=int(activity[inside].max()),
            n=len(inside),
            mean=bootstrap_mean(values[inside], groups=None if groups is None else groups[inside], seed=seed),
        )
        for inside in (np.flatnonzero(decile == one) for one in np.unique(decile))
    ]


def equal_count_bins(values: AnyArray, n_bins: int = 10) -> Indices:
    """Bin 0 to n_bins - 1 of each value [n], of equal count as far as ties allow: a tie goes with its middle rank."""
    _, tie, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2
    return (n_bins * middle / max(len(values), 1)).astype(np.int32)[tie]


def finite(values: AnyArray, what: str, n: int | None = None) -> Floats:
    """`values` as float64 [n]. Raises EvaluationError where one is missing or not finite."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or (n is not None and len(values) != n):
        raise EvaluationError(
            f"{what} have shape {values.shape}; {'one dimension' if n is None else f'{n:,} values'} are needed"
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise EvaluationError(
            f"{len(bad):,} of {len(values):,} {what} are not finite, the first at {bad[0]}; every pair needs one"
        )
    return values
