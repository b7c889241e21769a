"""Rounds of a comparison."""

from __future__ import annotations

import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.errors import EvaluationError
from shelfaware.evaluation.plan import Plan


def test_repeats_are_seeds_one_to_five(planted: Interactions) -> None:
    plan = Plan("random:0.2", repeats=5)
    rounds = list(plan.rounds(planted))
    assert plan.seeds == [one.seed for one in rounds] == [1, 2, 3, 4, 5]
    for one in rounds:
        np.testing.assert_array_equal(one.test.pair_keys, split(planted, "random:0.2", seed=one.seed)[1].pair_keys)
    assert str(plan) == "random:0.2, seeds 1 to 5"


def test_one_round_has_the_seed_itself(planted: Interactions) -> None:
    (only,) = Plan("user:1", seed=4).rounds(planted)
    assert only.seed == 4
    np.testing.assert_array_equal(only.test.pair_keys, split(planted, "user:1", seed=4)[1].pair_keys)
    assert str(Plan("user:1", seed=4)) == "user:1"


def test_folds_hold_out_every_rating_once(planted: Interactions) -> None:
    plan = Plan(folds=3, seed=2)
    tests = [one.test.pair_keys for one in plan.rounds(planted)]
    assert plan.seeds == [2, 2, 2]
    np.testing.assert_array_equal(np.sort(np.concatenate(tests)), planted.ratings().pair_keys)
    assert str(plan) == "3 folds, seed 2"


def test_what_makes_no_plan(planted: Interactions) -> None:
    with pytest.raises(EvaluationError, match="choose one"):
        Plan(repeats=2, folds=2)
    with pytest.raises(EvaluationError, match="'notebook' is the same every time"):
        Plan("notebook", repeats=2)
    with pytest.raises(EvaluationError, match="holds nothing out"):
        list(Plan("none").rounds(planted))
