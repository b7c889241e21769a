"""Stars as steps of a latent normal, beside scipy's truncated normal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm, truncnorm

from shelfaware.data.interactions import Scale
from shelfaware.models.ordinal import StarSteps, draw_latent, normal_cdf

HALF = StarSteps.rounding(Scale(0.5, 5.0, 0.5))


def test_the_distribution_function_is_the_normal_s() -> None:
    x = np.concatenate([np.linspace(-12, 12, 10_007), [-np.inf, np.inf]])
    np.testing.assert_allclose(normal_cdf(x), norm.cdf(x), atol=4e-8)


def test_rounding_cuts_half_way() -> None:
    np.testing.assert_allclose(HALF.cuts, np.arange(0.75, 4.9, 0.5))
    np.testing.assert_array_equal(HALF.step_of(np.array([0.5, 3.0, 5.0], np.float32)), [0, 5, 9])
    low, high = HALF.bounds(np.array([0, 5, 9]))
    np.testing.assert_allclose(low, [-np.inf, 2.75, 4.75])
    np.testing.assert_allclose(high, [0.75, 3.25, np.inf])


def test_cuts_of_counts_give_each_value_its_share() -> None:
    """One more of each: 3, 1, 9, 5, 2 of 20."""
    steps = StarSteps.of_counts(Scale(), np.array([2, 0, 8, 4, 1]))
    np.testing.assert_allclose(norm.cdf(steps.cuts), np.array([3, 4, 13, 18]) / 20)


@given(st.floats(-2, 8), st.floats(0.05, 3))
def test_moments_are_those_of_the_steps(mean: float, deviation: float) -> None:
    chance = np.diff(norm.cdf(np.concatenate([[-np.inf], HALF.cuts, [np.inf]]), mean, deviation))
    first, variance = HALF.moments(np.array([mean]), np.array([deviation]))
    expected = chance @ HALF.values
    assert first[0] == pytest.approx(expected, abs=1e-6)
    assert variance[0] == pytest.approx(max(chance @ (HALF.values - expected) ** 2, 1e-4), abs=1e-5)


@given(st.floats(-1, 7), st.floats(0.3, 3), st.integers(0, 9))
def test_latent_stars_are_the_mean_of_a_truncated_normal(mean: float, deviation: float, step: int) -> None:
    bounds = HALF.bounds(np.array([step]))
    reach = 4 * deviation
    centre = np.clip(mean, bounds[0][0] - reach, bounds[1][0] + reach)
    a, b = ((bound[0] - centre) / deviation for bound in bounds)
    wanted = truncnorm.mean(a, b, loc=centre, scale=deviation)
    assert HALF.latent(np.array([mean]), np.array([deviation]), bounds)[0] == pytest.approx(wanted, abs=5e-3 * deviation)


def test_a_higher_star_never_has_a_lower_latent() -> None:
    mean = np.repeat(np.linspace(-6, 12, 200), 10)
    steps = np.tile(np.arange(10), 200)
    z = HALF.latent(mean, np.full(2000, 0.4), HALF.bounds(steps)).reshape(200, 10)
    assert np.isfinite(z).all()
    assert (np.diff(z, axis=1) > 0).all()


def test_draws_lie_on_their_step_and_have_its_mean() -> None:
    step = np.repeat([0, 6, 9], 20_000)
    mean, deviation = np.full(60_000, 3.2), np.full(60_000, 0.7)
    z = draw_latent(mean, deviation, HALF.bounds(step), np.random.default_rng(0))
    low, high = HALF.bounds(step)
    assert ((z >= low) & (z <= high)).all()
    np.testing.assert_allclose(
        z.reshape(3, -1).mean(axis=1), HALF.latent(mean, deviation, (low, high)).reshape(3, -1)[:, 0], atol=5e-3
    )


def test_no_draw_is_infinite() -> None:
    """The last step has no end; in float32 the chance of lying below rounds to 1 there."""

    class Last:
        def random(self, n: int) -> NDArray[np.float64]:
            return np.full(n, np.nextafter(1.0, 0.0))

    for step, mean in ((9, 3.0), (9, 60.0), (9, -60.0), (0, 3.0), (0, 60.0)):
        bounds = tuple(bound.astype(np.float32) for bound in HALF.bounds(np.array([step])))
        z = draw_latent(np.array([mean], np.float32), np.array([0.5], np.float32), bounds, Last())  # type: ignore[arg-type]
        assert np.isfinite(z).all()
