"""The search for settings: by validation inside the training data, to go on from where it was stopped.

What is held out of the data is never looked at. Trial n depends on the seed, on n and on the trials before it, not on when
the search was stopped in between: a search in two parts finds what one in one part does.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shelfaware.data.folder import refuse_foreign, translated_disk_errors
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split, split
from shelfaware.errors import DataError, EvaluationError, TrainingError, need
from shelfaware.evaluation import metrics
from shelfaware.evaluation.metrics import Interval
from shelfaware.evaluation.protocol import evaluate, forecasts
from shelfaware.evaluation.settings import ChosenOn, Settings
from shelfaware.evaluation.spaces import Bounds, space_of
from shelfaware.models.base import Model, RatingModel
from shelfaware.models.registry import create
from shelfaware.seeding import generator
from shelfaware.training.history import EpochRecord
from shelfaware.training.interrupts import TrainingInterruptedError
from shelfaware.training.loop import Run

if TYPE_CHECKING:
    import optuna

STUDY, BEST = "study.sqlite", "best.json"
VALIDATION = 0.1
WARM_TRIALS, WARM_PERCENT = 5, 20
"""Trials, and percents of its epochs, before one is stopped for being worse than the median of the trials before it there."""


class TuningInterruptedError(TrainingError):
    """A signal ended the search; the trials before are kept."""

    def __init__(self, signal_number: int, done: int, folder: Path) -> None:
        self.signal_number, self.done, self.folder = signal_number, done, folder
        super().__init__(f"stopped in trial {done + 1}; {done} trials are in {folder}: run the same command to go on")

    def __reduce__(self) -> tuple[type[Self], tuple[int, int, Path]]:
        return type(self), (self.signal_number, self.done, self.folder)


@dataclass(frozen=True)
class Trial:
    """One fit: the settings it tried, and its figure on validation, None where it was stopped early."""

    number: int
    settings: dict[str, Any]
    value: float | None


@dataclass(frozen=True, eq=False)
class Search:
    """A search for the settings of `model` on the part of `data` that `holdout` leaves for training."""

    data: Interactions
    model: str
    folder: Path
    holdout: str = "random:0.1"
    seed: int = 0

    @property
    def figure(self) -> str:
        """What a trial is judged by."""
        return "mse" if isinstance(create(self.model), RatingModel) else "ndcg_at_10"

    @property
    def less_is_better(self) -> bool:
        return self.figure == "mse"

    @property
    def chosen_on(self) -> ChosenOn:
        return ChosenOn(self.data.fingerprint, self.holdout, self.seed, VALIDATION)

    def parts(self) -> Split:
        """(ratings to learn from, ratings to validate on): both of the training part."""
        train, _ = split(self.data, self.holdout, seed=self.seed)
        seen, watched = split(train, f"random:{VALIDATION}", seed=self.seed)
        if not watched.n_ratings:
            raise EvaluationError(f"{train.n_ratings:,} training ratings are too few to validate on")
        return seen, watched


def tune(search: Search, trials: int, *, on_trial: Callable[[Trial], object] | None = None) -> Settings:
    """Searches until `trials` are done, those of earlier runs in the same folder counted, and writes BEST after each.

    Raises TuningInterruptedError on Ctrl-C or SIGTERM; DataError where the folder holds another search.
    """
    create(search.model)
    space_of(search.model)
    parts, study = search.parts(), open_study(search)
    while len(done := finished(study)) < trials:
        with _stopping(study, search):
            _one_trial(study, search, parts, len(done))
        if _best(study):
            best_settings(study, search).write(search.folder / BEST)
        if on_trial:
            on_trial(finished(study)[-1])
    return best_settings(study, search)


def open_study(search: Search) -> optuna.Study:
    """The folder's study, made where there is none."""
    need("tune", "optuna")
    import optuna
    from sqlalchemy import URL
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    refuse_foreign(search.folder, owns=STUDY)
    with translated_disk_errors(search.folder):
        search.folder.mkdir(parents=True, exist_ok=True)
    url = URL.create("sqlite", database=str(search.folder.absolute() / STUDY)).render_as_string()
    try:
        study = optuna.create_study(
            study_name="shelfaware",
            storage=optuna.storages.RDBStorage(url),
            direction="minimize" if search.less_is_better else "maximize",
            pruner=optuna.pruners.MedianPruner(WARM_TRIALS, WARM_PERCENT),
            load_if_exists=True,
        )
        return _checked(study, search)
    except SQLAlchemyError:
        raise DataError(f"{search.folder / STUDY} is damaged or no study; search in a new folder") from None


def _checked(study: optuna.Study, search: Search) -> optuna.Study:
    """Raises DataError where the study is of another search: its trials would not be comparable."""
    wanted = {"model": search.model, "holdout": search.holdout, "seed": search.seed, "fingerprint": search.data.fingerprint}
    for name, value in wanted.items():
        kept = study.user_attrs.get(name, value)
        if kept != value:
            shown = "" if name == "fingerprint" else f": {kept}, not {value}"
            raise DataError(f"{search.folder} holds a search with another {name}{shown}; search in a new folder")
        study.set_user_attr(name, value)
    return study


