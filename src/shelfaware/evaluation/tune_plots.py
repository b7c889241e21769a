"""Plots of a search for settings: how it went, and which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from shelfaware.evaluation.canvas import MUTED, RULE, TEAL, name_axes, percent, sheet, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style()
def history(values: Sequence[float | None], subtitle: str, *, figure_name: str, less_is_better: bool) -> Figure:
    """The value of each trial [n], None where it was stopped early, and the best so far."""
    found = np.array([np.nan if value is None else value for value in values])
    from matplotlib.ticker import MaxNLocator

    better = np.fmin if less_is_better else np.fmax
    best = better.accumulate(found)
    top = int(np.nanargmin(found) if less_is_better else np.nanargmax(found))
    stopped = int(np.isnan(found).sum())
    title = f"Trial {top + 1} of {len(found)} is best: {found[top]:.3f}"
    drawn, (axes,) = sheet(title, subtitle)
    trial = np.arange(1, len(found) + 1)
    axes.plot(trial, best, color=TEAL, drawstyle="steps-post", linewidth=1.4)
    axes.plot(trial, found, "o", color=TEAL, alpha=0.6, markersize=4.5)
    axes.plot([top + 1], [found[top]], "o", markersize=11, markerfacecolor="none", markeredgecolor=TEAL)
    if stopped:
        low, high = axes.get_ylim()
        axes.plot(trial[np.isnan(found)], np.full(stopped, low), "x", color=MUTED, markersize=5, clip_on=False)
        axes.set_ylim(low, high)
    name_axes(axes, "trial" + (", x: stopped early" if stopped else ""), figure_name)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    return drawn


@style()
def importance(shares: Mapping[str, float], subtitle: str) -> Figure:
    """How much of the difference between trials each setting explains; the shares sum to 1."""
    names = sorted(shares, key=lambda name: -shares[name])
    title = f"What matters most is {names[0]}: {percent(shares[names[0]])} of what settings change"
    drawn, (axes,) = sheet(title, subtitle, panel=0.3 * len(names) + 0.2)
    bars = axes.barh(range(len(names)), [shares[name] for name in names], color=[TEAL, *[RULE] * (len(names) - 1)], height=0.62)
    axes.bar_label(bars, [percent(shares[name]) for name in names], padding=4)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.margins(x=0.12)
    widest = max(label.get_window_extent().width for label in axes.get_yticklabels()) / drawn.dpi
    drawn.subplots_adjust(left=(0.2 + widest + 0.12) / drawn.get_figwidth())
    return drawn
