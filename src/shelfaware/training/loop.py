"""The one training loop. It knows epochs, validation, early stopping, checkpoints and interrupts, and no model by name."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from shelfaware.errors import TrainingError
from shelfaware.training import checkpoint
from shelfaware.training.history import EpochRecord, History, Scores
from shelfaware.training.interrupts import TrainingInterruptedError, watching

State = Any
"""A pytree of arrays: parameters and optimiser state, current as of the end of an epoch."""

MAX_ROLLBACKS = 3
CHECKPOINT_SECONDS = 20.0


class Learner(Protocol):
    """What the loop needs of a model. All randomness comes from the seed, `draw` and `epoch`, so that a run can resume."""

    epochs: int

    def start(self, draw: int) -> State:
        """Fresh parameters; `draw` counts the draws thrown away before."""

    def train_epoch(self, state: State, epoch: int, rate: float) -> tuple[State, Scores]:
        """The state after epoch `epoch` (from 0), with every learning rate multiplied by `rate`."""

    def validate(self, state: State) -> Scores | None:
        """Scores on the validation rows; None if there are none."""

    def is_dead(self, state: State) -> bool:
        """Whether the network returns one number whatever it is asked."""


@dataclass(frozen=True)
class Run:
    """How to run a fit, beside what to fit. None of it changes a fitted number.

    on_epoch    called after every epoch
    checkpoint  file that keeps an unfinished run; removed when the run ends
    resume      whether to go on from that file if it is there
    """

    on_epoch: Callable[[EpochRecord], object] | None = None
    checkpoint: Path | None = None
    resume: bool = False


@dataclass
class Progress:
    """Everything that an unfinished run needs to go on."""

    state: State
    best: State
    history: History = field(default_factory=History)
    rate: float = 1.0

    @property
    def epoch(self) -> int:
        return len(self.history.records)


def train(learner: Learner, run: Run, *, identity: str, patience: int | None, max_redraws: int) -> tuple[State, History]:
    """Trains to the last epoch, or until `patience` epochs bring no better validation; returns the best state.

    `identity` names settings and data, so that a checkpoint of another run is refused. A dead state is drawn again, at
    most `max_redraws` times; the last one is returned dead, for the caller to refuse.
    """
    # One thread: XLA's own gain nothing on steps this small, and on shared cores they wait for each other.
    os.environ.setdefault("PJRT_NPROC", "1")
    progress = _begin(learner, run, identity)
    saved = time.monotonic()
    with watching() as interrupted:
        while progress.epoch < learner.epochs and not _out_of_patience(progress.history, patience):
            _one_epoch(learner, progress, run)
            if learner.is_dead(progress.state) and progress.history.redraws < max_redraws:
                redraws = progress.history.redraws + 1
                fresh = learner.start(redraws)
                progress = Progress(fresh, fresh, History(redraws=redraws))
            if run.checkpoint and (interrupted() or time.monotonic() - saved > CHECKPOINT_SECONDS):
                checkpoint.save(run.checkpoint, progress, identity)
                saved = time.monotonic()
            if signal_number := interrupted():
                raise TrainingInterruptedError(signal_number, progress.epoch, run.checkpoint)
    if run.checkpoint:
        run.checkpoint.unlink(missing_ok=True)
    return progress.best, progress.history


def _begin(learner: Learner, run: Run, identity: str) -> Progress:
    fresh = learner.start(0)
    if run.resume and run.checkpoint and run.checkpoint.exists():
        return checkpoint.load(run.checkpoint, like=Progress(fresh, fresh), identity=identity)
    return Progress(fresh, fresh)


def _one_epoch(learner: Learner, progress: Progress, run: Run) -> None:
    """Advances `progress` by one epoch, at a lower rate if the loss stops being a number."""
    started = time.perf_counter()
    state, scores = learner.train_epoch(progress.state, progress.epoch, progress.rate)
    while not (math.isfinite(scores.loss) and _finite(state)):
        if progress.history.rollbacks == MAX_ROLLBACKS:
            raise TrainingError(
                f"the loss of epoch {progress.epoch + 1} is not a finite number, even at {progress.rate:g} of the learning "
                "rate; lower the learning rate or check the stars"
            )
        progress.rate /= 2
        progress.history.rollbacks += 1
        state, scores = learner.train_epoch(progress.state, progress.epoch, progress.rate)
    validation = learner.validate(state)
    seconds = time.perf_counter() - started
    record = EpochRecord(progress.epoch + 1, learner.epochs, scores, validation, seconds)
    if validation is None or not progress.history.records or validation.mse < min(progress.history.validation_mse):
        progress.best, progress.history.best_epoch = state, record.epoch
    progress.state = state
    progress.history.records.append(record)
    if run.on_epoch:
        run.on_epoch(record)


def _finite(state: State) -> bool:
    """Whether every number of a state is finite: a last step can spoil parameters after the loss was taken."""
    import jax

    return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(state))


def _out_of_patience(history: History, patience: int | None) -> bool:
    watched = patience is not None and bool(history.validation_mse)
    return watched and len(history.records) - history.best_epoch >= (patience or 1)
