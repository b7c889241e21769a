"""Just-in-time Adam: dense Adam's moves, paid only for the rows that a batch holds.

Dense Adam moves every row of a table at every step, through its moments, though a batch holds few of them. A row without
gradient moves by a known law, so it can be brought up to date when it is next needed. With the row last current at step s
and needed before step t, D = t - 1 - s, and lr_j the bias-corrected rate lr sqrt(1 - b2^j) / (1 - b1^j) at step j:

    m <- b1^D m        v <- b2^D v        p <- p - sum_{j=1..D} lr_{s+j} b1^j m / (sqrt(b2^j v) + eps)

The sum in closed form, through S(s) = b1 (lr_{s+1} + S(s+1)) and R(s) = g (lr_{s+1} + R(s+1)) with g = b1 / sqrt(b2):

    dS = S(s) - b1^D S(t-1)    dR = R(s) - g^D R(t-1)    p <- p - dS m / ((dS / dR) sqrt(v) + eps)

exact for eps = 0 and for eps >> sqrt(v), and below the rounding of a float32 parameter between them (docs/experiments.md).
The convention is Keras's: eps is added outside the bias correction.

Sources: Kingma & Ba 2015 (Adam); lazily regularised updates, Carpenter 2008 and Lipton & Elkan 2015; deferred Adam for
sparse scenes, GS-Scale, arXiv 2509.15645.
"""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from shelfaware.arrays import Floats
from shelfaware.training.fusion import made_once

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


class Rows(NamedTuple):
    """A parameter table with its Adam state. A leading axis of any length, or parts of it gathered by row."""

    value: Array  # p [n, width]
    moment: Array  # m [n, width]
    square: Array  # v [n, width]
    last: Array  # the step at which the row is current, i32 [n]


class Rates(NamedTuple):
    """The rate of each step and the two backward sums, by step 0..T; all f32 [T + 1]."""

    rate: Array  # lr_j, bias-corrected; rate[0] is unused
    moment_sum: Array  # S
    ratio_sum: Array  # R


def rows_of(value: Array) -> Rows:
    """A fresh table: no moments, current at step 0."""
    return Rows(value, jnp.zeros_like(value), jnp.zeros_like(value), jnp.zeros(len(value), jnp.int32))


def rates_of(learning_rates: Floats) -> Rates:
    """From the plain learning rate of steps 1..T [T]. The sums are filled backwards, in float64, once."""
    steps = np.arange(1, len(learning_rates) + 1)
    rate = np.asarray(learning_rates, np.float64) * np.sqrt(1 - BETA_2**steps) / (1 - BETA_1**steps)  # [T]
    sums = [_backward_sum(rate, decay) for decay in (BETA_1, BETA_1 / np.sqrt(BETA_2))]
    return Rates(*(jnp.asarray(x, jnp.float32) for x in (np.concatenate([[0.0], rate]), *sums)))


def _backward_sum(rate: Floats, decay: float) -> Floats:
    """X(s) = decay (rate_{s+1} + X(s+1)), X(T) = 0 [T + 1]."""
    backward = accumulate(rate[::-1].tolist(), lambda later, lr: decay * (lr + later), initial=0.0)
    return np.fromiter(backward, np.float64, len(rate) + 1)[::-1]


def catch_up(rows: Rows, step: Array, rates: Rates) -> Rows:
    """Brings rows to where dense Adam, with no gradient since, would have them after `step`."""
    gap = step - rows.last  # D [n]
    moved = (gap > 0) & (rates.ratio_sum[rows.last] > 0)  # at a rate of 0 nothing moves
    waited = gap.astype(jnp.float32)
    decay_1 = jnp.exp(waited * np.log(BETA_1))  # b1^D [n]
    decay_g = jnp.exp(waited * np.log(BETA_1 / np.sqrt(BETA_2)))  # g^D [n]
    sum_s = rates.moment_sum[rows.last] - decay_1 * rates.moment_sum[step]  # dS [n]
    sum_r = rates.ratio_sum[rows.last] - decay_g * rates.ratio_sum[step]  # dR [n]
    ratio = jnp.where(moved, sum_s / jnp.where(moved, sum_r, 1.0), 1.0)  # dS / dR [n]
    decay_2 = jnp.exp(waited * np.log(BETA_2))  # b2^D [n]
    sum_s, ratio, decay_1, decay_2 = made_once(jnp.where(moved, sum_s, 0.0), ratio, decay_1, decay_2)[..., None]  # [n, 1]
    move = sum_s * rows.moment / (ratio * jnp.sqrt(rows.square) + EPSILON)  # [n, width]
    return Rows(
        value=rows.value - move,  # [n, width]
        moment=rows.moment * decay_1,  # [n, width]
        square=rows.square * decay_2,  # [n, width]
        last=_moved_to(step, rows),  # [n]
    )


def update(rows: Rows, gradient: Array, step: Array, rates: Rates) -> Rows:
    """One Adam step on rows that are current at `step` - 1, with `gradient` [n, width]."""
    # As differences: b2 is 1.3e-8 off in float32, which b2 v + (1 - b2) g^2 would add up to 1.3e-5 of v.
    moment = rows.moment + (1 - BETA_1) * (gradient - rows.moment)  # [n, width]
    square = rows.square + (1 - BETA_2) * (jnp.square(gradient) - rows.square)  # [n, width]
    value = rows.value - rates.rate[step] * moment / (jnp.sqrt(square) + EPSILON)  # [n, width]
    return Rows(value, moment, square, _moved_to(step, rows))


def _moved_to(step: Array, rows: Rows) -> Array:
    """The new `last` [n]: `step`, which is never less. Said by what was read, XLA writes it after it has read.

    A plain `step` can be written before the old one is read for the last time, and then XLA copies `last`, all of it, a step.
    """
    return jnp.maximum(rows.last, step)


def gather(table: Rows, index: Array) -> Rows:
    """The rows at `index` [b]; an index past the end reads the last row."""
    return Rows(*(jnp.take(part, index, axis=0, mode="clip") for part in table))


def scatter(table: Rows, index: Array, rows: Rows, *, unique: bool = False) -> Rows:
    """Puts rows back at `index` [b]. Repeats must carry the same rows; an index past the end is dropped.

    `unique` promises that none repeats and none is past the end: XLA then copies rows instead of looking at one after another.
    """
    mode = "promise_in_bounds" if unique else "drop"
    return Rows(*(part.at[index].set(new, mode=mode, unique_indices=unique) for part, new in zip(table, rows, strict=True)))
