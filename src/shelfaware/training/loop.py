"""The one training loop. It knows epochs, validation, early stopping, checkpoints and interrupts, and no model by name."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from shelfaware.arrays import Floats
from shelfaware.errors import TrainingError
from shelfaware.training import checkpoint
from shelfaware.training.history import EpochRecord, History, Scores
from shelfaware.training.interrupts import TrainingInterruptedError, watching
from shelfaware.training.processes import agree, exchanged

State = Any
"""A pytree of arrays: parameters and optimiser state."""

Learned = Any
"""A pytree of arrays: parameters alone."""

MAX_ROLLBACKS = 3
CHECKPOINT_SECONDS = 20.0


class Learner(Protocol):
    """What the loop needs of a model. All randomness comes from the seed, `draw`, `epoch` and `leg`: a run can resume."""

    epochs: int

    @property
    def legs(self) -> int:
        """Parts of an epoch, between which a run can stop."""

    def start(self, draw: int) -> State:
        """Fresh parameters; `draw` counts the draws thrown away before."""

    def train_leg(self, state: State, epoch: int, leg: int, rate: float) -> tuple[State, Floats]:
        """The state after leg `leg` of epoch `epoch` (both from 0), with every learning rate multiplied by `rate`.

        Beside it what `Scores.of_sums` takes [4]. It may work in the place of `state`, which nobody reads afterwards.
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
    leg    legs so far of the epoch that is under way; their sums [4] and seconds beside it
    saved  whether the checkpoint's file is one of this run
    """

    state: State
    best: Learned = None
    history: History = field(default_factory=History)
    rate: float = 1.0
    rates: list[float] = field(default_factory=list)
    leg: int = 0
    sums: Floats = field(default_factory=lambda: np.zeros(4))
    seconds: float = 0.0
    saved: bool = False

    @property
    def epoch(self) -> int:
        return len(self.history.records)

    def next_epoch(self) -> None:
        self.leg, self.sums, self.seconds = 0, np.zeros(4), 0.0

    def to_json(self) -> dict[str, Any]:
        """All but the arrays of `state` and `best`."""
        numbers = {name: getattr(self, name) for name in ("rate", "rates", "leg", "seconds")}
        return {"history": self.history.to_json(), "sums": self.sums.tolist(), **numbers}

    @classmethod
    def from_json(cls, told: dict[str, Any], state: State, best: Learned) -> Self:
        """As it was saved."""
        history, sums = History.from_json(told.pop("history")), np.array(told.pop("sums"))
        return cls(state=state, best=best, history=history, sums=sums, saved=True, **told)


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
    clock = _Clock()
    with watching() as interrupted:
        while progress.epoch < learner.epochs and not _out_of_patience(progress.history, patience):
            ended = _one_leg(learner, progress, run, identity)
            if ended and learner.is_dead(progress.state) and progress.history.redraws < max_redraws:
                redraws = progress.history.redraws + 1
                progress = Progress(learner.start(redraws), history=History(redraws=redraws))
            signal_number, path, due = _told(interrupted(), run.checkpoint, clock.is_due())
            if path and (signal_number or due):
                checkpoint.save(run.checkpoint, progress, identity)
                progress.saved = True
                clock.saved()
            if signal_number:
                raise TrainingInterruptedError(signal_number, _place(progress, learner.legs), path)
    if run.checkpoint:
        run.checkpoint.unlink(missing_ok=True)
    return learner.learned(progress.state) if progress.best is None else progress.best, progress.history


class _Clock:
    """When a checkpoint is due: CHECKPOINT_SECONDS after the last one, or as long for each second that it took to write."""

    def __init__(self) -> None:
        self.last, self.wait = time.monotonic(), CHECKPOINT_SECONDS
        self.asked = self.last

    def is_due(self) -> bool:
        self.asked = time.monotonic()
        return self.asked - self.last > self.wait

    def saved(self) -> None:
        self.last = time.monotonic()
        self.wait = CHECKPOINT_SECONDS * max(self.last - self.asked, 1.0)


def _place(progress: Progress, legs: int) -> str:
    """Where a run stands, as a person says it."""
    if progress.leg:
        return f"part {progress.leg} of {legs} of epoch {progress.epoch + 1}"
    return f"epoch {progress.epoch}"


def _told(signal_number: int | None, path: Path | None, due: bool) -> tuple[int | None, Path | None, bool]:
    """The signal that any process received; the first one's checkpoint, and whether it is due."""
    told = exchanged([signal_number, path and str(path), due])
    _, path_of_first, due = told[0]
    return max((one[0] for one in told if one[0]), default=None), path_of_first and Path(path_of_first), due


