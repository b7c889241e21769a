"""Blend beside its members, and its weights beside scipy's bounded least squares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split, split
from shelfaware.errors import ModelError
from shelfaware.models.base import RatingModel
from shelfaware.models.blend import HELD_OUT, Blend, stack
from shelfaware.models.readers import Readers
from shelfaware.models.registry import create

MEMBERS = "als,bias,mean"


@pytest.fixture(scope="module")
def blend(planted_split: Split) -> Blend:
    return Blend(members=MEMBERS).fit(planted_split[0])


def test_the_weights_are_bounded_least_squares() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(3.5, 1, 200)
    stars = np.column_stack(
        [0.7 * truth + rng.normal(0, 0.5, 200), -truth, rng.normal(size=200), truth + rng.normal(0, 1, 200)]
    )
    weights, constant = stack(stars, truth)
    oracle = lsq_linear(np.column_stack([stars, np.ones(200)]), truth, ([0] * 4 + [-np.inf], np.inf), tol=1e-12)
    np.testing.assert_allclose([*weights, constant], oracle.x, atol=1e-6)
    assert weights[1] == 0


def test_never_above_its_best_member_where_the_weights_were_found(blend: Blend, planted_split: Split) -> None:
    """Its weights are those of members that were fitted without the tenth, and judged on it."""
    train = planted_split[0]
    part, held = split(train, HELD_OUT, seed=0)
    members = [create(name) for name in MEMBERS.split(",")]
    stars = []
    for model in members:
        assert isinstance(model, RatingModel)
        model.fit_stars(part)
        stars.append(model.forecast(model.known_readers, held.user_index, held.book_index).stars)
    weights, constant = blend.arrays["weights"], float(blend.arrays["constant"][0])
    wanted = stack(np.stack(stars, axis=1), held.stars.astype(float))
    np.testing.assert_allclose([*weights, constant], [*wanted[0], wanted[1]], rtol=1e-9)
    ours = np.mean((held.stars - constant - np.stack(stars, axis=1) @ weights) ** 2)
    assert ours <= min(np.mean((held.stars - one) ** 2) for one in stars) + 1e-12


def test_it_is_the_weighted_sum_of_its_members_fitted_on_everything(blend: Blend, planted_split: Split) -> None:
    train = planted_split[0]
    readers = Readers.of(train).take(np.arange(5))
    asked = np.arange(5), np.array([1, 7, 9, 20, 33])
    total = float(blend.arrays["constant"][0])
    for weight, name in zip(blend.arrays["weights"], MEMBERS.split(","), strict=True):
        member = create(name)
        assert isinstance(member, RatingModel)
        total = total + weight * member.fit_stars(train).forecast(readers, *asked).stars
    np.testing.assert_allclose(blend.forecast(readers, *asked).stars, total, rtol=1e-9)


def test_its_variance_is_calibrated_on_what_was_held_out(planted_split: Split) -> None:
    train = planted_split[0]
    small = {"factors": 4, "block_size": 16, "batch_size": 128}
    gp = create("gp", small)
    assert isinstance(gp, RatingModel)
    blended = Blend(members="gp,bias").fit_stars(train)
    deviation = blended.forecast(Readers.of(train).take(np.arange(3)), np.arange(3), np.arange(3)).deviation
    assert deviation is not None
    assert (deviation > 0).all()
    assert blended.arrays["spread"][0] > 0
    assert (
        Blend(members="als,bias")
        .fit_stars(train)
        .forecast(Readers.of(train).take(np.arange(3)), np.arange(3), np.arange(3))
        .deviation
        is None
    )


def test_where_no_member_helps_it_says_the_mean(planted: Interactions) -> None:
    """Everybody gives everything 4 stars: every weight is 0, and every answer has its shape all the same."""
    same = replace(planted, stars=np.where(planted.rated, 4, np.nan).astype(np.float32))
    model = Blend(members="als,bias").fit(same)
    assert not model.arrays["weights"].any()
    readers = model.known_readers.take(np.arange(3))
    np.testing.assert_allclose(model.expect(readers), np.full((3, planted.n_books), 4.0))
    left_out = model.left_out(readers)
    assert left_out is not None
    np.testing.assert_allclose(left_out, np.full(int(readers.rated.sum()), 4.0))
    assert model.explain(readers.take(np.array([0])), np.arange(5)).stars == pytest.approx([4.0] * 5)


@pytest.mark.parametrize("members", ["ease", "gp,gmf", "gp,blend", "neighbours"])
def test_who_cannot_be_a_member(planted: Interactions, members: str) -> None:
    with pytest.raises(ModelError, match="a blend is of models that predict stars for strangers"):
        Blend(members=members).fit(planted)


def test_a_name_that_stands_twice_is_two_seeds() -> None:
    made = Blend(seed=3, members="als, bias,als")._made()
    assert [(model.name, model.seed) for model in made] == [("als", 3), ("bias", 3), ("als", 4)]
