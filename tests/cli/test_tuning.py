"""`tune`, and `train --config` that takes what it found."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shelfaware.evaluation import tune as search
from shelfaware.models.folder import load_model

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def tuned(workshop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of three trials for bias. Nobody may change it."""
    from shelfaware.cli import main

    out = tmp_path_factory.mktemp("tuned") / "tune"
    with pytest.raises(SystemExit) as ended:
        main(["tune", str(workshop / "sample"), "--model", "bias", "--trials", "3", "--out", str(out), "--seed", "2"])
    assert ended.value.code == 0
    return out


def test_what_it_writes_and_says(tuned: Path, workshop: Path, command: Command, tmp_path: Path) -> None:
    assert {path.name for path in tuned.iterdir()} == {"study.sqlite", "best.json", "history.png", "history.svg"}
    done = command("tune", workshop / "sample", "--model", "bias", "--trials", 3, "--out", tmp_path / "t", "--seed", 2)
    assert done.code == 0
    assert done.err.count("\ntrial") + done.err.startswith("trial") == 3
    assert re.search(r"^trial 1: [01]\.\d{4} with user_decay 4, book_decay 4$", done.err, re.MULTILINE)
    assert "user_decay" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert f"next: shelfaware train {workshop}/sample --config {tmp_path}/t/best.json --holdout random:0.1 --seed 2" in done.err
    assert "These ratings are simulated" in done.err
    assert (tmp_path / "t" / "best.json").read_bytes() == (tuned / "best.json").read_bytes()


def test_json_is_the_file(tuned: Path, workshop: Path, command: Command, tmp_path: Path) -> None:
    done = command("tune", workshop / "sample", "--model", "bias", "--trials", 1, "--out", tmp_path / "t", "--json")
    assert done.json == json.loads((tmp_path / "t" / "best.json").read_bytes())


def test_train_takes_the_best(tuned: Path, workshop: Path, command: Command, tmp_path: Path) -> None:
    best = json.loads((tuned / "best.json").read_bytes())
    options = ("--config", tuned / "best.json", "--holdout", "random:0.1", "--seed", 2)
    assert command("train", workshop / "sample", *options, "--out", tmp_path / "m").code == 0
    model = load_model(tmp_path / "m")
    assert model.name == "bias"
    assert model.config == best["settings"] | {"seed": 2}


def test_an_option_of_the_command_goes_before_the_file(workshop: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"model": "gmf", "settings": {"factors": 3, "epochs": 5}}')
    options = ("--config", tmp_path / "c.json", "--epochs", 1)
    assert command("train", workshop / "sample", *options, "--out", tmp_path / "m").code == 0
    model = load_model(tmp_path / "m")
    assert (model.name, model.config["factors"], model.config["epochs"]) == ("gmf", 3, 1)


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ('{"model": "bias", "settings": {"depth": 2}}', (), "bias has no setting 'depth'"),
        ('{"model": "bias", "depth": 2}', (), "has 'depth', which nothing reads"),
        ('{"model": "bias"}', ("--model", "gmf"), "has settings of bias, not of gmf; leave out --model"),
        (None, ("--holdout", "random:0.1", "--seed", 5), "chosen with the holdout random:0.1 and seed 2"),
    ],
)
def test_what_train_refuses(
    tuned: Path,
    workshop: Path,
    command: Command,
    tmp_path: Path,
    content: str | None,
    options: tuple[object, ...],
    sentence: str,
) -> None:
    path = tuned / "best.json"
    if content:
        path = tmp_path / "c.json"
        path.write_text(content)
    done = command("train", workshop / "sample", "--config", path, "--out", tmp_path / "m", *options)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--model", "mean"), "mean has nothing to search for"),
        (("--model", "svd"), "no model is called 'svd'"),
        (("--holdout", "halves"), "no split is called 'halves'"),
    ],
)
def test_what_tune_refuses(
    workshop: Path, command: Command, tmp_path: Path, options: tuple[object, ...], sentence: str
) -> None:
    done = command("tune", workshop / "sample", "--out", tmp_path / "t", *options)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert not (tmp_path / "t").exists()


def test_ctrl_c(workshop: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "_value", pressed)
    done = command("tune", workshop / "sample", "--model", "bias", "--out", tmp_path / "t")
    assert done.code == 130
    assert done.err == f"shelfaware: stopped in trial 1; 0 trials are in {tmp_path}/t: run the same command to go on\n"


def test_help_loads_no_optuna() -> None:
    code = "import sys, shelfaware.cli as c\ntry: c.main(['tune', '--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in ('optuna', 'jax', 'matplotlib', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_gp_is_searched_from_its_usual_decay_on(workshop: Path, command: Command, tmp_path: Path) -> None:
    """What gp would choose by itself has a usual value in the table too."""
    done = command("tune", workshop / "sample", "--model", "gp", "--trials", 1, "--out", tmp_path / "tune")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines() if line.strip().startswith(("weight_decay", "vector_deviation"))]
    assert sorted(rows) == [["vector_deviation", "0.058", "0.058"], ["weight_decay", "0", "0"]]
