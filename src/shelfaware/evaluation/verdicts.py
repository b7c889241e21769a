"""Whether one model is better than another: paired differences over rounds, and what may be said of them.

Two intervals are made of every difference, for two reasons why it could be chance, and the wider one counts:

* the readers who happen to be in the data: a bootstrap that draws whole users, the same ones for every model and round;
* with several rounds, the split and the fit that happened to be drawn: d_r is the difference in round r of J, and

      mean(d) +- t_(J-1) sqrt((1 / J + n_test / n_train) var(d))

  The second term is there because the training sets of rounds overlap, so that rounds are no independent repeats
  (Nadeau & Bengio 2003, the corrected resampled t-test; for folds n_test / n_train = 1 / (k - 1), Bouckaert & Frank 2004).

An interval is for one pair of models, not for all pairs at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions
from shelfaware.evaluation.metrics import Interval
from shelfaware.seeding import generator

Verdict = Literal["better", "worse", "not distinguishable"]

N_RESAMPLES = 2000


class Sampled(NamedTuple):
    """Values of a round that a figure is the mean of [n], each of a user [n]; NaN where there is none."""

    values: Floats
    user_index: AnyArray


@dataclass(frozen=True)
class Pair:
    """Model `a` against model `b`: the mean difference a - b, and whether a is better, worse, or neither can be said."""

    a: str
    b: str
    difference: Interval
    verdict: Verdict


class Resampled(NamedTuple):
    """Means of models on the same values: in each round [m, rounds], and over rounds in each resample of users [m, B]."""

    by_round: Floats
    replicates: Floats


def resample(models: Sequence[Sequence[Sampled]], *, seed: int = 0, n_resamples: int = N_RESAMPLES) -> Resampled:
    """From the values of each model in each round; every round has the same weight in a mean over rounds.

    A user is drawn with all their values in all rounds. Users without values are never drawn.
    """
    sums, counts = _by_user(models)  # [m, rounds, n], [rounds, n]
    n = counts.shape[1]
    rng, replicates = generator(seed, "bootstrap"), np.empty((len(models), n_resamples))
    for i in range(n_resamples):
        weight = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
        replicates[:, i] = _means(sums @ weight, counts @ weight) if n > 1 else np.nan
    return Resampled(sums.sum(axis=2) / counts.sum(axis=1), replicates)


def _by_user(models: Sequence[Sequence[Sampled]]) -> tuple[Floats, Floats]:
    """Sums of each model and counts, by round and by user who has a value in any round."""
    first = models[0]
    known = [~np.isnan(one.values) for one in first]
    users = np.unique(np.concatenate([one.user_index[mask] for one, mask in zip(first, known, strict=True)]))
    place = [np.searchsorted(users, one.user_index[mask]) for one, mask in zip(first, known, strict=True)]
    counts = np.stack([np.bincount(at, minlength=len(users)) for at in place]).astype(np.float64)
    sums = np.stack([[_sums(*parts, len(users)) for parts in zip(rounds, known, place, strict=True)] for rounds in models])
    return sums, counts


def _sums(sampled: Sampled, known: AnyArray, place: Positions, n: int) -> Floats:
    return np.asarray(np.bincount(place, sampled.values[known], minlength=n), np.float64)


def _means(sums: Floats, counts: Floats) -> Floats:
    """Means over the rounds that a resample has values in, [m, rounds] and [rounds] to [m]."""
    some = counts > 0
    return np.asarray((sums[:, some] / counts[some]).mean(axis=1))


def interval(by_round: Floats, replicates: Floats, overlap: float, level: float = 0.95) -> Interval:
    """The mean of `by_round` [rounds] with the wider of its two intervals; `overlap` is n_test / n_train of a round.

    The bounds are NaN where one user alone tells nothing of the spread.
    """
    mean, rounds = float(by_round.mean()), len(by_round)
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    if rounds > 1:
        from scipy.stats import t

        half = t.ppf((1 + level) / 2, rounds - 1) * np.sqrt((1 / rounds + overlap) * by_round.var(ddof=1))
        low, high = min(low, mean - half), max(high, mean + half)
    return Interval(mean, float(low), float(high))


def verdict(difference: Interval, *, less_is_better: bool) -> Verdict:
    """What the interval of a - b says of a."""
    if difference.low > 0 or difference.high < 0:
        return "better" if (difference.high < 0) == less_is_better else "worse"
    return "not distinguishable"


def pairs(
    samples: Mapping[str, Sequence[Sampled]], overlap: float, *, less_is_better: bool, seed: int = 0
) -> tuple[dict[str, Interval], list[Pair]]:
    """The mean of each model with its interval, and every two models against each other, in both directions."""
    names = list(samples)
    drawn = resample([samples[name] for name in names], seed=seed)
    means = {name: interval(drawn.by_round[i], drawn.replicates[i], overlap) for i, name in enumerate(names)}
    found = []
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            if i != j:
                apart = interval(drawn.by_round[i] - drawn.by_round[j], drawn.replicates[i] - drawn.replicates[j], overlap)
                found.append(Pair(a, b, apart, verdict(apart, less_is_better=less_is_better)))
    return means, found
