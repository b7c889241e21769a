"""Plots of kinds of ratings: whether intervals keep their promise, and where a model guesses too low or too high."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from shelfaware.evaluation.canvas import RULE, SERIES, TEAL, name_axes, percent, sheet, style, with_intervals
from shelfaware.evaluation.metrics import Decile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND = (0.85, 0.95)
"""Shares inside a 90 % interval that we call as promised."""

INSIDE = "Inside the 90\N{NO-BREAK SPACE}% interval"


@style()
def coverage_by_decile(parts: Mapping[str, Sequence[Decile]], subtitle: str) -> Figure:
    """The share of ratings inside their 90 % interval, by tenths of user activity and of book popularity."""
    figure, panels = sheet(coverage_finding(parts), subtitle, columns=len(parts), panel=2.2)
    shares = [share for rows in parts.values() for one in rows for share in (one.mean.low, one.mean.high, *BAND)]
    low, high = float(np.nanmin(shares)), float(np.nanmax(shares))
    for axes, (of, deciles) in zip(panels, parts.items(), strict=True):
        axes.axhspan(*BAND, color=TEAL, alpha=0.1, linewidth=0)
        axes.axhline(0.9, color=RULE, linewidth=1, linestyle=(0, (4, 3)))
        with_intervals(axes, np.arange(1, len(deciles) + 1), [one.mean for one in deciles], TEAL)
        axes.set_ylim(low - 0.01, min(high + 0.01, 1.005))
        _name_deciles(axes, deciles)
        axes.yaxis.set_major_formatter(lambda share, _: percent(share))
        name_axes(
            axes, f"ratings of the {of}, by tenths", "Inside the 90\N{NO-BREAK SPACE}% interval" if axes is panels[0] else ""
        )
    return figure


def coverage_finding(parts: Mapping[str, Sequence[Decile]]) -> str:
    """In how many tenths the share lies in BAND."""
    shares = [one.mean.mean for deciles in parts.values() for one in deciles]
    kept = sum(BAND[0] <= share <= BAND[1] for share in shares)
    lowest = percent(min(shares), 0)
    if kept == len(shares):
        return f"90\N{NO-BREAK SPACE}% intervals hold for every kind of reader and book: {lowest} to {percent(max(shares))}"
    return f"90\N{NO-BREAK SPACE}% intervals hold in {kept} of {len(shares)} tenths; the lowest share is {lowest}"


def _name_deciles(axes: Axes, deciles: Sequence[Decile]) -> None:
    """The least number of ratings at every third tenth, and the most at the last."""
    least = [f"{one.least:,}" if place % 3 == 0 else "" for place, one in enumerate(deciles)]
    axes.set_xticks(range(1, len(deciles) + 1), [*least[:-1], f"{deciles[-1].most:,}"])


@style()
def spread(values: Sequence[int], subtitle: str, *, of: str) -> Figure:
    """How many users (or books) have how many ratings: counts of `values` in steps of a third of a decade."""
    counts = np.asarray(values)
    counts = counts[counts > 0]
    middle, top = np.quantile(counts, [0.5, 0.9])
    title = f"Half of the {of}s have {middle:,.0f} ratings or fewer, the top tenth {top:,.0f} or more"
    figure, (axes,) = sheet(title, subtitle, panel=1.9)
    edges = _edges(int(counts.max()))  # 1, 2, 5, 10, ...
    shares = np.histogram(counts, edges)[0] / len(counts)
    axes.bar(range(len(shares)), shares, width=0.9, color=SERIES[0] if of == "reader" else SERIES[2])
    every = 1 if len(edges) <= 9 else 3
    axes.set_xticks(np.arange(0, len(edges), every) - 0.5, [f"{edge:,}" for edge in edges[::every]])
    axes.yaxis.set_major_formatter(lambda share, _: percent(share))
    name_axes(axes, f"ratings of the {of}", f"Share of the {of}s")
    return figure


def _edges(most: int) -> list[int]:
    edges = [1]
    steps = (2, 5, 10)
    while edges[-1] <= most:
        edges.append(steps[(len(edges) - 1) % 3] * 10 ** ((len(edges) - 1) // 3))
    return edges
