"""Titles on a map of books: whose turn it is, how much of a title is written, and where it covers no other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from shelfaware.recommending.taste import BookMap

LONGEST = 28
"""Letters of a title on the map."""

Box = tuple[float, float, float, float]
"""Two corners: x and y of the lesser one, then of the greater one."""


class Room:
    """A frame, and what of it is taken."""

    def __init__(self, frame: Box, taken: Iterable[Box] = ()) -> None:
        self.frame, self.taken = frame, list(taken)

    def take(self, box: Box) -> bool:
        """Whether the box lies inside the frame and covers nothing; then it is taken."""
        inside = self.frame[0] <= box[0] and box[2] <= self.frame[2] and self.frame[1] <= box[1] and box[3] <= self.frame[3]
        free = inside and not any(_overlap(box, other) for other in self.taken)
        if free:
            self.taken.append(box)
        return free


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def in_turn(shown: BookMap) -> list[int]:
    """Places on the map: the reader's own first, the most loved before the others, then the most rated."""
    own = shown.mine[np.argsort(-shown.stars, kind="stable")].tolist()
    return list(dict.fromkeys([*own, *range(len(shown.place))]))


def short_title(title: str) -> str:
    title = title.partition(":")[0] or title
    return title if len(title) <= LONGEST else title[: LONGEST - 1].rstrip() + "…"
