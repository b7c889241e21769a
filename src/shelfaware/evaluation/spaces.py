"""Where to search: for each model the settings that are worth choosing, and between which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from shelfaware.errors import ModelError

if TYPE_CHECKING:
    import optuna


class Whole(NamedTuple):
    """A whole number from `low` to `high`, as likely to be doubled at any size."""

    low: int
    high: int

    def ask(self, trial: optuna.Trial, name: str) -> float:
        return trial.suggest_int(name, self.low, self.high, log=True)


class Real(NamedTuple):
    """A number from `low` to `high`, as likely to be doubled at any size."""

    low: float
    high: float

    def ask(self, trial: optuna.Trial, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=True)


class Share(NamedTuple):
    """A number from `low` to `high`, evenly."""

    low: float
    high: float

    def ask(self, trial: optuna.Trial, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high)


Bounds = Whole | Real | Share
Space = Mapping[str, Bounds]

SPACES: dict[str, Space] = {
    "gp": {
        "factors": Whole(4, 128),
        "epochs": Whole(4, 24),
        "learning_rate": Real(4e-3, 6e-2),
        "vector_deviation": Real(0.02, 0.2),
        "weight_decay": Share(0.0, 2.0),
        "shelf_deviation": Real(0.04, 0.6),
        "mean_deviation": Real(0.1, 1.0),
        "noise_deviation": Real(0.03, 0.6),
    },
    "gmf": {
        "factors": Whole(4, 128),
        "epochs": Whole(4, 20),
        "batch_size": Whole(128, 1024),
        "learning_rate": Real(5e-4, 2e-2),
        "weight_decay": Real(0.01, 0.5),
        "dropout": Share(0.0, 0.5),
    },
    "bpmf": {"factors": Whole(4, 64), "epochs": Whole(40, 400)},
    "autoencoder": {
        "factors": Whole(8, 512),
        "epochs": Whole(5, 60),
        "learning_rate": Real(1e-3, 5e-2),
        "held_back": Share(0.05, 0.5),
        "dropout": Share(0.0, 0.8),
        "weight_decay": Real(0.1, 100.0),
    },
    "neighbours": {
        "neighbours": Whole(20, 2000),
        "common": Whole(2, 10),
        "read_weight": Share(0.0, 2.0),
        "shelved_weight": Share(0.0, 2.0),
    },
    "als": {"factors": Whole(2, 128), "epochs": Whole(5, 30), "regularisation": Real(0.3, 30.0)},
    "bias": {"user_decay": Real(0.5, 50.0), "book_decay": Real(0.5, 50.0)},
    "ease": {"regularisation": Real(5.0, 2000.0), "read_weight": Share(0.1, 1.0), "to_read_weight": Share(0.0, 1.0)},
}


def space_of(model: str) -> Space:
    """The space of a model by name; a variant has that of its kind."""
    space = SPACES.get(model.partition(":")[0])
    if space is None:
        raise ModelError(f"{model} has nothing to search for; there are {', '.join(SPACES)}")
    return space
