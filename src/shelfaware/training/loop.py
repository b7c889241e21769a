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

Learned = Any
"""A pytree of arrays: parameters alone."""

MAX_ROLLBACKS = 3
CHECKPOINT_SECONDS = 20.0


class Learner(Protocol):
    """What the loop needs of a model. All randomness comes from the seed, `draw` and `epoch`, so that a run can resume."""

    epochs: int

    def start(self, draw: int) -> State:
        """Fresh parameters; `draw` counts the draws thrown away before."""

    def train_epoch(self, state: State, epoch: int, rate: float) -> tuple[State, Scores]:
        """The state after epoch `epoch` (from 0), with every learning rate multiplied by `rate`.

        It may work in the place of `state`, which nobody reads afterwards.
        """

    def learned(self, state: State) -> Learned:
        """What the finished model needs of a state; it outlives work in the state's place."""

    def validate(self, state: State) -> Scores | None:
        """Scores on the validation rows; None if there are none, or nothing is learned yet that could be scored."""

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
    """Everything that an unfinished run needs to go on.

    best   what was learned at the best epoch; None: that is the last one
    rate   what learning rates are multiplied by
    rates  the `rate` of each epoch so far
    saved  whether the checkpoint's file is one of this run
    """

    state: State
    best: Learned = None
    history: History = field(default_factory=History)
    rate: float = 1.0
    rates: list[float] = field(default_factory=list)
    saved: bool = False

    @property
    def epoch(self) -> int:
        return len(self.history.records)


def train(learner: Learner, run: Run, *, identity: str, patience: int | None, max_redraws: int) -> tuple[Learned, History]:
    """Trains to the last epoch, or until `patience` epochs bring no better validation; returns what was learned at the best.

    `identity` names settings and data, so that a checkpoint of another run is refused. A dead state is drawn again, at
    most `max_redraws` times; the last one is returned dead, for the caller to refuse.
    """
    # One thread: XLA's own gain nothing on steps this small, and on shared cores they wait for each other.
    os.environ.setdefault("PJRT_NPROC", "1")
    progress = _begin(learner, run, identity)
    saved = time.monotonic()
    with watching() as interrupted:
        while progress.epoch < learner.epochs and not _out_of_patience(progress.history, patience):
            _one_epoch(learner, progress, run, identity)
            if learner.is_dead(progress.state) and progress.history.redraws < max_redraws:
                redraws = progress.history.redraws + 1
                progress = Progress(learner.start(redraws), history=History(redraws=redraws))
            if run.checkpoint and (interrupted() or time.monotonic() - saved > CHECKPOINT_SECONDS):
                checkpoint.save(run.checkpoint, progress, identity)
                progress.saved, saved = True, time.monotonic()
            if signal_number := interrupted():
                raise TrainingInterruptedError(signal_number, progress.epoch, run.checkpoint)
    if run.checkpoint:
        run.checkpoint.unlink(missing_ok=True)
    return learner.learned(progress.state) if progress.best is None else progress.best, progress.history


def _begin(learner: Learner, run: Run, identity: str) -> Progress:
    if run.resume and run.checkpoint and run.checkpoint.exists():
        return checkpoint.load(run.checkpoint, learner, identity)
    return Progress(learner.start(0))


def _one_epoch(learner: Learner, progress: Progress, run: Run, identity: str) -> None:
    """Advances `progress` by one epoch, at a lower rate if the loss stops being a number."""
    started = time.perf_counter()
    progress.state, scores = learner.train_epoch(progress.state, progress.epoch, progress.rate)
    while not (math.isfinite(scores.loss) and _finite(progress.state)):
        if progress.history.rollbacks == MAX_ROLLBACKS:
            raise TrainingError(
                f"the loss of epoch {progress.epoch + 1} is not a finite number, even at {progress.rate:g} of the learning "
                "rate; lower the learning rate or check the stars"
            )
        progress.rate /= 2
        progress.history.rollbacks += 1
        progress.state = None  # room for another
        progress.state = _again(learner, progress, run, identity)
        progress.state, scores = learner.train_epoch(progress.state, progress.epoch, progress.rate)
    validation = learner.validate(progress.state)
    seconds = time.perf_counter() - started
    record = EpochRecord(progress.epoch + 1, learner.epochs, scores, validation, seconds)
    if validation is None or not progress.history.validation_mse or validation.mse < min(progress.history.validation_mse):
        progress.best = None if validation is None else learner.learned(progress.state)
        progress.history.best_epoch = record.epoch
    progress.history.records.append(record)
    progress.rates.append(progress.rate)
    if run.on_epoch:
        run.on_epoch(record)


def _again(learner: Learner, progress: Progress, run: Run, identity: str) -> State:
    """The state after the last epoch that counts. No run holds a second table for it: the epochs are gone through once more,
    from the checkpoint on if there is one.
    """
    kept = checkpoint.load(run.checkpoint, learner, identity) if run.checkpoint and progress.saved else None
    state = kept.state if kept else learner.start(progress.history.redraws)
    for epoch in range(kept.epoch if kept else 0, progress.epoch):
        state = learner.train_epoch(state, epoch, progress.rates[epoch])[0]
    return state


def _finite(state: State) -> bool:
    """Whether every number of a state is finite: a last step can spoil parameters after the loss was taken."""
    import jax

    return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(state))


def _out_of_patience(history: History, patience: int | None) -> bool:
    watched = patience is not None and bool(history.validation_mse)
    return watched and len(history.records) - history.best_epoch >= (patience or 1)
