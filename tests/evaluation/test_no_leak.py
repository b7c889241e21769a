"""What is held out changes no fitted number, whoever fits: a model, `train`, a search for settings."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shelfaware.cli import main
from shelfaware.data.dataset import save
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.evaluation.protocol import judge
from shelfaware.evaluation.tune import Search, tune
from shelfaware.models.base import Model
from shelfaware.models.registry import MODELS, create

HOLDOUT = "random:0.1"
SMALL = {"factors": 4, "epochs": 3, "batch_size": 64, "samples": 3, "neighbours": 5}


def other_stars(data: Interactions, holdout: str = HOLDOUT) -> Interactions:
    """The same data with every held-out rating turned round: 5 stars are 1, 4 are 2, 3 are 5."""
    _, test = split(data, holdout)
    held = np.isin(data.pair_keys, test.pair_keys)
    stars = data.stars.copy()
    stars[held] = np.where(stars[held] == 3, 5, 6 - stars[held])
    return replace(data, stars=stars)


def numbers(model: Model) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(model.all_arrays().items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def small(name: str) -> Model:
    known = create(name).config
    return create(name, {setting: value for setting, value in SMALL.items() if setting in known})


@pytest.fixture(scope="module")
def changed(planted: Interactions) -> Interactions:
    other = other_stars(planted)
    assert (other.stars[other.rated] != planted.stars[planted.rated]).sum() == 265
    return other


@pytest.mark.parametrize("name", MODELS)
def test_no_model_sees_the_test_stars(planted: Interactions, changed: Interactions, name: str) -> None:
    fitted = []
    for data in (planted, changed):
        train, test = split(data, HOLDOUT)
        model = small(name).fit(train)
        before = numbers(model)
        figures = judge(model, test).figures()
        assert numbers(model) == before
        fitted.append((before, model.version, figures))
    assert fitted[0][:2] == fitted[1][:2]
    assert fitted[0][2] != fitted[1][2]


def test_train_writes_the_same_bytes(planted: Interactions, changed: Interactions, tmp_path: Path) -> None:
    hashes = set()
    for name, data in (("own", planted), ("changed", changed)):
        save(data, tmp_path / name)
        options = ["--model", "gp", "--factors", "4", "--epochs", "2", "--patience", "1", "--holdout", HOLDOUT]
        with pytest.raises(SystemExit) as ended:
            main(["train", str(tmp_path / name), "--out", str(tmp_path / f"{name}-model"), *options])
        assert ended.value.code == 0
        hashes.add(hashlib.sha256((tmp_path / f"{name}-model" / "arrays.safetensors").read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_a_search_chooses_the_same_settings(planted: Interactions, changed: Interactions, tmp_path: Path) -> None:
    own, other = (
        tune(Search(data, "bias", tmp_path / name, HOLDOUT), 4) for name, data in (("own", planted), ("other", changed))
    )
    assert own.settings == other.settings
    assert own.found == other.found


def test_these_tests_can_fail(planted: Interactions) -> None:
    """Other stars in the training data do change the numbers."""
    train, test = split(planted, HOLDOUT)
    leaked = replace(train, stars=np.where(np.arange(len(train)) == np.flatnonzero(train.rated)[0], 1, train.stars))
    assert numbers(small("bias").fit(train)) != numbers(small("bias").fit(leaked))
    assert len(test)
