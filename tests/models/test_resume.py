"""A run that was stopped, or killed, and goes on is bit for bit the run that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split
from shelfaware.errors import TrainingError
from shelfaware.models.base import Model
from shelfaware.models.gmf import GMF
from shelfaware.models.gp import GP
from shelfaware.training.history import EpochRecord
from shelfaware.training.interrupts import TrainingInterruptedError
from shelfaware.training.loop import Run

EPOCHS = 4
MODELS: dict[str, Model] = {
    "gp": GP(factors=4, epochs=EPOCHS, block_size=16, batch_size=128),
    "gmf": GMF(factors=4, epochs=EPOCHS, batch_size=64),
}


def stopped_after(epoch: int, model: Model, data: Split, path: Path) -> None:
    def stop(record: EpochRecord) -> None:
        if record.epoch == epoch:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterruptedError, match=f"after epoch {epoch}"):
        model.fit(*data, Run(on_epoch=stop, checkpoint=path))


@pytest.mark.parametrize("name", MODELS)
def test_interrupted_and_resumed_is_the_same_run(name: str, planted_split: Split, tmp_path: Path) -> None:
    whole = replace(MODELS[name]).fit(*planted_split)
    stopped_after(2, replace(MODELS[name]), planted_split, tmp_path / "run")
    epochs: list[int] = []
    again = replace(MODELS[name]).fit(
        *planted_split, Run(on_epoch=lambda r: epochs.append(r.epoch), checkpoint=tmp_path / "run", resume=True)
    )
    assert epochs == [3, 4]
    for key, array in whole.arrays.items():
        np.testing.assert_array_equal(again.arrays[key], array, strict=True)
    assert again.history.loss == whole.history.loss
    assert again.history.validation_mse == whole.history.validation_mse


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_of_another_run_is_refused(name: str, planted_split: Split, tmp_path: Path) -> None:
    train, test = planted_split
    stopped_after(1, replace(MODELS[name]), planted_split, tmp_path / "run")
    go_on = Run(checkpoint=tmp_path / "run", resume=True)
    others = {
        "settings": (replace(MODELS[name], learning_rate=1e-4), train, test),
        "seed": (replace(MODELS[name], seed=9), train, test),
        "data": (replace(MODELS[name]), train.take(train.user_index < 299), test),
        "validation": (replace(MODELS[name]), train, test.take(test.user_index < 200)),
    }
    for model, learned, watched in others.values():
        with pytest.raises(TrainingError, match="of other data or settings"):
            model.fit(learned, watched, go_on)
    assert (tmp_path / "run").exists()


SCRIPT = """
import os, signal, sys
from pathlib import Path
import polars as pl
from shelfaware.data.interactions import Interactions
from shelfaware.models.{module} import {model}
from shelfaware.training import loop

loop.CHECKPOINT_SECONDS = 0.0
table, path, last = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
kill = lambda record: os.kill(os.getpid(), signal.SIGKILL) if record.epoch == last else None
model = {model}(factors=4, epochs={epochs}, {settings})
model.fit(Interactions.from_frame(pl.read_parquet(table)), run=loop.Run(kill, path, resume=True))
print(model.version)
"""
SETTINGS = {"gp": "block_size=16, batch_size=128", "gmf": "batch_size=64"}


@pytest.mark.parametrize("name", ["gp", pytest.param("gmf", marks=pytest.mark.slow)])
def test_killed_and_resumed_is_the_same_run(name: str, planted: Interactions, tmp_path: Path) -> None:
    """Two processes under other hash seeds: one dies after a random epoch, the next goes on from its checkpoint."""
    table, checkpoint = tmp_path / "table.parquet", tmp_path / "run"
    frame = planted.to_frame().rename({"user_index": "user_id", "book_index": "book_id"})
    frame.write_parquet(table)
    script = SCRIPT.format(module=name, model=name.upper(), epochs=EPOCHS, settings=SETTINGS[name])

    def start(last: int, hash_seed: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", script, str(table), str(checkpoint), str(last)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    last = random.randint(2, EPOCHS)
    assert start(last, "1").returncode == -signal.SIGKILL
    assert checkpoint.exists()
    resumed = start(0, "2")
    assert resumed.returncode == 0, resumed.stderr
    whole = replace(MODELS[name]).fit(Interactions.from_frame(frame))
    assert resumed.stdout.strip() == whole.version, f"killed after epoch {last}"
    assert not checkpoint.exists()
