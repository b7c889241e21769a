"""Whether a model knows how sure it is: its deviation of a prediction against the error that was made.

The prediction is clipped to the star scale, and the deviation is that of the stars that somebody will give, steps of that
scale; the interval is not clipped. Stars come in steps, so no such interval covers them exactly at every level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl

from shelfaware.arrays import AnyArray, Floats, Mask
from shelfaware.errors import EvaluationError
from shelfaware.evaluation.metrics import Interval, bootstrap_mean, equal_count_bins, finite, residuals

LEVELS = tuple(percent / 100 for percent in range(5, 100, 5))


@dataclass(frozen=True)
class Coverage:
    """The share of ratings inside the central interval that promises to hold the share `level`."""

    level: float
    share: Interval


@dataclass(frozen=True)
class ReliabilityBin:
    """Pairs of like deviation: the deviation that was promised and the error that was made, both root mean squares."""

    deviation: float
    error: Interval
    n: int


def inside_interval(stars: AnyArray, predicted: AnyArray, deviation: AnyArray, level: float = 0.9) -> Mask:
    """Where |stars - predicted| <= z deviation [n], z the normal quantile of (1 + level) / 2."""
    return np.abs(_standardised(stars, predicted, deviation)) <= _quantile(level)


def interval_coverage(stars: AnyArray, predicted: AnyArray, deviation: AnyArray, level: float = 0.9) -> float:
    """The mean over pairs of `inside_interval`: 0.9 is perfect for the level 0.9."""
    return float(inside_interval(stars, predicted, deviation, level).mean())


def coverage_curve(
    stars: AnyArray,
    predicted: AnyArray,
    deviation: AnyArray,
    *,
    groups: AnyArray | None = None,
    levels: Sequence[float] = LEVELS,
) -> list[Coverage]:
    """`interval_coverage` at every level, each with its bootstrap interval (over whole `groups` [n] where given)."""
    distance = np.abs(_standardised(stars, predicted, deviation))
    return [Coverage(level, bootstrap_mean(distance <= _quantile(level), groups=groups)) for level in levels]


def reliability(
    stars: AnyArray, predicted: AnyArray, deviation: AnyArray, *, groups: AnyArray | None = None, bins: int = 10
) -> list[ReliabilityBin]:
    """Promised against made: pairs in bins of equal count by deviation, both sides as root mean squares, in stars.

    A deviation is right where mean (stars - predicted)^2 = mean deviation^2, hence squares on both sides.
    """
    squares, variance = residuals(stars, predicted) ** 2, _positive(deviation, len(stars)) ** 2
    of_pair = equal_count_bins(variance, bins)
    return [
        ReliabilityBin(
            deviation=float(np.sqrt(variance[inside].mean())),
            error=bootstrap_mean(squares[inside], groups=None if groups is None else groups[inside]).root(),
            n=len(inside),
        )
        for inside in (np.flatnonzero(of_pair == one) for one in np.unique(of_pair))
    ]


def error_rank_correlation(errors: AnyArray, deviation: AnyArray) -> float | None:
    """Spearman's rank correlation of |error| with the deviation, over pairs; None where either is constant."""
    size, deviation = np.abs(finite(errors, "errors")), finite(deviation, "deviations", len(errors))
    if len(size) < 2 or np.ptp(size) == 0 or np.ptp(deviation) == 0:
        return None
    return float(pl.select(pl.corr(pl.Series(size), pl.Series(deviation), method="spearman")).item())


def large_error_auc(errors: AnyArray, deviation: AnyArray, threshold: float = 1.0) -> float | None:
    """The chance that a pair with |error| > threshold has a larger deviation than one without, a tie counting half.

        AUC = (sum of the ranks of the n1 large errors - n1 (n1 + 1) / 2) / (n1 n0)      (Hanley & McNeil 1982)

    None where no error or every error is large, or the deviation is constant.
    """
    large, deviation = np.abs(finite(errors, "errors")) > threshold, finite(deviation, "deviations", len(errors))
    n_large, n_small = int(large.sum()), int((~large).sum())
    if not n_large or not n_small or np.ptp(deviation) == 0:
        return None
    ranks = pl.Series(deviation).rank("average").to_numpy()
    return float((ranks[large].sum() - n_large * (n_large + 1) / 2) / (n_large * n_small))


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise EvaluationError(f"the level of an interval lies between 0 and 1, not at {level:g}")
    return NormalDist().inv_cdf((1 + level) / 2)


def _standardised(stars: AnyArray, predicted: AnyArray, deviation: AnyArray) -> Floats:
    return residuals(stars, predicted) / _positive(deviation, len(stars))


def _positive(deviation: AnyArray, n: int) -> Floats:
    deviation = finite(deviation, "deviations", n)
    if (deviation <= 0).any():
        few = int((deviation <= 0).sum())
        raise EvaluationError(
            f"{few:,} of {n:,} deviations are not above 0; only a model that tells how sure it is can be checked"
        )
    return deviation
