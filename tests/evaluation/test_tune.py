"""The search: inside the training data, the same every time, whole after any stop."""

from __future__ import annotations

import json
import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.errors import DataError, MissingExtraError, ModelError, TrainingError
from shelfaware.evaluation import tune as module
from shelfaware.evaluation.pictures import search_pictures
from shelfaware.evaluation.tune import (
    BEST,
    STUDY,
    Search,
    Trial,
    TuningInterruptedError,
    finished,
    importances,
    open_study,
    tune,
    widths,
)
from shelfaware.models.base import RatingModel
from shelfaware.models.registry import create
from shelfaware.training.history import EpochRecord, Scores
from shelfaware.training.interrupts import TrainingInterruptedError


def trials_of(search: Search) -> list[Trial]:
    return finished(open_study(search))


def test_two_searches_agree_and_the_first_trial_is_the_usual(planted: Interactions, tmp_path: Path) -> None:
    one, two = (Search(planted, "bias", tmp_path / name, seed=4) for name in ("one", "two"))
    best = tune(one, 5)
    assert best == tune(two, 5)
    assert trials_of(one) == trials_of(two)
    first, *others = trials_of(one)
    assert first.settings == {name: create("bias").config[name] for name in ("user_decay", "book_decay")}
    assert len({str(trial.settings) for trial in others}) == 4
    assert best.found["value"] == min(trial.value for trial in trials_of(one) if trial.value)
    assert json.loads((tmp_path / "one" / BEST).read_bytes())["settings"] == best.settings
    assert trials_of(Search(planted, "bias", tmp_path / "one", seed=4)) == trials_of(one)


def test_another_seed_searches_elsewhere(planted: Interactions, tmp_path: Path) -> None:
    for seed in (0, 1):
        tune(Search(planted, "bias", tmp_path / str(seed), seed=seed), 2)
    one, two = (trials_of(Search(planted, "bias", tmp_path / str(seed), seed=seed))[1] for seed in (0, 1))
    assert one.settings != two.settings


def test_a_search_in_two_parts_is_the_search_in_one(planted: Interactions, tmp_path: Path) -> None:
    whole, parts = (Search(planted, "als", tmp_path / name) for name in ("whole", "parts"))
    best = tune(whole, 6)
    tune(parts, 2)
    assert len(trials_of(parts)) == 2
    assert tune(parts, 6) == best
    assert trials_of(parts) == trials_of(whole)


def test_a_value_is_the_error_on_validation_inside_training(planted: Interactions, tmp_path: Path) -> None:
    search = Search(planted, "bias", tmp_path / "t", "random:0.2", seed=3)
    best = tune(search, 1)
    train, test = split(planted, "random:0.2", seed=3)
    seen, watched = split(train, "random:0.1", seed=3)
    assert not np.isin(test.pair_keys, np.concatenate([seen.pair_keys, watched.pair_keys])).any()
    model = create("bias", {"seed": 3}).fit(seen)
    assert isinstance(model, RatingModel)
    stars = model.forecast(model.known_readers, watched.user_index, watched.book_index).stars
    error = np.clip(stars, 1, 5) - watched.stars
    assert best.found["value"] == pytest.approx(float(np.mean(error**2)), rel=1e-9)
    assert best.chosen_on is not None
    assert (best.chosen_on.holdout, best.chosen_on.seed) == ("random:0.2", 3)


def test_a_ranker_is_judged_by_its_lists(planted: Interactions, tmp_path: Path) -> None:
    search = Search(planted, "ease", tmp_path / "t")
    best = tune(search, 3)
    assert best.found["figure"] == "ndcg_at_10"
    assert best.found["value"] == max(trial.value for trial in trials_of(search) if trial.value)


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Makes fit number n of the search end in an error."""

    def at(number: int, error: BaseException) -> None:
        value, calls = module._value, iter(range(1000))

        def stopped(*arguments: Any) -> float:
            if next(calls) == number:
                raise error
            return value(*arguments)

        monkeypatch.setattr(module, "_value", stopped)

    return at


@pytest.mark.parametrize(
    ("error", "number"),
    [(TrainingInterruptedError(15, "epoch 3", None), 15), (KeyboardInterrupt(), 2)],
    ids=["training", "between"],
)
def test_ctrl_c_keeps_what_was_done_and_changes_nothing(
    planted: Interactions,
    tmp_path: Path,
    stopping: Callable[[int, BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    number: int,
) -> None:
    whole, cut = (Search(planted, "bias", tmp_path / name) for name in ("whole", "cut"))
    tune(whole, 4)
    stopping(2, error)
    with pytest.raises(TuningInterruptedError, match=r"stopped in trial 3; 2 trials are in .*: run the same") as stopped:
        tune(cut, 4)
    assert stopped.value.signal_number == number
    assert json.loads((tmp_path / "cut" / BEST).read_bytes())["found"]["trials"] == 2
    monkeypatch.undo()
    tune(cut, 4)
    assert trials_of(cut) == trials_of(whole)


def test_sigterm_stops_it_too(planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search, before = Search(planted, "bias", tmp_path / "t"), signal.getsignal(signal.SIGTERM)
    calls = iter(range(9))

    def killed(*_: object) -> float:
        if next(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    monkeypatch.setattr(module, "_value", killed)
    with pytest.raises(TuningInterruptedError, match="stopped in trial 3") as stopped:
        tune(search, 5)
    assert stopped.value.signal_number == signal.SIGTERM
    assert len(trials_of(search)) == 2
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_error_crosses_processes() -> None:
    error = TuningInterruptedError(15, 3, Path("t"))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - as a worker process sends it
    assert (str(again), again.signal_number) == (str(error), 15)


def test_a_long_trial_is_compared_where_it_is_as_far(
    planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All errors fall with the share of the epochs that is done; the last trial needs ten times as many epochs for that."""
    epochs_run = []

    def fit(model: Any, _parts: object, on_epoch: Callable[[EpochRecord], None]) -> float:
        epochs = 300 if len(epochs_run) == 6 else 8
        epochs_run.append(epochs)
        for epoch in range(1, epochs + 1):
            mse = 2.0 - epoch / epochs - 0.01 * (epochs == 300)
            on_epoch(EpochRecord(epoch, epochs, Scores(1.0, 1.0, 1.0), Scores(mse, mse, mse), 0.1))
        return 1.0

    monkeypatch.setattr(module, "_value", fit)
    search = Search(planted, "gp", tmp_path / "t")
    tune(search, 7)
    assert [trial.value for trial in trials_of(search)] == [1.0] * 7


