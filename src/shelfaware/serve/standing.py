"""How the model learned and how it was judged, as its folder tells it: for the page about it and for programs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from shelfaware.models.base import Model
from shelfaware.serve.engine import Loaded

JUDGED = ("calibration", "leaderboard")
"""What stands in metrics.json beside the figures."""


class Epoch(BaseModel):
    """MSE in stars^2; `validation_mse` where some ratings were only watched."""

    epoch: int
    mse: float
    validation_mse: float | None


class Bin(BaseModel):
    """A tenth of the held-out ratings by deviation: what was promised, what was found, in stars; bounds of 95 %."""

    deviation: float
    error: float
    low: float | None
    high: float | None
    n: int


class Coverage(BaseModel):
    """The share of the held-out ratings within the intervals that promise to hold `level` of them; bounds of 95 %."""

    level: float
    share: float
    low: float | None
    high: float | None


class Calibration(BaseModel):
    bins: list[Bin]
    coverage: list[Coverage]


class Place(BaseModel):
    """A model on the held-out ratings; `verdict` is against the best."""

    model: str
    value: float
    low: float | None
    high: float | None
    verdict: Literal["best", "not distinguishable", "worse"]


class Standing(BaseModel):
    """`leaderboard`: by figure, the best first; empty where nothing was held out, as calibration and n are null then."""

    model_version: str
    simulated: bool
    holdout: str
    n: int | None
    epochs: list[Epoch]
    best_epoch: int | None
    calibration: Calibration | None
    leaderboard: dict[str, list[Place]]


def standing(loaded: Loaded) -> Standing:
    model, metrics = loaded.model, loaded.metrics or {}
    return Standing(
        model_version=loaded.version,
        simulated=model.simulated,
        holdout=model.origin.holdout,
        n=metrics.get("n"),
        epochs=_epochs(model),
        best_epoch=model.history.best_epoch if model.history else None,
        calibration=metrics.get("calibration"),
        leaderboard=metrics.get("leaderboard") or {},
    )


def _epochs(model: Model) -> list[Epoch]:
    records = model.history.records if model.history else []
    return [
        Epoch(epoch=one.epoch, mse=one.train.mse, validation_mse=one.validation.mse if one.validation else None)
        for one in records
    ]
