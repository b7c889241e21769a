import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shelfaware.errors import EvaluationError
from shelfaware.evaluation.metrics import (
    Interval,
    absolute_errors,
    bootstrap_mean,
    by_decile,
    equal_count_bins,
    paired_difference,
    squared_errors,
)


def test_errors_of_three_pairs() -> None:
    stars, predicted = np.array([5, 3, 1], np.float32), np.array([4.5, 3.0, 3.0])
    np.testing.assert_array_equal(squared_errors(stars, predicted), [0.25, 0, 4])
    np.testing.assert_array_equal(absolute_errors(stars, predicted), [0.5, 0, 2])


@pytest.mark.parametrize("predicted", [[4.0, np.nan], [4.0, np.inf]])
def test_a_pair_without_a_prediction_is_refused(predicted: list[float]) -> None:
    with pytest.raises(EvaluationError, match="1 of 2 predictions are not finite, the first at 1"):
        squared_errors(np.array([4, 5]), np.array(predicted))


@pytest.mark.parametrize("shape", [(3,), (2, 1), (1,)])
def test_arrays_of_other_lengths_are_refused_and_never_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(EvaluationError, match="shape"):
        squared_errors(np.array([4, 5]), np.ones(shape))


def test_nothing_to_average_is_refused() -> None:
    with pytest.raises(EvaluationError, match="nothing to average"):
        bootstrap_mean(np.array([]))
    with pytest.raises(EvaluationError, match="2 groups for 3 values"):
        bootstrap_mean(np.ones(3), groups=np.array([0, 1]))


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=2000)
    ours = bootstrap_mean(values, n_resamples=4000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, batch=100).confidence_interval
    assert ours.mean == pytest.approx(values.mean(), abs=1e-12)
    width = theirs.high - theirs.low
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=0.06 * width)


def test_interval_over_users_agrees_with_drawing_whole_users() -> None:
    rng = np.random.default_rng(1)
    users = rng.integers(100, 140, 300)
    values = rng.normal(size=300) + users % 7
    ours = bootstrap_mean(values, groups=users, n_resamples=4000)
    drawn = np.empty(4000)
    for i in range(4000):
        chosen = rng.choice(np.unique(users), len(np.unique(users)))
        drawn[i] = np.concatenate([values[users == user] for user in chosen]).mean()
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert [ours.low, ours.high] == pytest.approx([low, high], abs=0.06 * (high - low))


def test_alike_pairs_of_a_user_widen_the_interval_by_the_root_of_their_number() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=400), 9)
    users = np.repeat(np.arange(400), 9)
    alone, together = bootstrap_mean(values), bootstrap_mean(values, groups=users)
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(3, rel=0.1)
    assert alone.mean == together.mean


def test_every_argument_of_the_bootstrap_matters() -> None:
    values = np.random.default_rng(3).normal(size=200)
    base = bootstrap_mean(values)
    assert base == bootstrap_mean(values)
    assert base != bootstrap_mean(values, seed=1)
    assert base != bootstrap_mean(values, n_resamples=500)
    narrow = bootstrap_mean(values, level=0.5)
    assert base.low < narrow.low < narrow.mean < narrow.high < base.high


def test_names_of_groups_do_not_matter_but_membership_does() -> None:
    values = np.arange(6.0)
    groups = np.array([0, 0, 1, 1, 2, 2])
    assert bootstrap_mean(values, groups=groups) == bootstrap_mean(values, groups=groups * 1000 + 7)
    assert bootstrap_mean(values, groups=groups) != bootstrap_mean(values, groups=groups[[0, 2, 4, 1, 3, 5]])


def test_one_user_tells_nothing_of_the_spread() -> None:
    one = bootstrap_mean(np.array([1.0, 3.0]), groups=np.array([4, 4]))
    assert one.mean == 2
    assert np.isnan([one.low, one.high]).all()
    assert 99 in one


def test_rmse_is_the_root_of_mse_and_its_bounds() -> None:
    assert Interval(4, 1, 9).root() == Interval(2, 1, 3)


def test_a_shift_is_told_apart_and_noise_is_not() -> None:
    rng = np.random.default_rng(4)
    b, users = rng.exponential(size=3000), np.arange(3000) // 3
    shifted = paired_difference(b - 0.1 + 0.1 * rng.normal(size=3000), b, groups=users)
    assert shifted.high < 0
    assert shifted.mean == pytest.approx(-0.1, abs=0.01)
    assert 0 not in shifted
    assert 0 in paired_difference(b + 0.5 * rng.choice([-1, 1], 3000), b, groups=users)


def test_deciles_of_distinct_activity_are_tenths() -> None:
    activity = np.random.default_rng(5).permutation(200)
    deciles = by_decile(activity.astype(float), activity)
    assert [one.n for one in deciles] == [20] * 10
    assert [(one.least, one.most) for one in deciles] == [(20 * i, 20 * i + 19) for i in range(10)]
    assert [one.mean.mean for one in deciles] == pytest.approx([20 * i + 9.5 for i in range(10)])


def test_deciles_draw_whole_users_where_told() -> None:
    activity, values = np.repeat(np.arange(10), 40), np.tile(np.repeat([0.0, 1.0, 2.0, 3.0], 10), 10)
    users = np.arange(400) // 10
    alone, together = by_decile(values, activity)[0].mean, by_decile(values, activity, groups=users)[0].mean
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_ties_stay_together() -> None:
    activity = np.array([1] * 60 + [2] * 20 + [3] * 20)
    assert [(one.least, one.most, one.n) for one in by_decile(np.ones(100), activity)] == [
        (1, 1, 60),
        (2, 2, 20),
        (3, 3, 20),
    ]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(1, 12))
def test_bins_are_monotone_whole_and_balanced(values: list[int], n_bins: int) -> None:
    bins = equal_count_bins(np.array(values), n_bins)
    assert bins.min() >= 0
    assert bins.max() < n_bins
    for a, b in zip(values, bins, strict=True):
        assert all((a < c) <= (b <= d) and (a == c) <= (b == d) for c, d in zip(values, bins, strict=True))
    largest_tie = max(values.count(one) for one in set(values))
    assert np.bincount(bins).max() <= len(values) / n_bins + largest_tie


def test_a_thousand_resamples_of_the_notebooks_test_set_are_quick() -> None:
    values, users = np.ones(17_000), np.arange(17_000) // 2
    started = time.perf_counter()
    bootstrap_mean(values, groups=users)
    assert time.perf_counter() - started < 2
