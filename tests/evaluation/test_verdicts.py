"""What may be said of two models: intervals by hand, by an independent path, and on made noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from shelfaware.evaluation.metrics import Interval, bootstrap_mean
from shelfaware.evaluation.verdicts import N_RESAMPLES, Sampled, interval, pairs, resample, verdict


def sampled(values: object, users: object) -> Sampled:
    return Sampled(np.array(values, float), np.array(users))


def test_one_round_is_the_paired_bootstrap_over_users() -> None:
    rng = np.random.default_rng(3)
    users = np.sort(rng.integers(40, size=300)) * 7
    a, b = rng.random(300), rng.random(300)
    means, found = pairs({"a": [sampled(a, users)], "b": [sampled(b, users)]}, 0.1, less_is_better=True)
    for values, got in ((a - b, found[0].difference), (a, means["a"]), (b - a, found[1].difference)):
        wanted = bootstrap_mean(values, groups=users, n_resamples=N_RESAMPLES)
        assert (got.mean, got.low, got.high) == pytest.approx((wanted.mean, wanted.low, wanted.high), abs=1e-12)
    assert [(one.a, one.b) for one in found] == [("a", "b"), ("b", "a")]


def test_the_corrected_t_interval_by_hand() -> None:
    """d = .1 .2 .3 .2 .2: mean .2, variance .005; t of 4 degrees is 2.7764; half = 2.7764 sqrt((1/5 + 1/9) .005) = .10950."""
    found = interval(np.array([0.1, 0.2, 0.3, 0.2, 0.2]), np.full(100, 0.2), 1 / 9)
    assert (found.mean, found.low, found.high) == pytest.approx((0.2, 0.2 - 0.109504, 0.2 + 0.109504), abs=1e-5)


def test_the_overlap_of_training_sets_widens_it() -> None:
    """Without the correction it is the plain t interval of scipy."""
    d = np.array([0.1, 0.4, 0.3])
    plain = stats.ttest_1samp(d, 0).confidence_interval()
    found = interval(d, np.full(10, d.mean()), 0.0)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))
    assert interval(d, np.full(10, d.mean()), 0.5).high > found.high


def test_the_wider_interval_counts() -> None:
    replicates = np.linspace(-1, 1, 1001)
    assert interval(np.array([0.0, 0.001]), replicates, 0.1).high == pytest.approx(0.95)
    assert interval(np.array([-0.5, 0.5]), replicates, 0.1).high == pytest.approx(12.7062 * np.sqrt(0.6 * 0.5), rel=1e-4)


def test_a_round_has_the_same_weight_however_many_ratings_it_has() -> None:
    rounds = [sampled([1.0, 1.0, 1.0, 1.0], [1, 1, 2, 2]), sampled([0.0, 0.0], [1, 2])]
    drawn = resample([rounds], n_resamples=50)
    assert drawn.by_round.tolist() == [[1.0, 0.0]]
    assert drawn.replicates == pytest.approx(0.5)


def test_users_without_a_value_are_not_drawn() -> None:
    values, users = [1.0, np.nan, 3.0, np.nan], [1, 2, 3, 4]
    with_gaps = resample([[sampled(values, users)]])
    without = resample([[sampled([1.0, 3.0], [1, 3])]])
    assert with_gaps.by_round[0, 0] == 2.0
    np.testing.assert_array_equal(with_gaps.replicates, without.replicates)


def test_one_user_tells_nothing() -> None:
    _, (ab, _) = pairs({"a": [sampled([1, 2], [5, 5])], "b": [sampled([3, 4], [5, 5])]}, 0.1, less_is_better=True)
    assert ab.difference.mean == -2
    assert np.isnan(ab.difference.low)
    assert ab.verdict == "not distinguishable"


@pytest.mark.parametrize(
    ("low", "high", "less", "word"),
    [
        (-0.2, -0.1, True, "better"),
        (-0.2, -0.1, False, "worse"),
        (0.1, 0.2, True, "worse"),
        (0.1, 0.2, False, "better"),
        (-0.1, 0.1, True, "not distinguishable"),
        (0.0, 0.1, True, "not distinguishable"),
        (np.nan, np.nan, True, "not distinguishable"),
    ],
)
def test_the_words(low: float, high: float, less: bool, word: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high), less_is_better=less) == word


def test_models_that_are_equally_good_are_seldom_told_apart() -> None:
    """Errors of a user go together, so an interval over ratings would tell noise apart in most of the samples."""
    told = told_by_ratings = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        users = np.repeat(np.arange(40), 12)
        d = rng.normal(size=40)[users] + 0.3 * rng.normal(size=480)
        drawn = resample([[sampled(d, users)]], n_resamples=300)
        found = interval(drawn.by_round[0], drawn.replicates[0], 0.1)
        told += 0 not in found
        told_by_ratings += abs(d.mean()) > 1.96 * d.std() / np.sqrt(len(d))
    assert told <= 18
    assert told_by_ratings > 60
