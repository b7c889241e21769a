"""The map of books as SVG: what of it is in sight, and which titles stand free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from shelfaware.arrays import Floats
from shelfaware.data.books import Books
from shelfaware.data.ids import Id
from shelfaware.recommending.map_titles import Box, Room, in_turn, short_title
from shelfaware.recommending.taste import BookMap
from shelfaware.serve.pages.visit import Here

router = APIRouter()

WIDTH, HEIGHT, MARGIN = 1000, 720, 40
NEAREST = 6
"""How often one can zoom in."""
FACTOR = 1.7
STEP = 0.3
"""Of the frame, that one step to a side moves."""
APART = 6

Side = Literal["right", "left"]


class Lettering(NamedTuple):
    """Size of the titles, mean width of a letter, from a dot's middle to its title, and how many titles there are at most."""

    size: float
    letter: float
    gap: float
    most: int


WIDE, NARROW = Lettering(14, 8.6, 12, 60), Lettering(34, 20, 20, 12)
"""For a screen that shows the map at its size, and for a phone, on which it is a third of it."""


class Dot(NamedTuple):
    """`kind`: the person's own, loved or less, or one of the others. `wide`, `narrow`: where its title stands, if it does."""

    book_id: Id
    title: str
    x: float
    y: float
    kind: Literal["loved", "less", "other"]
    stars: float | None
    wide: Side | None
    narrow: Side | None

    @property
    def short(self) -> str:
        return short_title(self.title)


@dataclass(frozen=True)
class View:
    """What is in sight: the middle in shares of the whole map, and how often it was zoomed in."""

    zoom: int
    x: float
    y: float

    @property
    def scale(self) -> float:
        return float(FACTOR**self.zoom)

    def query(self, zoom: int = 0, right: float = 0, down: float = 0) -> str:
        """The address of the view after a step."""
        nearer = min(max(self.zoom + zoom, 0), NEAREST)
        if nearer == 0:
            return ""
        x, y = (min(max(at + step / self.scale, 0), 1) for at, step in ((self.x, right), (self.y, down)))
        return urlencode({"zoom": nearer, "x": f"{x:.3f}", "y": f"{y:.3f}"})

    def apply(self, place: Floats) -> Floats:
        """Shares of the whole map [n, 2] -> places in the frame [n, 2]."""
        return (place - [self.x, self.y]) * self.scale * [WIDTH, HEIGHT] + [WIDTH / 2, HEIGHT / 2]


Share = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)]


@router.get("/map")
def book_map(here: Here, zoom: Annotated[int, Query(ge=0, le=NEAREST)] = 0, x: Share = None, y: Share = None) -> HTMLResponse:
    found = here.desk.book_map(here.theirs)
    unit, middle = _unit(found)
    home = (0.5, 0.5) if middle is None or zoom == 0 else tuple(middle.tolist())
    view = View(zoom, home[0] if x is None or zoom == 0 else x, home[1] if y is None or zoom == 0 else y)
    star = None if middle is None else view.apply(middle[None])[0].tolist()
    content = {
        "width": WIDTH,
        "height": HEIGHT,
        "nearest": NEAREST,
        "step": STEP,
        "gaps": {"wide": WIDE.gap, "narrow": NARROW.gap},
        "spread": found.spread.tolist(),
    }
    marks = dots(found, here.theirs.loaded.model.catalogue, view.apply(unit), here.theirs.loaded.model.scale.loved, star)
    return here.page("map.html", dots=marks, view=view, star=star, n_mine=len(found.mine), **content)


def dots(found: BookMap, books: Books, place: Floats, loved: float, star: list[float] | None) -> list[Dot]:
    """The books in sight; the person's own come last, so that they lie on top."""
    stars = dict(zip(found.mine.tolist(), found.stars.tolist(), strict=True))
    inside = np.all((place >= 0) & (place <= [WIDTH, HEIGHT]), axis=1).tolist()
    order = [i for i in in_turn(found) if inside[i]]
    titles = [short_title(books.title(int(b))) for b in found.book_index]
    free_of = [place[i].tolist() for i in order if i in stars] + ([star] if star else [])
    wide, narrow = (_labels(titles, place, order, free_of, lettering) for lettering in (WIDE, NARROW))
    made = []
    for i in reversed(order):
        kind: Literal["loved", "less", "other"] = "other" if i not in stars else "loved" if stars[i] >= loved else "less"
        book, (x, y) = int(found.book_index[i]), place[i].tolist()
        about = (books.ids.id_of(book), books.title(book), round(x, 1), round(y, 1))
        made.append(Dot(*about, kind, stars.get(i), wide.get(i), narrow.get(i)))
    return made


def _unit(found: BookMap) -> tuple[Floats, Floats | None]:
    """Places, and the middle of the loved books, as shares of the map, up being up."""
    least, span = found.place.min(axis=0), np.maximum(np.ptp(found.place, axis=0), 1e-9)
    margin = np.array([MARGIN / WIDTH, MARGIN / HEIGHT])

    def unit(place: Floats) -> Floats:
        shares = (place - least) / span
        shares[:, 1] = 1 - shares[:, 1]
        return np.asarray(margin + shares * (1 - 2 * margin))

    return unit(found.place), None if found.here is None else unit(found.here[None])[0]


def _labels(
    titles: list[str], place: Floats, order: list[int], free_of: list[list[float]], lettering: Lettering
) -> dict[int, Side]:
    """Which titles are written and on which side of their dots: each only where it covers no other, nor a marked place."""
    dot = lettering.gap - APART - 1
    room = Room((0, 0, WIDTH, HEIGHT), [(x - dot, y - dot, x + dot, y + dot) for x, y in free_of])
    placed: dict[int, Side] = {}
    for i in order:
        if len(placed) == lettering.most:
            break
        for side, box in _sides(place[i].tolist(), titles[i], lettering):
            if room.take(box):
                placed[i] = side
                break
    return placed


def _sides(point: list[float], title: str, lettering: Lettering) -> Iterator[tuple[Side, Box]]:
    """The two places where a title can stand, with what they take up."""
    (x, y), length, half = point, len(title) * lettering.letter, (lettering.size + APART) / 2
    sides: tuple[tuple[Side, float], ...] = (("right", x + lettering.gap), ("left", x - lettering.gap - length))
    for side, left in sides:
        yield side, (left - APART, y - half, left + length + APART, y + half)
