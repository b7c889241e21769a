"""`train` in several processes: the model of one, refused options, and what a person sees when it is stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from group import at_once, free_port
from shelfaware.models.folder import load_model

Command = Callable[..., Any]
PROGRAM = [sys.executable, "-c", "from shelfaware.cli import main; main()"]
QUICK = ("--factors", "4", "--epochs", "3", "--holdout", "random:0.1")
AFTER_TWO = """
import contextlib, os, signal, sys
from pathlib import Path
from shelfaware.cli import main
from shelfaware.training import progress

@contextlib.contextmanager
def acting(*_):
    yield lambda record: {} if record.epoch == 2 else None

progress.shown = acting
os.setpgrp()
main()
"""
"""The command in a process group of its own, with something that process 0 does after epoch 2."""


def mse_of(folder: Path) -> float:
    return float(json.loads((folder / "metrics.json").read_bytes())["mse"])


@pytest.fixture(scope="module")
def two(workshop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workshop's gp, trained by two processes."""
    out = tmp_path_factory.mktemp("two") / "model"
    (done,) = at_once([[*PROGRAM, "train", str(workshop / "sample"), "--out", str(out), *QUICK, "--processes", "2"]])
    assert done.code == 0, done.err
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    assert len(done.err.splitlines()) == 4
    return out


def test_two_processes_train_what_one_does(two: Path, workshop: Path) -> None:
    ours, alone = load_model(two), load_model(workshop / "gp")
    assert ours.config == alone.config
    for name, array in alone.all_arrays().items():
        np.testing.assert_allclose(ours.all_arrays()[name], array, rtol=0, atol=1e-4, err_msg=name)
    assert abs(mse_of(two) - mse_of(workshop / "gp")) < 1e-4


@pytest.mark.parametrize(
    ("act", "code"),
    [("os.kill(os.getpid(), signal.SIGTERM)", 143), ("os.killpg(0, signal.SIGINT)", 130)],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_stopped_and_resumed_is_the_same_model(act: str, code: int, two: Path, workshop: Path, tmp_path: Path) -> None:
    """SIGTERM to the process that a person sees stops both, as Ctrl-C does, which all of them get; none outlives it."""
    train = ["train", str(workshop / "sample"), "--out", str(tmp_path / "model"), *QUICK, "--processes", "2"]
    (stopped,) = at_once([[sys.executable, "-c", AFTER_TWO.format(act), *train]])
    assert (stopped.code, stopped.out) == (code, "")
    assert stopped.err.splitlines()[1:] == ["shelfaware: stopped after epoch 2; run the same command with --resume to go on"]
    assert [path.name.startswith("model.checkpoint") for path in tmp_path.iterdir()] == [True]
    (resumed,) = at_once([[*PROGRAM, *train, "--resume"]])
    assert resumed.code == 0, resumed.err
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "arrays.safetensors").read_bytes() == (two / "arrays.safetensors").read_bytes()


def test_each_started_by_itself_sees_its_own_dataset(two: Path, workshop: Path, tmp_path: Path) -> None:
    """As on two machines: the second has the data elsewhere and writes nothing."""
    (tmp_path / "there").symlink_to(workshop / "sample")
    place = ["--processes", "2", "--coordinator", f"127.0.0.1:{free_port()}", "--process-id"]
    datasets = (workshop / "sample", tmp_path / "there")
    ended = at_once(
        [
            [*PROGRAM, "train", str(data), "--out", str(tmp_path / f"m{i}"), *QUICK, *place, str(i)]
            for i, data in enumerate(datasets)
        ]
    )
    assert [(done.code, bool(done.out)) for done in ended] == [(0, True), (0, False)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m0", "there"]
    assert (tmp_path / "m0" / "arrays.safetensors").read_bytes() == (two / "arrays.safetensors").read_bytes()


def test_a_killed_worker_ends_the_training_with_a_sentence(workshop: Path, tmp_path: Path) -> None:
    act = "os.kill(int(Path(f'/proc/self/task/{os.getpid()}/children').read_text()), signal.SIGKILL)"
    train = ["train", str(workshop / "sample"), "--out", str(tmp_path / "model"), *QUICK, "--processes", "2"]
    (done,) = at_once([[sys.executable, "-c", AFTER_TWO.format(act), *train]])
    assert (done.code, done.out) == (2, "")
    said, error = done.err.splitlines()
    assert said.startswith("Training takes about")
    assert error == "shelfaware: process 1 was ended by SIGKILL; train again with --resume to go on"
    assert all(path.name.startswith("model.checkpoint") for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "bias", "--processes", 2], "--processes is of gp; bias is trained in one process"),
        (["--coordinator", "a:1", "--processes", 2], "--coordinator and --process-id go together"),
        (["--process-id", 0, "--processes", 2], "--coordinator and --process-id go together"),
        (["--coordinator", "a:1", "--process-id", 2, "--processes", 2], "--process-id counts from 0 to 1"),
        (
            ["--coordinator", "host", "--process-id", 1, "--processes", 2],
            "--coordinator is the first machine's HOST:PORT, not host",
        ),
    ],
)
def test_refused_options(options: list[object], sentence: str, workshop: Path, command: Command, tmp_path: Path) -> None:
    done = command("train", workshop / "sample", "--out", tmp_path / "m", *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"shelfaware: {sentence}")
    assert list(tmp_path.iterdir()) == []
