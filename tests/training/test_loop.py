"""The loop with a learner whose epochs are written down beforehand, so that every branch can be asked for."""

from __future__ import annotations

import io
import math
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from shelfaware.errors import TrainingError
from shelfaware.training import checkpoint, loop, progress
from shelfaware.training.history import EpochRecord, History, Scores
from shelfaware.training.interrupts import TrainingInterruptedError
from shelfaware.training.loop import Run, train

State = dict[str, NDArray[np.float64]]


@dataclass
class Script:
    """A learner that does as told: its state counts the epochs and mixes in what each of them did.

    validation    mse by epoch; empty: nothing to watch
    broken_above  (epoch, rate): its loss is NaN at a higher rate; 1.5 is the second of two legs of epoch 1
    dead_draws    how many draws are dead
    calls         (epoch and share of it, rate) of every leg
    """

    epochs: int = 6
    validation: list[float] = field(default_factory=list)
    broken_above: tuple[float, float] = (-1, 0.0)
    dead_draws: int = 0
    legs: int = 1
    calls: list[tuple[float, float]] = field(default_factory=list)

    def start(self, draw: int) -> State:
        return {"weights": np.array([[1.0 + draw, 2.0]]), "epoch": np.array(0.0), "draw": np.array([draw])}

    def train_leg(self, state: State, epoch: int, leg: int, rate: float) -> tuple[State, NDArray[np.float64]]:
        begun = epoch + leg / self.legs
        self.calls.append((begun, rate))
        loss = math.nan if begun == self.broken_above[0] and rate > self.broken_above[1] else 1.0 / (epoch + 1)
        weights = np.sin(state["weights"] * (begun + 1) + rate)
        moved = {**state, "weights": weights, "epoch": np.asarray(state["epoch"] + 1 / self.legs)}
        state.clear()  # nobody may read it again
        return moved, np.array([4 * loss, 8 * loss, 12 * loss, 4])

    def validate(self, state: State) -> Scores | None:
        if not self.validation:
            return None
        mse = self.validation[int(state["epoch"]) - 1]
        return Scores(mse, mse, mse)

    def learned(self, state: State) -> State:
        return {name: array.copy() for name, array in state.items()}

    def is_dead(self, state: State) -> bool:
        return bool(state["draw"][0] < self.dead_draws)


def run(learner: Script, how: Run | None = None, *, patience: int | None = None, max_redraws: int = 3) -> tuple[State, History]:
    return train(learner, how or Run(), identity="me", patience=patience, max_redraws=max_redraws)


def assert_same(one: tuple[State, History], other: tuple[State, History]) -> None:
    for name, array in one[0].items():
        np.testing.assert_array_equal(array, other[0][name], strict=True)
    assert one[1].loss == other[1].loss
    assert (one[1].best_epoch, one[1].redraws, one[1].rollbacks) == (other[1].best_epoch, other[1].redraws, other[1].rollbacks)


def interrupt_at(epoch: int, number: int = signal.SIGTERM) -> loop.Callable[[EpochRecord], object]:
    return lambda record: os.kill(os.getpid(), number) if record.epoch == epoch else None


def test_one_record_an_epoch() -> None:
    seen: list[EpochRecord] = []
    state, history = run(Script(epochs=3, validation=[0.9, 0.8, 0.7]), Run(on_epoch=seen.append))
    assert seen == history.records
    assert [(r.epoch, r.epochs) for r in seen] == [(1, 3), (2, 3), (3, 3)]
    assert seen[1].train == Scores(0.5, 1.0, 1.5)
    assert history.validation_mse == [0.9, 0.8, 0.7]
    assert all(s >= 0 for s in history.seconds)
    assert (history.best_epoch, history.redraws, history.rollbacks) == (3, 0, 0)
    assert state["epoch"] == 3


def test_without_validation_the_last_epoch_is_kept() -> None:
    state, history = run(Script(), patience=1)
    assert (state["epoch"], history.best_epoch, history.validation_mse) == (6, 6, [])


def test_the_best_epoch_is_returned_and_patience_ends_the_run() -> None:
    worse = [0.9, 0.5, 0.6, 0.7, 0.1, 0.2]
    state, history = run(Script(validation=worse), patience=2)
    assert (state["epoch"], history.best_epoch, len(history.records)) == (2, 2, 4)
    state, history = run(Script(validation=worse), patience=3)
    assert (state["epoch"], history.best_epoch, len(history.records)) == (5, 5, 6)
    state, history = run(Script(validation=[0.5, 0.9, 0.9, 0.9, 0.9, 0.9]))
    assert (state["epoch"], history.best_epoch, len(history.records)) == (1, 1, 6)


