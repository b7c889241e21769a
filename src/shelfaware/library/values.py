"""Values of a list of books, each by a whitelist: what Python would read as a number and no person wrote is none."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shelfaware.data.dialects import fold
from shelfaware.library.formats import Format
from shelfaware.library.names import plain
from shelfaware.library.rows import State

Scale = tuple[float, float]

NUMBER = re.compile(r"-?(?:[0-9]{1,9}(?:[.,][0-9]{1,9})?|[.,][0-9]{1,9})")
WHOLE = re.compile(r"([1-9][0-9]{0,14})(?:\.0)?")
ISBN = re.compile(r"(?:97[89])?[0-9]{7,9}[0-9X]")
"""Of either length; up to two zeros may have been lost in front of the shorter."""
SHORTEST_ISBN = 8
MOST_ISBNS = 20
"""Of one column that are looked at: a book has an ISBN for each of its editions, a hostile cell has thousands."""
AROUND_ISBN = str.maketrans("", "", "=\"'[] -\u2010\u2011\xa0")

HAND_SCALES: tuple[Scale, ...] = ((1, 5), (1, 10), (0, 100))


def number_of(text: str) -> float | None:
    """A decimal number in the digits 0 to 9, with a point or a comma; None for anything else."""
    text = text.strip()
    return float(text.replace(",", ".")) if NUMBER.fullmatch(text) else None


def told_scale(texts: Iterable[str]) -> Scale:
    """The scale of a list by hand: the smallest that holds its largest rating. What no scale holds does not count."""
    most = max((n for n in map(number_of, texts) if n and n <= HAND_SCALES[-1][1]), default=0.0)
    return next(scale for scale in HAND_SCALES if most <= scale[1])


def goodreads_id_of(text: str) -> str:
    found = WHOLE.fullmatch(text.strip())
    return found[1] if found else ""


def isbns_of(*texts: str) -> tuple[str, ...]:
    """The digits of what may be ISBNs: `="0439023483"`, `[0596101996]`, `2070291340, 9782070291342`; of one book once.

    Nine digits, all but prefix and check digit, are common to an ISBN-10 and its ISBN-13. Check digits are not judged here.
    """
    found: dict[str, str] = {}
    for text in texts:
        if len(text) < SHORTEST_ISBN:
            continue
        for piece in text.replace(";", ",").split(",", MOST_ISBNS)[:MOST_ISBNS]:
            digits = piece.translate(AROUND_ISBN).removesuffix(".0").upper()
            if ISBN.fullmatch(digits) and digits.strip("0"):
                found.setdefault(digits.zfill(10)[-10:-1], digits.zfill(10))
    return tuple(found.values())


def filed_under(text: str, form: Format) -> tuple[State, str] | None:
    """The state that a file names, and the name of a shelf of the person's own; a word of the service wins over such names."""
    words = [word for word in map(plain, text.split(",") if form.listed else [text]) if word]
    known = [form.states[fold(word)] for word in words if fold(word) in form.states]
    if words:
        return (known[0], "") if known else ("other", words[0])
    return None
