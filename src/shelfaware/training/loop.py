"""The one training loop. It knows epochs, validation, early stopping, checkpoints and interrupts, and no model by name."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from shelfaware.errors import TrainingError
from shelfaware.training import checkpoint
from shelfaware.training.history import EpochRecord, History, Scores
from shelfaware.training.interrupts import TrainingInterruptedError, watching
from shelfaware.training.processes import agree, exchanged

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
    most `max_redraws` times; the last one is returned dead, for the caller to refuse. Of several processes (`processes`)
    each calls it alike; the first one alone needs a checkpoint.
    """
    # One thread: XLA's own gain nothing on steps this small, and on shared cores they wait for each other.
    os.environ.setdefault("PJRT_NPROC", "1")
    agree("dataset or other settings", {"both": hashlib.sha256(identity.encode()).hexdigest()[:12]})
    progress = _begin(learner, run, identity)
    saved = time.monotonic()
    with watching() as interrupted:
        while progress.epoch < learner.epochs and not _out_of_patience(progress.history, patience):
            _one_epoch(learner, progress, run, identity)
            if learner.is_dead(progress.state) and progress.history.redraws < max_redraws:
                redraws = progress.history.redraws + 1
                progress = Progress(learner.start(redraws), history=History(redraws=redraws))
            signal_number, path, due = _told(interrupted(), run.checkpoint, time.monotonic() - saved)
            if path and (signal_number or due):
                checkpoint.save(run.checkpoint, progress, identity)
                progress.saved, saved = True, time.monotonic()
            if signal_number:
                raise TrainingInterruptedError(signal_number, progress.epoch, path)
    if run.checkpoint:
        run.checkpoint.unlink(missing_ok=True)
    return learner.learned(progress.state) if progress.best is None else progress.best, progress.history


def _told(signal_number: int | None, path: Path | None, seconds: float) -> tuple[int | None, Path | None, bool]:
    """The signal that any process received; the first one's checkpoint, and whether it is due."""
    told = exchanged([signal_number, path and str(path), seconds > CHECKPOINT_SECONDS])
    _, path_of_first, due = told[0]
    return max((one[0] for one in told if one[0]), default=None), path_of_first and Path(path_of_first), due


def _begin(learner: Learner, run: Run, identity: str) -> Progress:
    kept = checkpoint.load(run.checkpoint if run.resume else None, learner, identity)
    return kept or Progress(learner.start(0))


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
    validation = _of_first(learner.validate(progress.state))
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
    kept = checkpoint.load(run.checkpoint if progress.saved else None, learner, identity)
    state = kept.state if kept else learner.start(progress.history.redraws)
    for epoch in range(kept.epoch if kept else 0, progress.epoch):
        state = learner.train_epoch(state, epoch, progress.rates[epoch])[0]
    return state


def _finite(state: State) -> bool:
    """Whether every number of a state is finite: a last step can spoil parameters after the loss was taken."""
    import jax

    from shelfaware.training.devices import here

    finite = all(bool(np.isfinite(part).all()) for leaf in jax.tree.leaves(state) for part in here(leaf))
    return all(exchanged(finite))


def _of_first(scores: Scores | None) -> Scores | None:
    """Those of the first process: machines round differently, and all have to stop alike."""
    told = exchanged(scores and asdict(scores))[0]
    return told and Scores(**told)


def _out_of_patience(history: History, patience: int | None) -> bool:
    watched = patience is not None and bool(history.validation_mse)
    return watched and len(history.records) - history.best_epoch >= (patience or 1)