def test_a_loss_that_is_no_number_repeats_the_epoch_at_half_the_rate() -> None:
    learner = Script(epochs=3, broken_above=(1, 0.25))
    state, history = run(learner)
    assert learner.calls == [(0, 1.0), (1, 1.0), (0, 1.0), (1, 0.5), (0, 1.0), (1, 0.25), (2, 0.25)]
    assert (history.rollbacks, len(history.records), state["epoch"]) == (2, 3, 3)
    assert all(map(math.isfinite, history.loss))
    assert_same((state, history), (_trained([1.0, 0.25, 0.25]), history))


def interrupt_in(learner: Script, leg: int) -> Script:
    """The same learner, whose process gets a signal in that leg, counted from 1 over all."""
    train_leg = learner.train_leg

    def signalled(state: State, *place: Any) -> tuple[State, NDArray[np.float64]]:
        if len(learner.calls) + 1 == leg:
            os.kill(os.getpid(), signal.SIGINT)
        return train_leg(state, *place)

    learner.train_leg = signalled  # type: ignore[method-assign]
    return learner


def test_a_run_stops_between_legs_and_goes_on_from_there(tmp_path: Path) -> None:
    made = {"legs": 3, "validation": [0.9, 0.3, 0.5, 0.6, 0.2, 0.4]}
    path = tmp_path / "run"
    with pytest.raises(TrainingInterruptedError, match=r"stopped after part 2 of 3 of epoch 3; .* --resume"):
        run(interrupt_in(Script(**made), 8), Run(checkpoint=path))
    resumed, whole, seen = Script(**made), Script(**made), list[EpochRecord]()
    with_all = run(whole)
    assert_same(run(resumed, Run(seen.append, path, resume=True)), with_all)
    assert resumed.calls == whole.calls[8:]
    assert [record.train for record in seen] == [record.train for record in with_all[1].records[2:]]


@pytest.mark.parametrize("leg", range(1, 13))
def test_wherever_a_run_is_stopped_it_goes_back_as_the_whole_one_does(tmp_path: Path, leg: int) -> None:
    """A checkpoint of an epoch that has to be gone through again is of no use for that."""
    made = {"legs": 2, "epochs": 4, "broken_above": (2.5, 0.5)}
    with pytest.raises(TrainingInterruptedError):
        run(interrupt_in(Script(**made), leg), Run(checkpoint=tmp_path / "run"))
    whole = run(Script(**made))
    assert whole[1].rollbacks == 1
    assert_same(run(Script(**made), Run(checkpoint=tmp_path / "run", resume=True)), whole)


def test_a_checkpoint_that_takes_long_to_write_is_due_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 20.0, 20.5, 21.5, 41.5, 42.0, 45.0, 105.0, 105.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    clock = loop._Clock()
    assert [clock.is_due(), clock.is_due()] == [False, True]
    clock.saved()
    assert [clock.is_due(), clock.is_due()] == [False, True]
    clock.saved()
    assert [clock.is_due(), clock.is_due()] == [False, True]


