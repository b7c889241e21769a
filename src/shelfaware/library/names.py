"""Titles and authors as people and services write them, made plain."""

from __future__ import annotations

import re

from shelfaware.data.spreadsheet import restored

CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], " ")
"""Control characters; what is left of the categories of no letter is for who shows it."""

ROLE = re.compile(r"\s*\([^()]*\)$")
JOINED = re.compile(r"\s*(?:;|\||&|\band\b)\s*")
TAILS = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "md"})
"""What follows a comma and is no author of its own."""


def plain(text: str) -> str:
    """Without a spreadsheet's guard, control characters and runs of spaces."""
    if not text:
        return ""
    text = restored(text)
    return " ".join((text if text.isprintable() else text.translate(CONTROLS)).split())


def turned(name: str) -> str:
    """`Le Guin, Ursula K.` as `Ursula K. Le Guin`; `King, Martin Luther, Jr.` keeps its tail."""
    last, _, rest = name.partition(",")
    first, _, tail = rest.partition(",")
    return plain(f"{first} {last} {tail}")


def listed(text: str, separator: str = ",") -> tuple[str, ...]:
    """The names between separators; a tail such as `Jr.` stays with its name."""
    names: list[str] = []
    for piece in map(plain, text.split(separator)):
        if names and piece.casefold().rstrip(".") in TAILS:
            names[-1] += f", {piece}"
        elif piece:
            names.append(piece)
    return tuple(names)


def credited(text: str, _others: str) -> tuple[str, ...]:
    """Hardcover: `Ann Leckie, Adjoa Andoh (Narrator)`. Those without a role wrote it; if all have one, all are kept."""
    names = listed(text)
    authors = [name for name in names if not ROLE.search(name)]
    return _distinct(*(authors or [ROLE.sub("", name) for name in names]))


def first_and_others(author: str, others: str) -> tuple[str, ...]:
    """Goodreads: one author, and the additional ones in a list."""
    return _distinct(plain(author), *listed(others))


def sorted_and_others(author: str, others: str) -> tuple[str, ...]:
    """Goodreads without its column Author, of which `Author l-f` is left."""
    return _distinct(turned(author), *listed(others))


def last_first(author: str, others: str) -> tuple[str, ...]:
    """LibraryThing: every name with its last name first; others between `|`."""
    return _distinct(turned(author), *map(turned, others.split("|")))


def commas(text: str, _others: str) -> tuple[str, ...]:
    """StoryGraph and BookWyrm."""
    return _distinct(*listed(text))


def bars(text: str, _others: str) -> tuple[str, ...]:
    """Open Library."""
    return _distinct(*listed(text, "|"))


def by_hand(text: str, _others: str) -> tuple[str, ...]:
    """However a person writes it: `;`, `|`, `&` and `and` join names; a comma joins two, or turns `Herbert, Frank`."""
    names: list[str] = []
    for piece in JOINED.split(plain(text)):
        last, comma, _ = piece.partition(",")
        names += [turned(piece)] if comma and " " not in last.strip() and piece.count(",") == 1 else listed(piece)
    return _distinct(*names)


def _distinct(*names: str) -> tuple[str, ...]:
    """In order, without empty and repeated ones."""
    return tuple(name for name in dict.fromkeys(names) if name)
