"""The processes of a training, started by a local Ray."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from shelfaware.errors import TrainingError
from shelfaware.scale.ray_training import Ended, _told
from shelfaware.training.processes import LOST

TRAIN = [sys.executable, "-c", "from shelfaware.cli import main; main()", "train"]


def trained(dataset: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [*TRAIN, str(dataset), "--out", out.name, "--factors", "3", "--epochs", "2", "--processes", "2", *more]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # as Ray gives a worker: sums to the bit
    token = {"RAY_AUTH_TOKEN": secrets.token_hex(32)}  # else Ray keeps one in the home folder
    return subprocess.run(
        command,
        cwd=out.parent,
        env={**os.environ, **one_thread, **token},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_ray_s_processes_train_what_others_do(folders: Path, tmp_path: Path) -> None:
    if find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install 'shelfaware[scale]'")
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    done = [trained(folders / "set", plain), trained(folders / "set", ours, "--ray")]
    assert [one.returncode for one in done] == [0, 0], done[1].stderr
    assert done[1].stderr.splitlines()[-1].startswith("The model is in ours; next: ")
    assert (ours / "arrays.safetensors").read_bytes() == (plain / "arrays.safetensors").read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ours", "plain"]


def test_the_sentence_is_that_of_who_ended_the_others() -> None:
    with pytest.raises(TrainingError, match="the disk is full"):
        _told([Ended(2, LOST), Ended(0, "fine"), Ended(2, "the disk is full")])
    with pytest.raises(TrainingError, match="another process"):
        _told([Ended(-9, LOST), Ended(2, LOST)])
    assert _told([Ended(0, "The model is in m"), Ended(0, LOST)]) == "The model is in m"
