"""Just-in-time Adam against dense Adam in float64, and against optax."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import Array
from numpy.typing import NDArray

from shelfaware.models.gmf_network import same
from shelfaware.training import adam

B1, B2, EPS = 0.9, 0.999, 1e-7
Floats = NDArray[np.floating]
SIZE = 0.1
"""Parameters are about as large as embeddings are."""
FLOOR = 2 * 2.0**-24 * SIZE
"""Two roundings of such a parameter: what a float32 run may owe to chance."""


class Recorded(NamedTuple):
    """One sequence of gradients: which rows are in each step, the gradients, the plain rates and the values before."""

    present: NDArray[np.bool_]  # [steps, n]
    gradients: Floats  # [steps, n, width], 0 where a row is absent
    rates: Floats  # [steps]
    start: Floats  # [n, width]


def cosine(steps: int) -> Floats:
    return 1e-2 * 0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps))


def recorded(steps: int, gaps: list[int], rates: Floats, seed: int = 0) -> Recorded:
    """Row i waits 1 to 2 gaps[i] steps between gradients, whose sizes are 1e-12 to 1 by row and change by a tenth."""
    rng = np.random.default_rng(seed)
    n, width = len(gaps), 4
    present = np.zeros((steps, n), bool)
    for row, gap in enumerate(gaps):
        times = np.cumsum(rng.integers(1, 2 * gap + 1, 2 * steps // gap + 2)) - 1
        present[times[times < steps], row] = True
    size = 10.0 ** np.resize(np.linspace(0, -12, 7), (n, 1)) * 10.0 ** rng.uniform(-1, 0, (steps, n, 1))
    gradients = (size * rng.normal(size=(steps, n, width)) * present[..., None]).astype(np.float32)
    return Recorded(present, gradients.astype(np.float64), rates, SIZE * rng.normal(size=(n, width)).astype(np.float32))


def dense64(run: Recorded) -> Floats:
    """The specification: Adam as Keras writes it, every row at every step, in float64."""
    value = run.start.astype(np.float64)
    m, v = np.zeros_like(value), np.zeros_like(value)
    for t, (gradient, rate) in enumerate(zip(run.gradients, run.rates, strict=True), start=1):
        m += (1 - B1) * (gradient - m)
        v += (1 - B2) * (gradient**2 - v)
        value -= rate * np.sqrt(1 - B2**t) / (1 - B1**t) * m / (np.sqrt(v) + EPS)
    return value


@jax.jit
def _dense32(start: Array, gradients: Array, rates: Array) -> Array:
    def step(carry: tuple[Array, Array, Array], now: tuple[Array, Array]) -> tuple[tuple[Array, Array, Array], None]:
        value, m, v = carry
        gradient, rate = now
        m, v = m + (1 - B1) * (gradient - m), v + (1 - B2) * (gradient**2 - v)
        return (value - rate * m / (jnp.sqrt(v) + EPS), m, v), None

    zero = jnp.zeros_like(start)
    return jax.lax.scan(step, (start, zero, zero), (gradients, rates))[0][0]


def dense32(run: Recorded) -> Floats:
    t = np.arange(1, len(run.rates) + 1)
    rates = run.rates * np.sqrt(1 - B2**t) / (1 - B1**t)
    return np.asarray(_dense32(*(jnp.asarray(x, jnp.float32) for x in (run.start, run.gradients, rates))))


@jax.jit
def _just_in_time(table: adam.Rows, index: Array, gradients: Array, rates: adam.Rates) -> adam.Rows:
    def step(table: adam.Rows, now: tuple[Array, Array, Array]) -> tuple[adam.Rows, None]:
        number, rows, gradient = now
        current = adam.catch_up(adam.gather(table, rows), number - 1, rates)
        return adam.scatter(table, rows, adam.update(current, gradient, number, rates)), None

    numbers = jnp.arange(1, len(index) + 1)
    return adam.catch_up(jax.lax.scan(step, table, (numbers, index, gradients))[0], numbers[-1], rates)


def just_in_time(run: Recorded) -> Floats:
    """Only the rows present are touched: the index of an absent one lies past the end."""
    index = np.where(run.present, np.arange(run.present.shape[1]), run.present.shape[1])
    table = adam.rows_of(jnp.asarray(run.start, jnp.float32))
    return np.asarray(_just_in_time(table, index, run.gradients.astype(np.float32), adam.rates_of(run.rates)).value)


def optax64(run: Recorded) -> Floats:
    """optax puts epsilon inside the bias correction, so that eps / sqrt(1 - b2^t) is the same epsilon outside it."""
    with jax.enable_x64(True):
        optimiser = optax.inject_hyperparams(optax.adam)(
            learning_rate=lambda count: jnp.asarray(run.rates)[count],
            b1=B1,
            b2=B2,
            eps=lambda count: EPS / jnp.sqrt(1 - B2 ** (count + 1.0)),
        )

        def step(carry: tuple[Array, optax.OptState], gradient: Array) -> tuple[tuple[Array, optax.OptState], None]:
            move, state = optimiser.update(gradient, carry[1])
            return (optax.apply_updates(carry[0], move), state), None

        start = jnp.asarray(run.start, jnp.float64)
        final = jax.lax.scan(step, (start, optimiser.init(start)), jnp.asarray(run.gradients))[0][0]
        return np.asarray(final)


SHORT = {
    "constant rate": recorded(4000, [1, 3, 30, 300, 1000] * 7, np.full(4000, 1e-3)),
    "cosine": recorded(4000, [1, 3, 30, 300, 1000] * 7, cosine(4000), seed=1),
}


@pytest.mark.parametrize("run", SHORT.values(), ids=SHORT)
def test_the_specification_is_what_optax_does(run: Recorded) -> None:
    np.testing.assert_allclose(optax64(run), dense64(run), rtol=0, atol=1e-9)


@pytest.mark.parametrize("run", SHORT.values(), ids=SHORT)
def test_no_worse_than_four_times_dense_float32(run: Recorded) -> None:
    truth = dense64(run)
    allowed, error = np.abs(dense32(run) - truth), np.abs(just_in_time(run) - truth)
    assert error.max() <= 4 * allowed.max()
    assert np.sqrt(np.mean(error**2)) <= 4 * np.sqrt(np.mean(allowed**2))
    by_row = error.max(axis=1) <= 4 * allowed.max(axis=1) + FLOOR
    assert by_row.all(), np.flatnonzero(~by_row)


@pytest.mark.parametrize("rates", [np.full(100_002, 1e-3), cosine(100_002)], ids=["constant rate", "cosine"])
def test_rows_that_wait_100_000_steps(rates: Floats) -> None:
    run = recorded(len(rates), [1, 50, 20_000, 50_000, 1, 1], rates)
    for row, times in ((4, [0, 100_001]), (5, [0, 1, 2, 100_001])):
        run.present[:, row] = False
        run.present[times, row] = True
        run.gradients[:, row] *= run.present[:, row, None]
        run.gradients[times, row] = 0.01 * (1 + np.arange(4))
    truth = dense64(run)
    allowed, error = np.abs(dense32(run) - truth), np.abs(just_in_time(run) - truth)
    assert (error.max(axis=1) <= 4 * allowed.max(axis=1) + FLOOR).all()


def test_a_gap_of_zero_is_dense_adam() -> None:
    run = recorded(500, [1] * 6, np.full(500, 1e-3))._replace(present=np.ones((500, 6), bool))
    np.testing.assert_allclose(just_in_time(run), dense32(run), rtol=5e-7, atol=FLOOR)
    rows = adam.Rows(*(jnp.full((2, 3), x, jnp.float32) for x in (1.0, 2.0, 3.0)), last=jnp.array([7, 7], jnp.int32))
    caught = adam.catch_up(rows, jnp.int32(7), adam.rates_of(np.full(10, 1e-3)))
    for before, after in zip(rows, caught, strict=True):
        np.testing.assert_array_equal(before, after)


def test_two_steps_by_hand() -> None:
    """Gradient 1, then none: m = .1, v = .001, and the first move is the learning rate."""
    rates = adam.rates_of(np.full(2, 0.5))
    first = adam.update(adam.rows_of(jnp.zeros((1, 1))), jnp.ones((1, 1)), jnp.int32(1), rates)
    assert float(first.value[0, 0]) == pytest.approx(-0.5, rel=1e-5)
    second = adam.catch_up(first, jnp.int32(2), rates)
    assert float(second.moment[0, 0]) == pytest.approx(0.09)
    assert float(second.square[0, 0]) == pytest.approx(0.000999)
    move = 0.5 * (0.09 / 0.19) / (0.000999 / 0.001999) ** 0.5
    assert float(second.value[0, 0]) == pytest.approx(-0.5 - move, rel=1e-5)


def closed_form(rate: Floats, s: int, waited: int, v: float) -> float:
    """The module's formula for the move of m = 1, in float64, with plain loops for its two sums."""
    sums = {}
    for name, decay in (("S", B1), ("R", B1 / np.sqrt(B2))):
        x = np.zeros(len(rate))
        for j in range(len(rate) - 2, s - 1, -1):
            x[j] = decay * (rate[j + 1] + x[j + 1])
        sums[name] = x[s] - decay**waited * x[s + waited]
    return float(sums["S"] / (sums["S"] / sums["R"] * np.sqrt(v) + EPS))


