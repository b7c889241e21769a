import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from shelfaware.errors import EvaluationError
from shelfaware.evaluation.calibration import (
    coverage_curve,
    error_rank_correlation,
    inside_interval,
    interval_coverage,
    large_error_auc,
    reliability,
)


def planted(n: int, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stars whose true deviation is `factor` times the one that is promised."""
    rng = np.random.default_rng(0)
    predicted, deviation = rng.normal(4, 0.5, n), rng.uniform(0.3, 1.2, n)
    return predicted + factor * deviation * rng.normal(size=n), predicted, deviation


def test_inside_by_hand() -> None:
    stars, predicted = np.array([4.0, 5.0, 1.0, 3.0]), np.array([3.0, 3.0, 1.0, 4.7])
    # The 90 % interval is 1.645 deviations wide to each side.
    assert inside_interval(stars, predicted, np.ones(4)).tolist() == [True, False, True, False]
    assert interval_coverage(stars, predicted, np.ones(4)) == 0.5
    assert interval_coverage(stars, predicted, np.ones(4), level=0.95) == 0.75
    assert interval_coverage(stars, predicted, np.ones(4), level=0.5) == 0.25
    assert interval_coverage(stars, predicted, np.full(4, 3.0)) == 1


def test_the_raw_prediction_is_judged_not_the_clipped_one() -> None:
    assert interval_coverage(np.array([5.0]), np.array([8.0]), np.array([1.0])) == 0


def test_an_honest_deviation_covers_every_level() -> None:
    stars, predicted, deviation = planted(20_000)
    curve = coverage_curve(stars, predicted, deviation, levels=(0.1, 0.5, 0.9))
    assert [one.level for one in curve] == [0.1, 0.5, 0.9]
    for one in curve:
        assert one.share.mean == pytest.approx(one.level, abs=0.012)
        assert one.share.low < one.share.mean < one.share.high
        assert one.share.mean == interval_coverage(stars, predicted, deviation, one.level)


def test_the_curve_goes_from_5_to_95_percent_and_rises() -> None:
    curve = coverage_curve(*planted(200))
    assert [round(100 * one.level) for one in curve] == list(range(5, 100, 5))
    shares = [one.share.mean for one in curve]
    assert shares == sorted(shares)


def test_half_the_true_deviation_covers_what_the_normal_law_says() -> None:
    expected = 2 * stats.norm.cdf(stats.norm.ppf(0.95) / 2) - 1
    assert interval_coverage(*planted(20_000, factor=2.0)) == pytest.approx(expected, abs=0.012)


def test_reliability_finds_the_planted_factor() -> None:
    bins = reliability(*planted(20_000, factor=1.5))
    assert [one.n for one in bins] == [2000] * 10
    assert [one.error.mean / one.deviation for one in bins] == pytest.approx([1.5] * 10, rel=0.06)
    assert [one.deviation for one in bins] == sorted(one.deviation for one in bins)
    assert all(one.error.low < one.error.mean < one.error.high for one in bins)


def test_reliability_by_hand() -> None:
    stars, predicted, deviation = np.array([5, 3, 2, 4.0]), np.array([4, 3, 4, 4.0]), np.array([0.3, 0.4, 1.0, 7.0])
    low, high = reliability(stars, predicted, deviation, bins=2)
    assert (low.n, high.n) == (2, 2)
    assert [low.deviation, high.deviation] == pytest.approx([np.sqrt(0.125), 5.0])
    assert [low.error.mean, high.error.mean] == pytest.approx([np.sqrt(0.5), np.sqrt(2)])


def test_groups_widen_the_intervals_of_alike_pairs() -> None:
    stars, predicted, deviation = (np.repeat(part, 9) for part in planted(300))
    users = np.repeat(np.arange(300), 9)
    for alone, together in (
        (coverage_curve(stars, predicted, deviation, groups=groups, levels=(0.5,))[0].share for groups in (None, users)),
        (reliability(stars, predicted, deviation, groups=groups, bins=1)[0].error for groups in (None, users)),
    ):
        assert together.high - together.low > 2 * (alone.high - alone.low)


def test_rank_correlation_is_scipys_of_the_absolute_error() -> None:
    rng = np.random.default_rng(1)
    deviation = rng.integers(1, 9, 400) / 10
    errors = deviation * rng.normal(size=400)
    expected = stats.spearmanr(np.abs(errors), deviation).statistic
    assert error_rank_correlation(errors, deviation) == pytest.approx(expected, abs=1e-12)
    assert error_rank_correlation(np.array([-3.0, 1.0, -2.0]), np.array([0.9, 0.1, 0.5])) == pytest.approx(1)


@pytest.mark.parametrize("threshold", [0.3, 1.0])
def test_auc_is_scikit_learns_with_ties(threshold: float) -> None:
    rng = np.random.default_rng(2)
    deviation = rng.integers(1, 9, 400) / 5
    errors = deviation * rng.normal(size=400)
    expected = roc_auc_score(np.abs(errors) > threshold, deviation)
    assert large_error_auc(errors, deviation, threshold) == pytest.approx(expected, abs=1e-12)


def test_auc_by_hand() -> None:
    errors, deviation = np.array([2.0, -1.5, 0.5, 1.0]), np.array([0.9, 0.4, 0.4, 0.2])
    assert large_error_auc(errors, deviation) == pytest.approx((1 + 1 + 0.5 + 1) / 4)


def test_undefined_is_none() -> None:
    assert error_rank_correlation(np.array([1.0, 2.0]), np.ones(2)) is None
    assert error_rank_correlation(np.array([1.0, -1.0]), np.array([0.1, 0.2])) is None
    assert error_rank_correlation(np.array([1.0]), np.array([0.1])) is None
    assert error_rank_correlation(np.array([]), np.array([])) is None
    assert large_error_auc(np.array([0.1, 0.2]), np.array([0.1, 0.2])) is None
    assert large_error_auc(np.array([1.1, 1.2]), np.array([0.1, 0.2])) is None
    assert large_error_auc(np.array([0.1, 1.2]), np.array([0.2, 0.2])) is None


@pytest.mark.parametrize(
    ("deviation", "sentence"), [([0.0, 1.0], "1 of 2 deviations are not above 0"), ([np.nan, 1.0], "not finite")]
)
def test_a_deviation_that_is_none_is_refused(deviation: list[float], sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence):
        interval_coverage(np.array([4.0, 5.0]), np.array([4.0, 4.0]), np.array(deviation))


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        interval_coverage(np.array([4.0]), np.array([4.0]), np.array([1.0]), level)
