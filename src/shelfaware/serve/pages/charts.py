"""Small drawings in SVG: numbers here, marks in the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shelfaware.serve.standing import Calibration, Epoch, Place

WIDTH, HEIGHT = 600, 200
SIDE = 260
"""Of the square in which what was promised stands against what was found."""


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


def learning_curve(epochs: Sequence[Epoch]) -> Curve | None:
    """Training and validation MSE; None where there are not two epochs."""
    watched = [one.validation_mse for one in epochs if one.validation_mse is not None]
    series = {"training": [one.mse for one in epochs], "validation": watched}
    series = {name: values for name, values in series.items() if len(values) > 1}
    if not series:
        return None
    most = max(max(values) for values in series.values()) * 1.05
    return Curve([_line(name, values, most) for name, values in series.items()], len(epochs), most)


def _line(name: str, values: list[float], most: float) -> Line:
    places = [(WIDTH * i / (len(values) - 1), HEIGHT * (1 - value / most)) for i, value in enumerate(values)]
    x, y = places[-1]
    return Line(name, " ".join(f"{x:.1f},{y:.1f}" for x, y in places), values[-1], x, y)


class Mark(NamedTuple):
    """A point, and from where to where its interval goes; in an SVG down is more."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Promises:
    """Marks in a square of SIDE whose diagonal is a promise kept; `most` stands at the end of both axes."""

    marks: list[Mark]
    most: float


def promised_deviations(calibration: Calibration) -> Promises:
    """In stars: how far off the model said that it would be, and was."""
    found = [(one.deviation, one.error, one.low, one.high) for one in calibration.bins]
    most = max(max(x, y, high or y) for x, y, _, high in found)
    return _promises(found, -(-most // 0.5) * 0.5)


def promised_shares(calibration: Calibration) -> Promises:
    """What share of ratings the model said that an interval would hold, and what share it held."""
    return _promises([(one.level, one.share, one.low, one.high) for one in calibration.coverage], 1.0)


def _promises(found: list[tuple[float, float, float | None, float | None]], most: float) -> Promises:
    def down(value: float) -> float:
        return round(SIDE * (1 - value / most), 1)

    marks = [
        Mark(round(SIDE * x / most, 1), down(y), down(y if low is None else low), down(y if high is None else high))
        for x, y, low, high in found
    ]
    return Promises(marks, most)


class Bar(NamedTuple):
    """Where a value and its interval stand, in per cent of a bar that begins at zero."""

    value: float
    low: float
    high: float


def places(board: Sequence[Place]) -> list[tuple[Place, Bar]]:
    """Each model of a leaderboard with its bar."""
    most = max(one.high or one.value for one in board) or 1.0

    def share(value: float | None, instead: float) -> float:
        return round(100 * (instead if value is None else value) / most, 1)

    return [(one, Bar(share(one.value, 0), share(one.low, one.value), share(one.high, one.value))) for one in board]
