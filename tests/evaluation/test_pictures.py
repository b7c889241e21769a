"""Which pictures there are of what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split
from shelfaware.errors import DataError
from shelfaware.evaluation.pictures import dataset_pictures, model_pictures
from shelfaware.models.base import Model
from shelfaware.models.baselines import Mean


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def both(*stems: str) -> set[str]:
    return {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}


def test_a_dataset_has_its_stars(planted: Interactions, tmp_path: Path) -> None:
    paths = dataset_pictures(planted, tmp_path / "new")
    assert {path.name for path in paths} == names(tmp_path / "new") == both("ratings")
    assert "2,659 ratings of 40 books by 300 users" in (tmp_path / "new" / "ratings.svg").read_text()


@pytest.mark.parametrize(
    ("name", "stems"),
    [
        ("gp", {"learning-curve", "error-by-user", "error-by-book", "calibration"}),
        ("bias", {"error-by-user", "error-by-book"}),
        ("ease", set()),
    ],
)
def test_a_model_has_what_it_can_show(
    small: Callable[[str], Model], planted_split: Split, tmp_path: Path, name: str, stems: set[str]
) -> None:
    paths = model_pictures(small(name), planted_split[1], tmp_path)
    assert {path.name for path in paths} == names(tmp_path) == both(*stems)


def test_without_holdout_only_how_it_learned(small: Callable[[str], Model], tmp_path: Path) -> None:
    model_pictures(small("gp"), None, tmp_path)
    assert names(tmp_path) == both("learning-curve")
    assert model_pictures(small("bias"), None, tmp_path) == []


def test_simulated_is_said_in_every_picture(planted: Interactions, planted_split: Split, tmp_path: Path) -> None:
    simulated = replace(planted_split[0], simulated=True)
    paths = dataset_pictures(simulated, tmp_path) + model_pictures(Mean().fit(simulated), planted_split[1], tmp_path)
    svgs = [path.read_text() for path in paths if path.suffix == ".svg"]
    assert len(svgs) == 3
    assert all("simulated" in svg for svg in svgs)


def test_one_held_out_rating(small: Callable[[str], Model], planted_split: Split, tmp_path: Path) -> None:
    """Intervals that cannot be told are not drawn, and nothing warns."""
    test = planted_split[1]
    assert model_pictures(small("gp"), test.take(np.arange(len(test)) == 0), tmp_path)


def test_a_folder_that_is_a_file(planted: Interactions, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match="could not write"):
        dataset_pictures(planted, tmp_path / "out")
