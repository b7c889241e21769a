"""The file of chosen settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shelfaware.errors import DataError, ModelError
from shelfaware.evaluation.settings import ChosenOn, Settings, read_settings
from shelfaware.evaluation.spaces import SPACES, space_of
from shelfaware.models.registry import MODELS, VARIANTS, create

ON = ChosenOn("abc", "random:0.1", 3, 0.1)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = Settings("gp:ratings", {"factors": 16, "learning_rate": 0.01}, ON, {"value": 0.58})
    written.write(tmp_path / "best.json")
    assert read_settings(tmp_path / "best.json") == written


def test_one_by_hand_needs_only_a_model(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"model": "bias", "settings": {"user_decay": 2}}')
    assert read_settings(tmp_path / "mine.json") == Settings("bias", {"user_decay": 2})


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        ("{", DataError, "is not JSON"),
        ("[" * 100_000, DataError, "is not JSON"),
        ("[]", DataError, "names no model"),
        ({"settings": {}}, DataError, "names no model"),
        ({"model": "svd"}, ModelError, "no model is called 'svd'"),
        ({"model": "bias", "settings": {"width": 3}}, ModelError, "bias has no setting 'width'; it has"),
        ({"model": "gp", "settings": {"factors": "many"}}, ModelError, "factors must be int"),
        ({"model": "gp", "factors": 3}, DataError, "has 'factors', which nothing reads; it may have"),
        ({"model": "gp", "settings": [1]}, DataError, "settings and found are objects"),
        ({"model": "gp", "chosen_on": {"seed": 1}}, DataError, "chosen_on has fingerprint"),
        ({"model": "gp", "chosen_on": 7}, DataError, "chosen_on has fingerprint"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: Any, error: type[Exception], sentence: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(error, match=sentence):
        read_settings(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_settings(tmp_path / "none.json")


def test_a_split_whose_test_ratings_the_search_may_have_seen() -> None:
    chosen = Settings("gp", {}, ON)
    with pytest.raises(DataError, match=r"chosen with the holdout random:0\.1 and seed 3"):
        chosen.refuse_test_ratings("abc", "random:0.1", 4)
    with pytest.raises(DataError, match="--holdout none"):
        chosen.refuse_test_ratings("abc", "user:1", 3)
    chosen.refuse_test_ratings("abc", "random:0.1", 3)
    chosen.refuse_test_ratings("abc", "none", 4)
    chosen.refuse_test_ratings("other data", "user:1", 0)
    Settings("gp", {}).refuse_test_ratings("abc", "user:1", 0)


@pytest.mark.parametrize("name", [name for name in SPACES if name in MODELS])
def test_a_space_has_the_usual_settings_inside(name: str) -> None:
    usual = create(name).usual
    for setting, bounds in space_of(name).items():
        assert bounds.low <= usual[setting] <= bounds.high, setting
        low, high = (create(name, {setting: bound}).config[setting] for bound in (bounds.low, bounds.high))
        assert low < high


NOT_SEARCHED = {
    "gp": {"batch_size", "block_size", "shelves", "patience"},
    "gmf": {"biases", "patience", "max_redraws"},
    "bpmf": {"samples", "shelves"},
    "autoencoder": {"batch_size"},
    "neighbours": {"centered"},
    "als": {"biases"},
    "ease": {"neighbours"},
}
"""What is known beforehand, costs time alone or makes another model; everything else is worth a search."""


@pytest.mark.parametrize("name", SPACES)
def test_every_setting_is_searched_or_known_not_to_be_worth_it(name: str) -> None:
    assert set(create(name).config) == {*space_of(name), *NOT_SEARCHED.get(name, ()), "seed"}


def test_variants_have_the_space_of_their_kind() -> None:
    assert space_of("gp:ratings") is SPACES["gp"]
    assert "gp:ratings" in VARIANTS
    with pytest.raises(ModelError, match="mean has nothing to search for; there are gp"):
        space_of("mean")
