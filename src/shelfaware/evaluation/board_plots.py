"""Models beside each other: how far from the best, at what cost, and with how much data. Numbers in, a Figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shelfaware.arrays import Floats
from shelfaware.evaluation.canvas import (
    INK,
    MUTED,
    PAPER,
    RULE,
    SERIES,
    TEAL,
    End,
    label_ends,
    name_axes,
    sheet,
    style,
    with_intervals,
)
from shelfaware.evaluation.curves import Curve
from shelfaware.evaluation.plots import MSE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

WORSE = SERIES[1]
ROW = 0.3
"""Inches a model in a plot of rows."""


@style()
def differences(board: Mapping[str, Any], subtitle: str) -> Figure:
    """The MSE of each model less that of the best, with its paired interval; the best at 0."""
    best = board["best"]["mse"]
    apart = [pair for pair in board["pairs"] if pair["figure"] == "mse" and pair["b"] == best]
    apart.sort(key=lambda pair: pair["difference"])
    names = [best, *(pair["a"] for pair in apart)]
    figure, (axes,) = sheet(differences_finding(board), subtitle, panel=ROW * len(names) + 0.3)
    axes.axvline(0, color=RULE, linewidth=1)
    axes.plot([0], [0], "o", color=TEAL)
    for y, pair in enumerate(apart, 1):
        worse = pair["verdict"] == "worse"
        colour = WORSE if worse else TEAL
        if pair["low"] is not None:
            axes.plot([pair["low"], pair["high"]], [y, y], color=colour)
        axes.plot([pair["difference"]], [y], "o", color=colour, markerfacecolor=colour if worse else PAPER)
    _name_rows(figure, axes, names)
    name_axes(axes, f"{MSE[0].lower()}{MSE[1:]}, more than {best}", "")
    return figure


def differences_finding(board: Mapping[str, Any]) -> str:
    """Which models are best, in a sentence."""
    rows = [row for row in board["models"] if "mse" in row["verdicts"]]
    best, mse = board["best"]["mse"], {row["model"]: row["mse"] for row in rows}
    equal = [row["model"] for row in rows if row["verdicts"]["mse"] == "not distinguishable"]
    if not equal:
        return f"{best} errs least: {mse[best]:.3f}" if len(rows) > 1 else f"{best}: a mean squared error of {mse[best]:.3f}"
    return f"{best} errs least, {mse[best]:.3f}, and cannot be told from {_and(sorted(equal, key=mse.__getitem__))}"


@style()
def cost(rows: Sequence[Row], subtitle: str) -> Figure:
    """MSE with its interval beside the seconds of a fit and the memory of its process; a line joins the unbeaten."""
    rows = [row for row in rows if row["mse"] is not None]
    front = unbeaten(rows, "fit_seconds")
    title = f"Nothing is both quicker and closer than {_and([row['model'] for row in front])}"
    figure, panels = sheet(title, subtitle, columns=2, panel=2.5)
    for axes, key, name in zip(panels, ("fit_seconds", "peak_mb"), ("seconds to fit", "memory, MB"), strict=True):
        axes.set_xscale("log")
        _points(axes, rows, unbeaten(rows, key), key)
        name_axes(axes, name, MSE if key == "fit_seconds" else "")
        _plain_ticks(axes)
    return figure


def unbeaten(rows: Sequence[Row], key: str) -> list[Row]:
    """The rows that no other row beats in both MSE and `key`, by ascending `key`: the Pareto front."""
    ordered = sorted(rows, key=lambda row: (row[key], row["mse"]))
    front: list[Row] = []
    for row in ordered:
        if not front or row["mse"] < front[-1]["mse"]:
            front.append(row)
    return front


def _points(axes: Axes, rows: Sequence[Row], front: Sequence[Row], key: str) -> None:
    axes.plot(
        [row[key] for row in front], [row["mse"] for row in front], color=TEAL, linewidth=1, drawstyle="steps-post", alpha=0.6
    )
    for row in rows:
        colour = TEAL if row in front else MUTED
        low, high = (row.get("intervals") or {}).get("mse") or (row["mse"], row["mse"])
        axes.plot([row[key]] * 2, [low, high], color=colour, linewidth=1.2)
        axes.plot([row[key]], [row["mse"]], "o", color=colour)
    axes.margins(x=0.25, y=0.15)
    axes.autoscale_view()  # limits are settled late, and names are placed by them
    _label_points(axes, [(row["model"], row[key], row["mse"], row in front) for row in rows])


def _label_points(axes: Axes, points: Sequence[tuple[str, float, float, bool]]) -> None:
    """Names above their points, towards the middle, or below where another name is there."""
    taken: list[Any] = []
    middle = axes.transAxes.transform((0.5, 0))[0]
    for name, x, y, strong in sorted(points, key=lambda point: not point[3]):
        right = axes.transData.transform((x, y))[0] > middle
        look: dict[str, Any] = {"color": INK, "weight": "bold"} if strong else {"color": MUTED, "weight": "normal"}
        look |= {"ha": "right" if right else "left", "textcoords": "offset points"}
        for offset in (8, -14, 20, -26, 32, -38):
            text = axes.annotate(name, (x, y), (-5 if right else 5, offset), **look)
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
            text.remove()
        taken.append(box)


def _plain_ticks(axes: Axes) -> None:
    """1, 10, 100 instead of powers; 1, 3, 10 where there are fewer than two."""
    low, high = axes.get_xlim()
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [step * 10.0**power for power in range(-3, 7) for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    axes.set_xticks(ticks, [f"{tick:g}" if tick < 1000 else f"{tick:,.0f}" for tick in ticks])
    axes.minorticks_off()


@style()
def against_data(models: Mapping[str, Curve], subtitle: str, *, title: str, x: str, shares: bool = False) -> Figure:
    """MSE with its interval against an amount of data, a line for each of up to four models.

    `shares`: the amounts are shares of the whole, shown in per cent; else they are counts from 0 on.
    """
    figure, (axes,) = sheet(title, subtitle)
    if not shares:
        axes.set_xscale("function", functions=(np.log1p, np.expm1))
    ends = []
    for place, ((name, curve), colour) in enumerate(zip(models.items(), SERIES, strict=False)):
        points = curve.points
        amounts = _nudged(np.array([point.x for point in points]), place, shares)
        with_intervals(axes, amounts, [point.mse for point in points], colour)
        ends.append(End(name, points[-1].mse.mean, colour))
    told = [point.x for point in next(iter(models.values())).points]
    axes.set_xticks(told, [f"{100 * one:.0f}\N{NO-BREAK SPACE}%" if shares else f"{one:,.0f}" for one in told])
    axes.minorticks_off()
    name_axes(axes, x, MSE)
    label_ends(figure, axes, ends)
    return figure


def _nudged(x: Floats, place: int, shares: bool) -> Floats:
    """Side by side, so that the intervals of several models can be told apart."""
    return np.asarray(x + 0.01 * place if shares else np.expm1(np.log1p(x) + 0.035 * place))


def falls(models: Mapping[str, Curve], first: str, last: str) -> str:
    """How the error of the first model changes from the first point to the last, in a sentence."""
    name, curve = next(iter(models.items()))
    start, end, change = curve.points[0].mse.mean, curve.points[-1].mse.mean, curve.change
    verb = "falls" if change.high < 0 else "rises" if change.low > 0 else "does not clearly change"
    return f"The error of {name} {verb} from {first} to {last}: {start:.2f} to {end:.2f}"


def _name_rows(figure: Figure, axes: Axes, names: Sequence[str]) -> None:
    """Names at the left, the first on top; the panel makes room for them."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    for label in axes.get_yticklabels():
        label.set_color(INK)
    widest = max(label.get_window_extent().width for label in axes.get_yticklabels()) / figure.dpi
    figure.subplots_adjust(left=(0.2 + widest + 0.12) / figure.get_figwidth())


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
