"""Plots whose title states what their numbers say. Arrays and intervals in, a matplotlib Figure out; no global state.

The figure's label (`figure.get_label()`) is its title in one line: a caption, or the text for those who cannot see it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.folder import translated_disk_errors, write_file
from shelfaware.errors import EvaluationError
from shelfaware.evaluation.calibration import Coverage, ReliabilityBin
from shelfaware.evaluation.canvas import (
    AMBER,
    INK,
    MARGIN,
    MUTED,
    PALE_AMBER,
    RULE,
    SERIES,
    TEAL,
    End,
    label_ends,
    name_axes,
    percent,
    ring,
    sheet,
    style,
    with_intervals,
)
from shelfaware.evaluation.metrics import Decile, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
MSE = "Mean squared error, stars²"


@style()
def learning_curve(train_loss: AnyArray, validation_mse: AnyArray | None, subtitle: str, *, loss_is_mse: bool) -> Figure:
    """Training loss and, if measured, validation MSE by epoch [n_epochs], NaN where an epoch was not validated.

    One panel where the loss is itself an MSE, so that the gap between the two can be read; else a panel each.
    """
    train_loss = np.asarray(train_loss, np.float64)
    if validation_mse is None or np.isnan(validation_mse).all():
        figure, (axes,) = sheet(_falls(train_loss), subtitle)
        _epochs(axes, "training", train_loss, TEAL)
        name_axes(axes, "epoch", MSE if loss_is_mse else "Training loss")
        return figure
    validation_mse = np.asarray(validation_mse, np.float64)
    figure, panels = sheet(_lowest(validation_mse), subtitle, rows=1 if loss_is_mse else 2, panel=2.3 if loss_is_mse else 1.4)
    ends = [
        _epochs(panels[0], "validation", validation_mse, TEAL),
        _epochs(panels[-1], "training", train_loss, SERIES[1]),
    ]
    ring(panels[0], int(np.nanargmin(validation_mse)) + 1, float(np.nanmin(validation_mse)))
    name_axes(panels[-1], "epoch", MSE if loss_is_mse else "Training loss")
    if loss_is_mse:
        label_ends(figure, panels[0], ends)
    else:
        name_axes(panels[0], "", f"Validation: {MSE[0].lower()}{MSE[1:]}")
    return figure


@style()
def rating_histogram(values: AnyArray, shares: AnyArray, subtitle: str) -> Figure:
    """How often each star value [n] is given: `shares` [n] of all ratings, which sum to 1."""
    values, shares = np.asarray(values, np.float64), np.asarray(shares, np.float64)
    top = int(shares.argmax())
    title = f"{_stars(values[top])} is the most common rating: {percent(shares[top])}"
    figure, (axes,) = sheet(title, subtitle, panel=2.0)
    figure.subplots_adjust(left=MARGIN / figure.get_figwidth())
    bars = axes.bar(
        range(len(values)), shares, width=0.72, color=[AMBER if i == top else PALE_AMBER for i in range(len(values))]
    )
    axes.bar_label(bars, [percent(share) for share in shares], padding=3, fontsize=10, color=INK)
    axes.set_xticks(range(len(values)), [f"{value:g}" for value in values])
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("stars given", loc="right")
    return figure


@style()
def error_by_activity(models: Mapping[str, Sequence[Decile]], subtitle: str, *, of: Literal["user", "book"]) -> Figure:
    """MSE by tenths of the test ratings, from the least to the most active user (or most rated book).

    `models`: up to four, by name; the title says whether the first is ahead of a second.
    A point stands at the middle of its tenth's range.
    """
    if not 1 <= len(models) <= len(SERIES):
        raise EvaluationError(f"{len(models)} models do not fit one plot; name 1 to {len(SERIES)}")
    figure, (axes,) = sheet(_activity_finding(models, of), subtitle)
    axes.set_xscale("function", functions=(np.log1p, np.expm1))
    ends = []
    for place, ((name, deciles), colour) in enumerate(zip(models.items(), SERIES, strict=False)):
        middle = np.expm1([np.log1p([decile.least, decile.most]).mean() + 0.02 * place for decile in deciles])
        means = [decile.mean for decile in deciles]
        with_intervals(axes, middle, means, colour)
        ends.append(End(name, means[-1].mean, colour))
    axes.set_xticks(_round_counts(*axes.get_xlim()))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    name_axes(axes, f"training ratings of the {of}, middle of each tenth", MSE)
    if len(models) > 1:
        label_ends(figure, axes, ends)
    return figure


@style()
def calibration(coverage: Sequence[Coverage], bins: Sequence[ReliabilityBin], subtitle: str) -> Figure:
    """Left: promised and measured share of ratings inside the interval. Right: promised deviation and error made.

    On the diagonal a promise is kept. The title speaks of the level nearest to 90 %.
    """
    told = min(coverage, key=lambda one: abs(one.level - 0.9))
    title = f"{percent(told.level)} intervals hold {percent(told.share.mean, 1)} of ratings"
    figure, (left, right) = sheet(title, subtitle, columns=2, panel=2.35)
    _promises(left, [one.level for one in coverage], [one.share for one in coverage], (0.0, 1.0))
    ring(left, told.level, told.share.mean)
    for axis in (left.xaxis, left.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1], [percent(share) for share in (0, 0.25, 0.5, 0.75, 1)])
    _name_sides(left, "too careful", "too sure")
    name_axes(left, "promised", "Ratings inside the interval")
    _promises(right, [one.deviation for one in bins], [one.error for one in bins], _range(bins))
    _name_sides(right, "too sure", "too careful")
    name_axes(right, "promised deviation, stars", "Root mean squared error, stars")
    return figure


@style()
def mse_against_factors(factors: Sequence[int], mse: Sequence[Interval], subtitle: str) -> Figure:
    """MSE with its interval by width of the embedding [n], ascending."""
    figure, (axes,) = sheet(_factors_finding(factors, mse), subtitle)
    axes.set_xscale("log", base=2)
    with_intervals(axes, np.asarray(factors, np.float64), mse, TEAL)
    for told in {*_enough_and_best(mse)}:
        ring(axes, factors[told], mse[told].mean)
    axes.set_xticks(factors, [f"{one:,}" for one in factors])
    axes.minorticks_off()
    name_axes(axes, "factors", MSE)
    return figure


def save(figure: Figure, path_stem: Path) -> list[Path]:
    """Writes path_stem.png (150 dpi) and path_stem.svg and returns both paths. The same figure gives the same bytes."""
    paths = []
    with translated_disk_errors(path_stem.parent):
        path_stem.parent.mkdir(parents=True, exist_ok=True)
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Title": figure.get_label()})):
        drawn = io.BytesIO()
        with style():
            figure.savefig(drawn, format=kind, metadata=metadata)
        paths.append(path_stem.with_name(f"{path_stem.name}.{kind}"))
        write_file(paths[-1], partial(_put, drawn.getvalue()))
    return paths


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _falls(loss: Floats) -> str:
    verb = "falls" if loss[-1] < loss[0] else "does not fall: it goes"
    return f"Training loss {verb} from {loss[0]:.2f} to {loss[-1]:.2f} in {len(loss)} epochs"


def _lowest(validation_mse: Floats) -> str:
    epoch = int(np.nanargmin(validation_mse)) + 1
    last = "the last epoch, " if epoch == len(validation_mse) else "epoch "
    return f"Validation error is lowest at {last}{epoch}: {np.nanmin(validation_mse):.2f}"


def _stars(value: float) -> str:
    number = NUMBERS[int(value)] if value in range(len(NUMBERS)) else f"{value:g}"
    return f"{number} {'star' if value == 1 else 'stars'}"


def _activity_finding(models: Mapping[str, Sequence[Decile]], of: Literal["user", "book"]) -> str:
    """That the first of two models is ahead in every tenth; else of a change, where the first and last tenth are apart."""
    name, deciles = next(iter(models.items()))
    if len(models) == 2 and all(ours.mean.high < theirs.mean.mean for ours, theirs in zip(*models.values(), strict=True)):
        however = {"user": "however much you rate", "book": "however often a book is rated"}[of]
        return f"{name} errs less than {[*models][1]}, {however}"
    first, last = deciles[0].mean, deciles[-1].mean
    who = "we guess" if len(models) == 1 else f"{name} guesses"
    more = {"user": f"The more you rate, the {{}} {who}", "book": f"The more a book is rated, the {{}} {who} it"}[of]
    change = f"error {first.mean:.2f} to {last.mean:.2f}"
    if last.high < first.low:
        return f"{more.format('better')}: {change}"
    if last.low > first.high:
        return f"{more.format('worse')}: {change}"
    return f"No clear change with ratings per {of}: {change}"


def _enough_and_best(mse: Sequence[Interval]) -> tuple[int, int]:
    """The first that lies inside the best's interval, and the best."""
    best = min(range(len(mse)), key=lambda i: mse[i].mean)
    return next(i for i, one in enumerate(mse) if one.mean in mse[best]), best


