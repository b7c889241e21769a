"""A training of a learner that counts, in one of several processes: HOST:PORT, number, processes, folder, what happens.

It prints what was learned. `kill:E` and `signal:E` end or ask the last process after epoch E; `version`, `settings` and
`damaged` make it differ; `resume` goes on.
"""

from __future__ import annotations

import importlib.metadata
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shelfaware.errors import ShelfawareError
from shelfaware.training import loop, processes
from shelfaware.training.history import EpochRecord, Scores

State = dict[str, NDArray[np.float64]]


@dataclass
class Counter:
    """Its state depends on the one before; its validation differs in every process."""

    number: int
    epochs: int = 5
    legs: int = 2

    def start(self, draw: int) -> State:
        return {"weights": np.arange(3.0) + draw}

    def train_leg(self, state: State, epoch: int, leg: int, rate: float) -> tuple[State, NDArray[np.float64]]:
        return {"weights": np.sin(state["weights"] * (epoch + leg / 2 + 1) + rate)}, np.ones(4)

    def validate(self, state: State) -> Scores:
        mse = float(state["weights"][0]) + 10 * self.number
        return Scores(mse, mse, mse)

    def learned(self, state: State) -> State:
        return state

    def is_dead(self, state: State) -> bool:
        return False


def main(coordinator: str, number: int, n: int, folder: Path, what: str) -> None:
    last, (happens, _, epoch) = number == n - 1, what.partition(":")

    def after(record: EpochRecord) -> None:
        if last and happens in ("kill", "signal") and record.epoch == int(epoch):
            os.kill(os.getpid(), signal.SIGKILL if happens == "kill" else signal.SIGTERM)

    if last and happens == "version":
        versions = importlib.metadata.version
        importlib.metadata.version = lambda name: "0.0.9" if name == "shelfaware" else versions(name)
    path = folder / "run"
    if happens == "damaged" and not number:
        path.write_bytes(b"?")
    loop.CHECKPOINT_SECONDS = 0.0
    run = loop.Run(after, None if number else path, resume=happens in ("resume", "damaged"))
    identity = f"run {happens if last and happens == 'settings' else ''}"
    with processes.joined(processes.Group(coordinator, number, n)):
        learned, history = loop.train(Counter(number), run, identity=identity, patience=2, max_redraws=0)
    sys.stdout.write(f"{learned['weights'].tolist()} {history.best_epoch} {history.validation_mse}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])
    except ShelfawareError as error:
        sys.stderr.write(f"{error}\n")
        processes.end(128 + getattr(error, "signal_number", -126))
