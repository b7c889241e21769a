"""The map of books: those whose readers' tastes are alike lie together, a reader's own are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shelfaware.arrays import Floats, Positions
from shelfaware.data.books import Books
from shelfaware.evaluation.canvas import AMBER, INK, MUTED, RULE, TEAL, name_axes, sheet, style
from shelfaware.recommending.map_titles import Box, Room, in_turn, short_title
from shelfaware.recommending.taste import BookMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

APART = 4
"""Points between two titles."""
STAR = 8
"""Points from the middle of the reader's star to its tips."""


@style()
def taste_map(shown: BookMap, books: Books, loved: float, subtitle: str) -> Figure:
    """Every book a dot; a reader's own by what they gave, loved from `loved` stars on; as many titles as stand free."""
    figure, (axes,) = sheet(_title(shown, books), subtitle, panel=5.2)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.scatter(shown.place[:, 0], shown.place[:, 1], s=6, color=RULE, alpha=0.5, linewidths=0)
    given = shown.place[shown.mine]
    liked = shown.stars >= loved
    axes.scatter(given[liked, 0], given[liked, 1], s=34, color=TEAL, zorder=3)
    axes.scatter(given[~liked, 0], given[~liked, 1], s=30, facecolors="none", edgecolors=TEAL, linewidths=1.3, zorder=3)
    if shown.here is not None:
        axes.scatter(
            shown.here[0],
            shown.here[1],
            s=(2 * STAR) ** 2 * 0.66,
            marker="*",
            color=AMBER,
            edgecolors=INK,
            linewidths=0.8,
            zorder=4,
        )
    x, y = (f"{100 * share:.0f} % of what sets tastes apart" for share in shown.spread)
    name_axes(axes, f"{x} →", f"↑ {y}")
    axes.set_yticks([])
    _label(figure, axes, shown, books)
    return figure


def _title(shown: BookMap, books: Books) -> str:
    if shown.here is None:
        return f"{len(shown.book_index):,} books, alike ones close together"
    nearest = shown.book_index[_nearest(shown, shown.here)[:2]]
    return "The books you love lie around " + " and ".join(books.title(b) for b in nearest)


def _nearest(shown: BookMap, here: Floats) -> Positions:
    """Positions on the map by their distance from the reader's place, their own books left out."""
    distance = np.linalg.norm(shown.place - here, axis=1)
    distance[shown.mine] = np.inf
    return np.argsort(distance, kind="stable")


def _label(figure: Figure, axes: Axes, shown: BookMap, books: Books) -> None:
    """Titles beside their dots: the reader's own first, then the most rated, each only where it covers no other."""
    star = [] if shown.here is None else [_around(axes, shown.here, figure.dpi)]
    room = Room(axes.get_window_extent().extents, star)
    own = set(shown.mine.tolist())
    for i in in_turn(shown):
        text = axes.annotate(
            short_title(books.title(int(shown.book_index[i]))),
            tuple(shown.place[i]),
            (5, 0),
            textcoords="offset points",
            va="center",
            size=8,
            color=INK if i in own else MUTED,
            weight="bold" if i in own else "normal",
        )
        box = text.get_window_extent().padded(APART * figure.dpi / 72)
        if not room.take(box.extents):
            text.remove()


def _around(axes: Axes, point: Floats, dpi: float) -> Box:
    """The box of the reader's star, where no title may stand."""
    (x, y), reach = axes.transData.transform(point).tolist(), STAR * dpi / 72
    return x - reach, y - reach, x + reach, y + reach
