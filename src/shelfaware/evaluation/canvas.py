"""The blank sheet that every plot is drawn on: header, panels, colours, direct labels."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.evaluation.metrics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

PAPER, INK, MUTED, RULE = "#faf8f4", "#1d2129", "#555b66", "#8f8c84"
TEAL, AMBER, PALE_AMBER = "#0f5c63", "#e69f00", "#f0cf8e"
SERIES = (TEAL, "#d55e00", "#0072b2", "#cc79a7")
"""One colour a line, the model in question first: the accent, then three of Okabe & Ito's that keep apart from it."""

MARGIN, GUTTER, ABOVE, BELOW, BETWEEN = 0.2, 0.45, 0.42, 0.58, 0.55
"""Inches: free around everything, for tick labels left of a panel, above it for its name, below it, and between two."""


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Everything drawn inside follows style.mplstyle, whatever the user's own matplotlib settings are."""
    import matplotlib

    with matplotlib.rc_context(fname=Path(__file__).with_name("style.mplstyle")):
        yield


class End(NamedTuple):
    """What a line is called and the height at which it ends."""

    name: str
    y: float
    colour: str


def sheet(title: str, subtitle: str, *, rows: int = 1, columns: int = 1, panel: float = 2.3) -> tuple[Figure, list[Axes]]:
    """A figure with its header and rows x columns empty panels, each `panel` inches high, in reading order."""
    from matplotlib.figure import Figure

    figure = Figure(label=title)
    top = ABOVE + _header(figure, title, subtitle, rows * panel + (rows - 1) * BETWEEN + ABOVE + BELOW)
    width, height = figure.get_size_inches()
    panels = list(figure.subplots(rows, columns, sharex="col", squeeze=False).flat)
    for axes in panels:
        axes.locator_params(nbins=6)
    across = (width - MARGIN) / columns - MARGIN - GUTTER
    figure.subplots_adjust(
        left=(MARGIN + GUTTER) / width,
        right=1 - MARGIN / width,
        bottom=BELOW / height,
        top=1 - top / height,
        hspace=BETWEEN / panel,
        wspace=(MARGIN + GUTTER) / across,
    )
    return figure, panels


def name_axes(axes: Axes, x: str, y: str) -> None:
    """Names both axes where they are read: x below its right end, y lying flat above its top."""
    axes.set_xlabel(x, loc="right")
    axes.annotate(y, (0, 1), (-72 * GUTTER, 10), xycoords="axes fraction", textcoords="offset points", color=MUTED)


def label_ends(figure: Figure, axes: Axes, ends: Sequence[End]) -> None:
    """Writes each line's name at the right, level with its end or as near as none overlap, and makes room for them."""
    points = axes.transData.transform([(1.0, end.y) for end in ends])[:, 1] * 72 / figure.dpi
    heights = _apart(points, gap=12.5)
    heights += max(0.0, axes.bbox.y0 * 72 / figure.dpi + 5 - heights.min())
    labels = [
        axes.annotate(
            end.name,
            (1.0, end.y),
            (4, height - point),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            weight="bold",
            color=readable(end.colour),
        )
        for end, point, height in zip(ends, points, heights, strict=True)
    ]
    room = max(label.get_window_extent().width for label in labels) / figure.bbox.width
    figure.subplots_adjust(right=1 - (MARGIN + 4 / 72) / figure.get_figwidth() - room)


def ring(axes: Axes, x: float, y: float) -> None:
    """Marks the point that the title speaks of."""
    axes.plot(
        [x],
        [y],
        marker="o",
        markersize=11,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.2,
        clip_on=False,
    )


def with_intervals(axes: Axes, x: AnyArray, means: Sequence[Interval], colour: str) -> None:
    """Points with their intervals, joined by a thin line."""
    y, low, high = (np.array([getattr(one, part) for one in means]) for part in ("mean", "low", "high"))
    axes.plot(x, y, color=colour, linewidth=1.2, alpha=0.6)
    axes.errorbar(x, y, yerr=[y - low, high - y], color=colour, fmt="o", elinewidth=1.5)


def percent(share: float, decimals: int = 0) -> str:
    return f"{100 * share:.{decimals}f}\N{NO-BREAK SPACE}%"


def readable(colour: str) -> str:
    """The colour, darkened with ink until text in it reads on paper (WCAG AA)."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = 0.6 * np.array(to_rgb(colour)) + 0.4 * np.array(to_rgb(INK))
    return to_hex((red, green, blue))


def _header(figure: Figure, title: str, subtitle: str, below: float) -> float:
    """Writes title and subtitle and returns the inches they take; the figure grows to hold `below` inches more."""
    x, taken = MARGIN / figure.get_figwidth(), MARGIN
    heading = figure.text(x, 1, title, va="top", family="serif", size=14, linespacing=1.25)
    account = figure.text(x, 1, subtitle, va="top", color=MUTED, linespacing=1.35)
    starts = []
    for text, gap in ((heading, 0.07), (account, 0.0)):
        _break_lines(text, figure.get_figwidth() - 2 * MARGIN, figure.dpi)
        starts.append(taken)
        taken += text.get_window_extent().height / figure.dpi + gap
    figure.set_figheight(taken + below)
    for text, start in zip((heading, account), starts, strict=True):
        text.set_y(1 - start / (taken + below))
    return taken


def _break_lines(text: Text, room: float, dpi: float) -> None:
    """Breaks a text into the fewest lines that fit `room` inches, then as evenly as that many lines allow."""
    words = text.get_text()
    columns = max(len(words), 1)
    while columns > 1 and text.get_window_extent().width > room * dpi:
        columns -= 1
        text.set_text("\n".join(_lines(words, columns)))
    fewest = len(_lines(words, columns))
    while columns > 1 and len(_lines(words, columns - 1)) == fewest:
        columns -= 1
    text.set_text("\n".join(_lines(words, columns)))


def _lines(words: str, columns: int) -> list[str]:
    return textwrap.wrap(words, columns, break_long_words=False, break_on_hyphens=False)


def _apart(heights: Floats, gap: float) -> Floats:
    """Positions as near to `heights` as they can be in the same order with `gap` between neighbours.

    Least squares under that order is isotonic regression of the heights less their share of gaps.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(order))
    placed = np.empty(len(order))
    placed[order] = isotonic_regression(heights[order] - steps).x + steps
    return placed