def _factors_finding(factors: Sequence[int], mse: Sequence[Interval]) -> str:
    enough, best = _enough_and_best(mse)
    if enough == best:
        return f"{factors[best]:,} factors do best: {mse[best].mean:.3f}"
    errors = f"{mse[enough].mean:.3f} and {mse[best].mean:.3f}"
    return f"{factors[enough]:,} factors do about as well as {factors[best]:,}: {errors}"


def _epochs(axes: Axes, name: str, values: Floats, colour: str) -> End:
    from matplotlib.ticker import MaxNLocator

    known = np.flatnonzero(np.isfinite(values))
    axes.plot(known + 1, values[known], color=colour, marker="o", markersize=3.5)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    return End(name, float(values[known[-1]]), colour)


def _promises(axes: Axes, promised: Sequence[float], made: Sequence[Interval], limits: tuple[float, float]) -> None:
    """What was made of each promise, beside the diagonal where promises are kept."""
    axes.plot(limits, limits, color=RULE, linewidth=1, linestyle=(0, (4, 3)))
    with_intervals(axes, np.asarray(promised), made, TEAL)
    axes.set(xlim=limits, ylim=limits)


def _name_sides(axes: Axes, above: str, below: str) -> None:
    """Says what it means to lie above and below the diagonal, in the two empty corners."""
    axes.text(0.04, 0.93, above, transform=axes.transAxes, va="top", color=MUTED, style="italic")
    axes.text(0.96, 0.07, below, transform=axes.transAxes, ha="right", color=MUTED, style="italic")


def _range(bins: Sequence[ReliabilityBin]) -> tuple[float, float]:
    values = [value for one in bins for value in (one.deviation, one.error.mean, one.error.low, one.error.high)]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    edge = 0.08 * (high - low) or 0.1
    return low - edge, high + edge


def _round_counts(least: float, most: float) -> list[int]:
    """Ticks 0, 1, 2, 5, 10, ... from `least` to `most`, powers of ten alone where those would crowd."""
    for steps in ((1, 2, 5), (1,)):
        ticks = [count for count in (0, *(step * 10**power for power in range(10) for step in steps)) if least <= count <= most]
        if len(ticks) <= 9:
            break
    return ticks