def explicit(rate: Floats, s: int, waited: int, v: float) -> float:
    j = np.arange(1, waited + 1)
    return float(np.sum(rate[s + j] * B1**j / (np.sqrt(B2**j * v) + EPS)))


def bias_corrected(plain: Floats) -> Floats:
    t = np.arange(1, len(plain) + 1)
    return np.concatenate([[0.0], plain * np.sqrt(1 - B2**t) / (1 - B1**t)])


@pytest.mark.parametrize(("root_over_eps", "bound"), [(1.0, 7e-6), (1e4, 3e-9), (1e-8, 1e-9), (1e-2, 7e-6), (1e2, 7e-6)])
@pytest.mark.parametrize("waited", [1, 10, 100, 1000, 10_000])
def test_the_closed_form_is_this_near_to_the_sum(waited: int, root_over_eps: float, bound: float) -> None:
    v = (root_over_eps * EPS) ** 2
    for s in (1, 100, 5000, 50_000):
        rate = bias_corrected(np.full(s + waited + 10, 1e-3))
        assert closed_form(rate, s, waited, v) == pytest.approx(explicit(rate, s, waited, v), rel=bound)


@pytest.mark.parametrize("waited", [1, 2, 30, 3000])
@pytest.mark.parametrize("root_over_eps", [0.1, 1.0, 1e5])
def test_catch_up_is_the_sum_to_float32(waited: int, root_over_eps: float) -> None:
    plain, s = cosine(8000), 4000
    rows = adam.Rows(
        jnp.zeros((1, 1)), jnp.ones((1, 1)), jnp.full((1, 1), (root_over_eps * EPS) ** 2), jnp.array([s], jnp.int32)
    )
    moved = adam.catch_up(rows, jnp.int32(s + waited), adam.rates_of(plain))
    wanted = explicit(bias_corrected(plain), s, waited, (root_over_eps * EPS) ** 2)
    assert -float(moved.value[0, 0]) == pytest.approx(wanted, rel=2e-5)
    assert int(moved.last[0]) == s + waited