def test_going_back_starts_from_the_checkpoint_if_the_run_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the rates were before: those of the epochs that count are gone through again."""
    (tmp_path / "of another run").write_bytes(b"no checkpoint")
    fresh, kept = Script(broken_above=(4, 0.5)), Script(broken_above=(4, 0.5))
    without = run(fresh, Run(checkpoint=tmp_path / "of another run"))
    assert fresh.calls == [*((i, 1.0) for i in (0, 1, 2, 3, 4, 0, 1, 2, 3)), (4, 0.5), (5, 0.5)]
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    assert_same(run(kept, Run(checkpoint=tmp_path / "run")), without)
    assert kept.calls == [*((i, 1.0) for i in range(5)), (4, 0.5), (5, 0.5)]


def test_a_loss_that_stays_no_number_is_an_error_that_names_epoch_and_rate() -> None:
    learner = Script(broken_above=(1, 0.0))
    with pytest.raises(TrainingError, match=r"loss of epoch 2 is not a finite number, even at 0\.125 .* learning rate"):
        run(learner)
    assert learner.calls == [(0, 1.0), (1, 1.0), (0, 1.0), (1, 0.5), (0, 1.0), (1, 0.25), (0, 1.0), (1, 0.125)]


def test_dead_draws_are_thrown_away_and_counted() -> None:
    state, history = run(Script(dead_draws=2))
    assert (history.redraws, len(history.records), state["draw"].tolist()) == (2, 6, [2])
    assert_same((state, history), (_trained([1.0] * 6, draw=2), history))


def _trained(rates: list[float], draw: int = 0) -> State:
    learner = Script()
    state = learner.start(draw)
    for epoch, rate in enumerate(rates):
        state = learner.train_leg(state, epoch, 0, rate)[0]
    return state


def test_no_more_redraws_than_allowed() -> None:
    learner = Script(dead_draws=99)
    state, history = run(learner, max_redraws=2)
    assert (history.redraws, state["draw"].tolist()) == (2, [2])
    assert learner.calls[:3] == [(0, 1.0)] * 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_epoch_and_the_run_goes_on_from_there(tmp_path: Path, number: int) -> None:
    path = tmp_path / "deeper" / "run.safetensors"
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    made = {"validation": [0.9, 0.3, 0.5, 0.6, 0.2, 0.4], "broken_above": (1, 0.5)}
    with pytest.raises(TrainingInterruptedError, match=r"stopped after epoch 3; .* --resume") as caught:
        run(Script(**made), Run(on_epoch=interrupt_at(3, number), checkpoint=path))
    assert caught.value.signal_number == number
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert path.stat().st_mode & 0o077 == 0
    resumed = Script(**made)
    assert_same(run(resumed, Run(checkpoint=path, resume=True)), run(Script(**made)))
    assert resumed.calls == [(3, 0.5), (4, 0.5), (5, 0.5)]
    assert list(path.parent.iterdir()) == []


def test_a_signal_without_a_checkpoint_says_that_nothing_was_kept() -> None:
    with pytest.raises(TrainingInterruptedError, match="stopped after epoch 2 and nothing was kept"):
        run(Script(), Run(on_epoch=interrupt_at(2)))


def test_a_second_signal_stops_at_once() -> None:
    def twice(_: EpochRecord) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run(Script(), Run(on_epoch=twice))


def test_a_signal_after_the_last_epoch_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(TrainingInterruptedError):
        run(Script(), Run(on_epoch=interrupt_at(6), checkpoint=path))
    learner = Script()
    assert_same(run(learner, Run(checkpoint=path, resume=True)), run(Script()))
    assert learner.calls == []


def test_resuming_during_redraws_keeps_their_count(tmp_path: Path) -> None:
    path, seen = tmp_path / "run", []

    def third_record(record: EpochRecord) -> None:
        seen.append(record)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TrainingInterruptedError):
        run(Script(dead_draws=2), Run(on_epoch=third_record, checkpoint=path))
    assert_same(run(Script(dead_draws=2), Run(checkpoint=path, resume=True)), run(Script(dead_draws=2)))


def test_a_thread_trains_without_watching_signals() -> None:
    results: list[tuple[State, History]] = []
    thread = threading.Thread(target=lambda: results.append(run(Script())))
    thread.start()
    thread.join()
    assert_same(results[0], run(Script()))


def test_checkpoints_are_written_as_time_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    there: list[bool] = []
    run(Script(epochs=3), Run(on_epoch=lambda _: there.append((tmp_path / "run").exists()), checkpoint=tmp_path / "run"))
    assert there == [False, True, True]
    assert not (tmp_path / "run").exists()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    checkpoint.save(path, loop.Progress(Script().start(0), best=Script().start(1)), "me")
    return path


def test_a_checkpoint_of_another_run_is_refused(kept: Path) -> None:
    with pytest.raises(TrainingError, match="is of other data or settings"):
        train(Script(), Run(checkpoint=kept, resume=True), identity="you", patience=None, max_redraws=0)


def test_a_checkpoint_of_an_older_version_is_refused(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_digest", lambda *_: "none")
    with safe_open(kept, "numpy") as file:
        about = file.metadata()
    del about["progress"]
    save_file(load_file(kept), kept, about | {"history": "{}", "digest": "none"})
    with pytest.raises(TrainingError, match="is of other data or settings"):
        run(Script(), Run(checkpoint=kept, resume=True))


def test_without_resume_a_checkpoint_is_not_read(kept: Path) -> None:
    kept.write_bytes(b"not a checkpoint")
    assert_same(run(Script(), Run(checkpoint=kept)), run(Script()))


def test_a_damaged_checkpoint_is_refused(kept: Path) -> None:
    whole = kept.read_bytes()
    cut = [whole[:n] for n in (0, 7, len(whole) // 2, len(whole) - 1)]
    rng = np.random.default_rng(0)
    flipped = [bytearray(whole) for _ in range(200)]
    for copy in flipped:
        copy[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
    for damaged in (*cut, *map(bytes, flipped)):
        kept.write_bytes(damaged)
        with pytest.raises(TrainingError, match="is damaged"):
            run(Script(), Run(checkpoint=kept, resume=True))


def test_history_survives_json() -> None:
    _, history = run(Script(validation=[0.9] * 6))
    assert History.from_json(history.to_json()) == history
    _, history = run(Script())
    assert History.from_json(history.to_json()) == history


def test_progress_is_silent_where_nobody_watches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown("gp", 100) as on_epoch:
        assert on_epoch is None
        run(Script(), Run(on_epoch=on_epoch))
    assert capsys.readouterr() == ("", "")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown("gp", 100) as on_epoch:
        run(Script(validation=[0.9] * 6), Run(on_epoch=on_epoch))
    shown = sys.stderr.getvalue()
    assert "training gp" in shown
    assert "6/6" in shown
    assert "validation 0.900" in shown