def _begin(learner: Learner, run: Run, identity: str) -> Progress:
    kept = checkpoint.load(run.checkpoint if run.resume else None, learner, identity)
    return kept or Progress(learner.start(0))


def _one_leg(learner: Learner, progress: Progress, run: Run, identity: str) -> bool:
    """Advances `progress` by one leg; whether an epoch has ended with it."""
    started = time.perf_counter()
    progress.state, sums = learner.train_leg(progress.state, progress.epoch, progress.leg, progress.rate)
    progress.leg, progress.sums = progress.leg + 1, progress.sums + sums
    ended = progress.leg == learner.legs
    if ended and not (math.isfinite(progress.sums[0]) and _finite(progress.state)):
        _go_back(learner, progress, run, identity)
        ended = False
    validation = _of_first(learner.validate(progress.state)) if ended else None
    progress.seconds += time.perf_counter() - started
    if ended:
        _end_epoch(learner, progress, validation, run)
    return ended


def _end_epoch(learner: Learner, progress: Progress, validation: Scores | None, run: Run) -> None:
    """Keeps what was learned if it is the best so far, and tells of it."""
    scores = Scores.of_sums(progress.sums)
    record = EpochRecord(progress.epoch + 1, learner.epochs, scores, validation, progress.seconds)
    if validation is None or not progress.history.validation_mse or validation.mse < min(progress.history.validation_mse):
        progress.best = None if validation is None else learner.learned(progress.state)
        progress.history.best_epoch = record.epoch
    progress.history.records.append(record)
    progress.rates.append(progress.rate)
    progress.next_epoch()
    if run.on_epoch:
        run.on_epoch(record)


def _go_back(learner: Learner, progress: Progress, run: Run, identity: str) -> None:
    """To the start of an epoch whose loss is no number, at half the rate.

    No run holds a second table for that: the epochs before are gone through once more, from the checkpoint on if there is one
    that the epoch has not yet entered.
    """
    if progress.history.rollbacks == MAX_ROLLBACKS:
        raise TrainingError(
            f"the loss of epoch {progress.epoch + 1} is not a finite number, even at {progress.rate:g} of the learning "
            "rate; lower the learning rate or check the stars"
        )
    progress.rate /= 2
    progress.history.rollbacks += 1
    progress.next_epoch()
    progress.state = None  # room for another
    kept = checkpoint.load(run.checkpoint if progress.saved else None, learner, identity)
    if kept is None or (kept.leg and kept.epoch == progress.epoch):
        kept = Progress(learner.start(progress.history.redraws))
    for epoch in range(kept.epoch, progress.epoch):
        for leg in range(kept.leg if epoch == kept.epoch else 0, learner.legs):
            kept.state, _ = learner.train_leg(kept.state, epoch, leg, progress.rates[epoch])
    progress.state = kept.state


def _finite(state: State) -> bool:
    """Whether every number of a state is finite: a last step can spoil parameters after the loss was taken."""
    import jax

    from shelfaware.training.devices import here

    parts = [part for leaf in jax.tree.leaves(state) for part in here(leaf) if part.size]
    # By the extremes, which a NaN passes on to: an array of truths would be as long as a table.
    finite = all(math.isfinite(part.min()) and math.isfinite(part.max()) for part in parts)
    return all(exchanged(finite))


def _of_first(scores: Scores | None) -> Scores | None:
    """Those of the first process: machines round differently, and all have to stop alike."""
    told = exchanged(scores and asdict(scores))[0]
    return told and Scores(**told)


def _out_of_patience(history: History, patience: int | None) -> bool:
    watched = patience is not None and bool(history.validation_mse)
    return watched and len(history.records) - history.best_epoch >= (patience or 1)
