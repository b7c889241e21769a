"""Small drawings in SVG: numbers here, marks in the templates."""

from __future__ import annotations

from dataclasses import dataclass

from shelfaware.training.history import History

WIDTH, HEIGHT = 600, 200


@dataclass(frozen=True)
class Line:
    """A polyline of `points` for an SVG of WIDTH x HEIGHT, and its last value at (x, y)."""

    name: str
    points: str
    last: float
    x: float
    y: float


@dataclass(frozen=True)
class Curve:
    """MSE by epoch from zero; `most` is the top of the axis."""

    lines: list[Line]
    epochs: int
    most: float
    best_epoch: int


def learning_curve(history: History) -> Curve | None:
    """Training and validation MSE; None where there are not two epochs."""
    series = {"training": history.mse, "held out": history.validation_mse}
    series = {name: values for name, values in series.items() if len(values) > 1}
    if not series:
        return None
    most = max(max(values) for values in series.values()) * 1.05
    return Curve([_line(name, values, most) for name, values in series.items()], len(history.records), most, history.best_epoch)


def _line(name: str, values: list[float], most: float) -> Line:
    places = [(WIDTH * i / (len(values) - 1), HEIGHT * (1 - value / most)) for i, value in enumerate(values)]
    x, y = places[-1]
    return Line(name, " ".join(f"{x:.1f},{y:.1f}" for x, y in places), values[-1], x, y)
