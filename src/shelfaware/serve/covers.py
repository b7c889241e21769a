"""Covers that are drawn, not fetched: a title on a colour."""

from __future__ import annotations

import re
import zlib
from html import escape

from shelfaware.data.books import Books

COLOURS = (
    *("#5b4a4a", "#6b4f3a", "#4f5b3a", "#3f5a4a", "#35585a", "#3d5068"),
    *("#4a4a6b", "#5d4567", "#6b4258", "#70463f", "#5a5a52", "#46525c"),
)
"""Twelve muted ones, on which PAPER reads well (contrast 6 or more)."""
PAPER = "#f4efe6"
WIDTH, HEIGHT, MARGIN = 200, 300, 20
SERIF = "Iowan Old Style, Palatino Linotype, Palatino, Georgia, serif"

SIZES = ((26, 5), (22, 6), (18, 8), (14, 10))
"""Sizes of the title and how many lines each has room for, the largest first."""
LETTER = 0.54
"""Mean width of a serif letter, in sizes."""

NO_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""Characters that no XML may hold, even escaped."""


def cover(books: Books, index: int) -> str:
    """The SVG of a book's cover, 2:3. Titles and names are text, whatever is in them."""
    work = books.table["work_id"][index] or f"book {books.ids.id_of(index)}"
    colour = COLOURS[zlib.crc32(work.encode()) % len(COLOURS)]
    size, lines = fitted(NO_XML.sub(" ", books.title(index)))
    author = NO_XML.sub(" ", next(iter(books.authors(index)), ""))
    top = 56 + size * 0.4
    title = "".join(
        f'<text x="{MARGIN}" y="{top + 1.2 * size * i:.0f}" font-size="{size}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{colour}"/>'
        f'<rect x="0" width="8" height="{HEIGHT}" fill="#000000" fill-opacity="0.18"/>'
        f'<rect x="{MARGIN}" y="32" width="32" height="2" fill="{PAPER}" fill-opacity="0.7"/>'
        f'<g fill="{PAPER}" font-family="{SERIF}">{title}</g>'
        f'<text x="{MARGIN}" y="{HEIGHT - 24}" font-size="13" fill="{PAPER}" font-family="system-ui, sans-serif">'
        f"{escape(_cut(author, 22))}</text></svg>\n"
    )


def fitted(title: str) -> tuple[int, list[str]]:
    """The largest size at which the title fits with every word whole, and its lines; at the smallest it is broken and cut."""
    longest = max(map(len, title.split()), default=0)
    for size, most in SIZES:
        width = int((WIDTH - 2 * MARGIN) / (LETTER * size))
        lines = wrapped(title, width)
        if len(lines) <= most and longest <= width:
            break
    return size, lines if len(lines) <= most else [*lines[: most - 1], _cut(f"{lines[most - 1]}…", width)]


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` letters, broken between words; a word that is longer is broken where it must be."""
    lines: list[str] = []
    for word in text.split() or [""]:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines += [word[i : i + width] for i in range(0, len(word), width)] or [""]
    return lines


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"
