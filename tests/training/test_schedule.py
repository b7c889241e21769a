"""The rate of each step, by hand."""

from __future__ import annotations

import numpy as np

from shelfaware.training.schedule import rise_and_fall


def test_it_rises_over_the_first_tenth_and_falls_along_a_cosine() -> None:
    rates = rise_and_fall(2.0, 20)
    np.testing.assert_allclose(rates[:2], [0.5, 1.5])  # a quarter and three quarters of the way up
    np.testing.assert_allclose(rates[2], 1 + np.cos(np.pi / 36))  # half a step into the 18 of the fall
    np.testing.assert_allclose(rates[10] + rates[11], 2.0)  # either side of the middle of the fall
    assert (np.diff(rates[2:]) < 0).all()
    assert 0 < rates[-1] < 0.01


def test_no_steps_have_no_rates() -> None:
    assert len(rise_and_fall(1.0, 0)) == 0