def test_a_bad_trial_is_stopped_early(planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six good trials, then one whose validation error is far above theirs at every epoch."""
    epochs_run = []

    def fit(model: Any, _parts: object, on_epoch: Callable[[EpochRecord], None]) -> float:
        number = len(epochs_run)
        epochs_run.append(0)
        for epoch in range(1, 9):
            epochs_run[number] = epoch
            score = Scores(1.0, 5.0 if number == 6 else 1.0 + number / 100, 1.0)
            on_epoch(EpochRecord(epoch, 8, score, score, 0.1))
        return 1.0 + number / 100

    monkeypatch.setattr(module, "_value", fit)
    search = Search(planted, "gp", tmp_path / "t")
    best = tune(search, 7)
    assert epochs_run[0] == 8
    assert epochs_run[6] < 5
    assert trials_of(search)[6].value is None
    assert best.found == {"figure": "mse", "value": 1.0, "trial": 1, "trials": 7}


def test_a_real_network_reports_its_epochs(planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[EpochRecord] = []
    monkeypatch.setattr(module, "_pruning", lambda *_: seen.append)
    monkeypatch.setattr(module, "space_of", lambda _: {})
    monkeypatch.setattr(module, "create", lambda _, settings=None: create("gp", {"factors": 2, "epochs": 2}))
    tune(Search(planted, "gp", tmp_path / "t"), 1)
    assert [record.epoch for record in seen] == [1, 2]
    assert all(record.validation for record in seen)


def test_a_trial_that_cannot_be_trained_does_not_end_the_search(
    planted: Interactions, tmp_path: Path, stopping: Callable[[int, BaseException], None]
) -> None:
    stopping(1, TrainingError("the loss is not a finite number"))
    search = Search(planted, "bias", tmp_path / "t")
    tune(search, 3)
    assert [trial.value is None for trial in trials_of(search)] == [False, True, False]


def test_another_search_is_refused(planted: Interactions, tmp_path: Path) -> None:
    tune(Search(planted, "bias", tmp_path / "t"), 1)
    for search, what in (
        (Search(planted, "ease", tmp_path / "t"), "model: bias, not ease"),
        (Search(planted, "bias", tmp_path / "t", "user:1"), "holdout: random:0.1, not user:1"),
        (Search(planted, "bias", tmp_path / "t", seed=1), "seed: 0, not 1"),
        (Search(planted.ratings(), "bias", tmp_path / "t"), "another fingerprint; search"),
    ):
        with pytest.raises(DataError, match=what):
            tune(search, 1)


def test_folders_that_cannot_be_used(planted: Interactions, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match=f"no {STUDY}"):
        tune(Search(planted, "bias", tmp_path / "full"), 1)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / STUDY).write_text("no database at all" * 100)
    with pytest.raises(DataError, match="damaged or no study"):
        tune(Search(planted, "bias", tmp_path / "broken"), 1)
    with pytest.raises(ModelError, match="nothing to search for"):
        tune(Search(planted, "mean", tmp_path / "new"), 1)
    assert not (tmp_path / "new").exists()


def test_without_optuna(planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shelfaware.errors.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shelfaware\[tune\]'"):
        tune(Search(planted, "bias", tmp_path / "t"), 1)


def test_what_matters_is_found(planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_value", lambda model, *_: 1 + np.log(model.user_decay) ** 2)
    search = Search(planted, "bias", tmp_path / "t")
    best = tune(search, 24)
    assert 0.5 < best.settings["user_decay"] < 2
    shares = importances(open_study(search))
    assert shares is not None
    assert shares["user_decay"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


def test_the_sweep_of_widths_is_made_once(planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Search(planted, "als", tmp_path / "t")
    tune(search, 4)
    paths = {path.name for path in search_pictures(search, tmp_path / "pictures")}
    assert paths >= {"history.svg", "mse-against-factors.png"}
    monkeypatch.setattr(module, "_at_width", None)
    swept = widths(open_study(search), search)
    assert swept is not None
    assert [width for width, _ in swept] == [2, 4, 8, 16, 32, 64, 128]
    assert all(mse.low < mse.mean < mse.high for _, mse in swept)
    bias = Search(planted, "bias", tmp_path / "b")
    tune(bias, 1)
    assert widths(open_study(bias), bias) is None
