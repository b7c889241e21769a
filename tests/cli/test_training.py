"""What `train` says and does before it starts: estimates, a dataset in parts, one trainer at a time."""

from __future__ import annotations

import contextlib
import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shelfaware.data import part_writer
from shelfaware.data.dataset import load, save
from shelfaware.data.interactions import Interactions
from shelfaware.data.parts import Parts
from shelfaware.models import estimates
from shelfaware.models.estimates import Size, estimate
from shelfaware.models.folder import load_model
from shelfaware.models.gp import GP
from shelfaware.models.gp_parts import fit_parts, rank_parts
from shelfaware.training import progress
from shelfaware.training.alone import alone

Command = Callable[..., Any]
QUICK = ("--factors", 4, "--epochs", 3)


@pytest.fixture(scope="module")
def parted(workshop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample in several parts."""
    folder, data = tmp_path_factory.mktemp("parted") / "dataset", load(workshop / "sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_writer, "PART_ROWS", 1 + len(data) // 4)
        save(data, folder)
    assert len(Parts.open(folder)) > 3
    return folder


def ranker_of(folder: Path) -> str:
    return str(json.loads((folder / "config.json").read_bytes())["ranker"]["model"])


def test_what_it_will_take_is_said_before(workshop: Path, command: Command, tmp_path: Path) -> None:
    done = command("train", workshop / "sample", "--out", tmp_path / "m", *QUICK)
    assert done.code == 0
    first = done.err.splitlines()[0]
    assert re.fullmatch(r"Training takes about [\d.]+ [MG]B of memory, \d+ MB of disk and \d+ s\.", first)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    bias = command("train", workshop / "sample", "--model", "bias", "--out", tmp_path / "bias")
    assert "takes about" not in bias.err


def test_an_error_comes_after_what_was_said(command: Command, tmp_path: Path) -> None:
    save(Interactions.from_frame(pl.DataFrame({"user_id": [1, 2], "book_id": [5, 5], "stars": [4.0, 3.0]})), tmp_path / "d")
    done = command("train", tmp_path / "d", "--out", tmp_path / "m")
    said, error = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert said.startswith("Training takes about ")
    assert error == "shelfaware: gp needs users with at least two ratings to learn from, and there is none"


def test_from_parts_is_the_fit_from_parts_with_ease(parted: Path, command: Command, tmp_path: Path) -> None:
    done = command("train", parted, "--out", tmp_path / "m", "--from-parts", *QUICK)
    assert done.code == 0
    assert "Training a part at a time takes about" in done.err
    assert "popularity" not in done.err
    assert ranker_of(tmp_path / "m") == "ease"
    config = json.loads((tmp_path / "m" / "config.json").read_bytes())
    assert config["origin"]["n_ratings"] == Parts.open(parted).ratings
    model = rank_parts(fit_parts(GP(factors=4, epochs=3), Parts.open(parted)), Parts.open(parted))
    read = load_model(tmp_path / "m")
    for name, array in model.all_arrays().items():
        assert (read.all_arrays()[name] == array).all()
    assert config["ranker"]["star_weight"] == model.star_weight
    assert command("recommend", tmp_path / "m", "--user", "1", "--json").json["recommendations"]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many bytes are free."""
    return lambda n: monkeypatch.setattr(estimates, "available_memory", lambda: n)


def test_a_dataset_that_does_not_fit_is_read_by_the_part(
    parted: Path, workshop: Path, command: Command, tmp_path: Path, memory: Callable[[int], None]
) -> None:
    """Free is what a fit from parts takes: less than one in memory."""
    needed = estimate(GP(factors=4, epochs=3), Size.of(Parts.open(parted)), in_parts=True).memory_bytes
    memory(needed)
    done = command("train", parted, "--out", tmp_path / "m", *QUICK)
    assert done.code == 0
    assert re.search(r"Training a part at a time takes .* \(all rows at once would take [\d.]+ [MG]B of memory\)", done.err)
    assert ranker_of(tmp_path / "m") == "ease"
    for dataset, holdout, advice in (
        (parted, ["--holdout", "user:1"], "leave out --holdout to train a part at a time"),
        (workshop / "sample", [], "free some, or take fewer --factors"),
    ):
        refused = command("train", dataset, "--out", tmp_path / "new", *QUICK, *holdout)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert re.search(r"needs about [\d.]+ [MG]B of memory, and [\d.]+ [MG]B is free; " + advice, refused.err)


def test_where_ease_does_not_fit_it_ranks_by_popularity(
    parted: Path, command: Command, tmp_path: Path, memory: Callable[[int], None]
) -> None:
    model, counts = GP(factors=4, epochs=3), Size.of(Parts.open(parted))
    memory(estimate(model, counts, in_parts=True).memory_bytes - 1)
    done = command("train", parted, "--out", tmp_path / "m", "--from-parts", *QUICK)
    assert done.code == 0
    wanted = r"It will rank by popularity: with ease the training needs about [\d.]+ MB of memory, and [\d.]+ MB is free\."
    assert re.search(wanted, done.err)
    assert ranker_of(tmp_path / "m") == "popularity"
    memory(estimate(model, counts, in_parts=True, by_popularity=True).memory_bytes - 1)
    refused = command("train", parted, "--out", tmp_path / "new", "--from-parts", *QUICK)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "free some, or take fewer --factors" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_interrupted_between_epochs_and_resumed_from_parts(
    parted: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at: list[int] = []

    @contextlib.contextmanager
    def signalling(*_: object) -> Iterator[Callable[[Any], None]]:
        yield lambda record: signal.raise_signal(signal.SIGTERM) if record.epoch in at else None

    monkeypatch.setattr(progress, "shown", signalling)
    train = ("train", parted, "--from-parts", *QUICK, "--out")
    assert command(*train, tmp_path / "whole").code == 0
    at.append(2)
    stopped = command(*train, tmp_path / "again")
    assert stopped.code == 143
    assert stopped.err.endswith("shelfaware: stopped after epoch 2; run the same command with --resume to go on\n")
    at.clear()
    assert command(*train, tmp_path / "again", "--resume").code == 0
    arrays = [(tmp_path / name / "arrays.safetensors").read_bytes() for name in ("whole", "again")]
    assert arrays[0] == arrays[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "whole"]


def test_a_second_trainer_is_refused_and_changes_nothing(workshop: Path, command: Command, tmp_path: Path) -> None:
    with alone(tmp_path / "m"):
        done = command("train", workshop / "sample", "--model", "mean", "--out", tmp_path / "m")
        assert (done.code, done.out) == (2, "")
        assert done.err == f"shelfaware: another training is writing {tmp_path}/m; wait for it, or choose a new folder\n"
    assert list(tmp_path.iterdir()) == []
    assert command("train", workshop / "sample", "--model", "mean", "--out", tmp_path / "m").code == 0