def test_a_row_twice_in_a_batch_gets_the_sum_of_its_gradients() -> None:
    rates = adam.rates_of(np.full(3, 1e-2))
    table = adam.rows_of(jnp.asarray(np.random.default_rng(0).normal(size=(4, 2)), jnp.float32))
    index = jnp.array([2, 0, 2, 2])
    gradients = jnp.asarray([[1.0, 2.0], [5.0, -5.0], [10.0, 20.0], [100.0, 200.0]])
    rows = adam.update(adam.gather(table, index), same(index) @ gradients, jnp.int32(1), rates)
    summed = jnp.asarray([[5.0, -5.0], [0.0, 0.0], [111.0, 222.0], [0.0, 0.0]])
    wanted = adam.update(table, summed, jnp.int32(1), rates)
    got = adam.scatter(table, index, rows)
    for row in (0, 2):
        for part, expected in zip(got, wanted, strict=True):
            np.testing.assert_allclose(part[row], expected[row], rtol=1e-6)
    for row in (1, 3):
        np.testing.assert_array_equal(got.value[row], table.value[row])
        assert int(got.last[row]) == 0


def test_an_index_past_the_end_is_dropped() -> None:
    table = adam.rows_of(jnp.arange(6.0).reshape(3, 2))
    rows = adam.gather(table, jnp.array([1, 3, 99]))
    np.testing.assert_array_equal(rows.value, [[2, 3], [4, 5], [4, 5]])
    changed = rows._replace(value=rows.value + 100)
    np.testing.assert_array_equal(adam.scatter(table, jnp.array([1, 3, 99]), changed).value, [[0, 1], [102, 103], [4, 5]])


def test_rows_that_are_promised_to_be_unique_go_to_their_places() -> None:
    table, index = adam.rows_of(jnp.arange(8.0).reshape(4, 2)), jnp.array([3, 0, 2])
    changed = adam.Rows(*(part + 1 for part in adam.gather(table, index)))
    for one, other in zip(adam.scatter(table, index, changed, unique=True), adam.scatter(table, index, changed), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(adam.scatter(table, index, changed, unique=True).value, [[1, 2], [2, 3], [5, 6], [7, 8]])


def test_the_backward_sums_by_hand() -> None:
    rates = adam.rates_of(np.array([1.0, 2.0]))
    corrected = [1.0 * np.sqrt(0.001) / 0.1, 2.0 * np.sqrt(1 - 0.999**2) / 0.19]
    np.testing.assert_allclose(rates.rate[1:], corrected, rtol=1e-6)
    np.testing.assert_allclose(rates.moment_sum, [0.9 * (corrected[0] + 0.9 * corrected[1]), 0.9 * corrected[1], 0], rtol=1e-6)
    g = 0.9 / np.sqrt(0.999)
    np.testing.assert_allclose(rates.ratio_sum, [g * (corrected[0] + g * corrected[1]), g * corrected[1], 0], rtol=1e-6)