def _one_trial(study: optuna.Study, search: Search, parts: Split, number: int) -> None:
    """The first trial has the usual settings; one that no training can finish counts as stopped early."""
    import optuna

    study.sampler = optuna.samplers.TPESampler(seed=int(generator(search.seed, "trial", number).integers(2**31)))
    space, usual = space_of(search.model), create(search.model).usual
    if number == 0:
        study.enqueue_trial({name: usual[name] for name in space})
    trial = study.ask()
    settings = {name: part.ask(trial, name) for name, part in space.items()}
    try:
        value = _value(create(search.model, {**settings, "seed": search.seed}), parts, _pruning(trial, search))
    except (TrainingInterruptedError, TuningInterruptedError):
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise
    except (optuna.TrialPruned, TrainingError):
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except BaseException:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise
    else:
        study.tell(trial, value)


def _pruning(trial: optuna.Trial, search: Search) -> Callable[[EpochRecord], None]:
    import optuna

    def on_epoch(record: EpochRecord) -> None:
        percent, before = (100 * epoch // record.epochs for epoch in (record.epoch, record.epoch - 1))  # lengths differ
        if record.validation and search.less_is_better and percent > before:
            trial.report(record.validation.mse, percent)
            if trial.should_prune():
                raise optuna.TrialPruned

    return on_epoch


def _value(model: Model, parts: Split, on_epoch: Callable[[EpochRecord], None]) -> float:
    """The figure on validation. A rating model is fitted without its ranker, which has no part in it."""
    seen, watched = parts
    if isinstance(model, RatingModel):
        Model.fit(model, seen, watched, Run(on_epoch))
        return validation_mse(model, watched).mean
    return float(evaluate(model.fit(seen), watched)["ndcg_at_10"] or 0.0)


def validation_mse(model: RatingModel, watched: Interactions) -> Interval:
    held = forecasts(model, watched.ratings())
    return metrics.bootstrap_mean(metrics.squared_errors(held.test.stars, held.clipped), groups=held.test.user_index)


@contextlib.contextmanager
def _stopping(study: optuna.Study, search: Search) -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does, and either is told in one sentence."""
    import threading

    def stop(_number: int, _frame: object) -> None:
        raise TuningInterruptedError(signal.SIGTERM, len(finished(study)), search.folder)

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if main else None
    try:
        yield
    except TrainingInterruptedError as error:
        raise TuningInterruptedError(error.signal_number, len(finished(study)), search.folder) from None
    except KeyboardInterrupt:
        raise TuningInterruptedError(signal.SIGINT, len(finished(study)), search.folder) from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def finished(study: optuna.Study) -> list[Trial]:
    """The trials that came to an end, stopped early or not, in order."""
    from optuna.trial import TrialState

    kept = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [
        Trial(number, one.params, one.value if one.state == TrialState.COMPLETE else None) for number, one in enumerate(kept)
    ]


def _best(study: optuna.Study) -> Trial | None:
    from optuna.study import StudyDirection

    whole = [(one.value, one) for one in finished(study) if one.value is not None]
    sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
    return min(whole, key=lambda pair: sign * pair[0])[1] if whole else None


def best_settings(study: optuna.Study, search: Search) -> Settings:
    """The best trial so far."""
    best = _best(study)
    if best is None:
        raise EvaluationError("no trial was finished, so there are no best settings; search with more trials")
    found = {"figure": search.figure, "value": best.value, "trial": best.number + 1, "trials": len(finished(study))}
    return Settings(search.model, best.settings, search.chosen_on, found)


def importances(study: optuna.Study) -> dict[str, float] | None:
    """The share of each setting in what settings change (PED-ANOVA, Watanabe et al. 2023); None of fewer than four trials."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    whole = [one.value for one in finished(study) if one.value is not None]
    if len(whole) < 4 or np.ptp(whole) == 0:
        return None
    shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return shares if sum(shares.values()) > 0 else None


def widths(study: optuna.Study, search: Search) -> list[tuple[int, Interval]] | None:
    """The validation MSE of the best settings at other widths: a sweep over `factors` alone, kept in the study.

    None where the model has no factors.
    """
    best = best_settings(study, search)
    if "factors" not in best.settings:
        return None
    kept = f"widths of trial {best.found['trial']}"
    if kept not in study.user_attrs:
        parts = search.parts()
        swept = [[width, *_at_width(best, width, search.seed, parts)] for width in _doubled(space_of(search.model)["factors"])]
        study.set_user_attr(kept, swept)
    return [(width, Interval(*bounds)) for width, *bounds in study.user_attrs[kept]]


def _doubled(bounds: Bounds) -> list[int]:
    """Powers of two inside the bounds."""
    return [2**power for power in range(int(bounds.high).bit_length()) if 2**power >= bounds.low]


def _at_width(best: Settings, width: int, seed: int, parts: Split) -> tuple[float, float, float]:
    model = create(best.model, {**best.settings, "factors": width, "seed": seed})
    assert isinstance(model, RatingModel)
    mse = validation_mse(Model.fit(model, parts[0], parts[1]), parts[1])
    return mse.mean, mse.low, mse.high
