"""Models by name: settings are checked when they are given, not when they are used."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.errors import ModelError
from shelfaware.models.base import Model
from shelfaware.models.ease import EASE
from shelfaware.models.gmf import GMF
from shelfaware.models.gp import GP
from shelfaware.models.registry import MODELS, VARIANTS, create


def test_every_name_makes_its_model() -> None:
    named = "gp bpmf blend gmf als autoencoder neighbours bias mean popularity ease"
    assert list(MODELS) == named.split()
    for name in [*MODELS, *VARIANTS]:
        assert create(name).name == name.partition(":")[0]
        assert create(name, {"seed": 3}).seed == 3


def test_variants() -> None:
    assert create("gp:ratings").config["shelves"] is False
    assert create("gp:shelves").config["shelves"] is True
    assert create("gp").config["shelves"] is None
    assert create("bpmf:ratings").config["shelves"] is False
    assert create("bpmf:shelves").config["shelves"] is True
    assert create("als:plain").config["biases"] is False
    assert create("neighbours:plain").config["centered"] is False
    assert create("gmf:notebook").config == GMF.notebook().config != create("gmf").config


def test_settings_are_of_their_kind() -> None:
    model = create("gp", {"factors": 8, "learning_rate": 1, "shelves": None, "patience": 3})
    assert isinstance(model, GP)
    assert (model.factors, model.learning_rate, model.shelves, model.patience) == (8, 1.0, None, 3)
    assert type(model.learning_rate) is float
    assert GP().factors == 32


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("svd", {}, f"no model is called 'svd'; there are {', '.join(MODELS)}"),
        ("", {}, "no model is called ''"),
        ("bias:shelves", {}, "no model is called 'bias:shelves'"),
        ("bias", {"factors": 8}, "bias has no setting 'factors'; it has book_decay, seed, user_decay"),
        ("gp", {"factors": 8.5}, "factors must be int, not 8.5"),
        ("gp", {"factors": True}, "factors must be int, not True"),
        ("gp", {"factors": "8"}, "factors must be int, not '8'"),
        ("gp", {"factors": -1}, "factors must be a number from 0 on, not -1"),
        ("gp", {"learning_rate": float("nan")}, "learning_rate must be a number from 0 on, not nan"),
        ("gp", {"learning_rate": float("inf")}, "learning_rate must be a number from 0 on, not inf"),
        ("gp", {"shelves": 1}, "shelves must be bool or NoneType, not 1"),
        ("gp", {"patience": 1.5}, "patience must be int or NoneType, not 1.5"),
        ("gmf", {"biases": None}, "biases must be bool, not None"),
    ],
)
def test_what_there_is_not(name: str, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError) as refusal:
        create(name, settings)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (GP(factors=0), "gp cannot be fitted with factors 0: it must be 1 or more"),
        (GP(patience=0), "gp cannot be fitted with patience 0: it must be 1 or more"),
        (GP(learning_rate=-1.0), "gp cannot be fitted with learning_rate -1: it must be 0 or more"),
        (GP(noise_deviation=float("nan")), "gp cannot be fitted with noise_deviation nan"),
        (GMF(dropout=1.0), "gmf cannot be fitted with dropout 1: it must be 0 or more and below 1"),
        (EASE(neighbours=0), "ease cannot be fitted with neighbours 0: it must be 1 or more"),
    ],
)
def test_numbers_that_no_training_could_use(planted: Interactions, model: Model, sentence: str) -> None:
    with pytest.raises(ModelError, match=re.escape(sentence)):
        model.fit(planted)
