"""A person's own list of books, from any service or by hand: every row of it, what is kept of it, or why not."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from shelfaware.errors import DataError
from shelfaware.library.formats import Cells, Layout, recognise
from shelfaware.library.names import plain
from shelfaware.library.reading import read_file, shown, text_of
from shelfaware.library.records import Record, read_table
from shelfaware.library.rows import Export, Row, State
from shelfaware.library.values import Scale, filed_under, goodreads_id_of, isbns_of, number_of, told_scale

LONGEST = 5_000
"""Characters of a value that is kept; a longer one is a review that slipped into the column of another."""
LONGEST_SHOWN = 20
"""Characters of a value that a reason repeats; a longer one may be somebody's private words."""

Draft = Row | tuple[int, Cells[str]]
"""A row that is already out, or the line and the cells of one that is still in."""


def read_export(path: Path, scale: Scale | None = None) -> Export:
    """A person's list from a file, plain or gzipped. Raises DataError in one sentence for what is no such list.

    `scale` (lowest, highest) replaces that of the format.
    """
    return parse_export(read_file(path), path.name, scale)


def parse_export(raw: bytes, name: str, scale: Scale | None = None) -> Export:
    """The same from bytes; `name` is only repeated in what is said, and never opened."""
    if scale and not scale[0] < scale[1]:
        raise DataError(f"a scale goes from its lowest to its highest stars, not from {scale[0]:g} to {scale[1]:g}")
    name = shown(name)
    header, records = read_table(text_of(raw, name), name)
    layout = recognise(header, name)
    drafts = _drafts(header, records, layout)
    if not drafts:
        raise DataError(f"{name} lists no books: there is nothing below its first line")
    scale = scale or layout.format.scale or told_scale(one[1].stars for one in drafts if not isinstance(one, Row))
    judge = Judge(layout, scale)
    return Export(name, layout.format.name, scale, tuple(one if isinstance(one, Row) else judge.row(*one) for one in drafts))


def _drafts(header: list[str], records: Iterable[Record], layout: Layout) -> list[Draft]:
    """The cells of each record; the rest of it, reviews and notes, is let go before the next is read."""
    picked, drafts = layout.picker(), []
    for line, values, fault in records:
        draft: Draft
        if fault:
            draft = Row(line, outcome="rejected", reason=fault)
        elif values == header:
            draft = Row(line, outcome="skipped", reason="the header stands here again")
        else:
            draft = line, picked(values)
        drafts.append(draft)
    return drafts


class Judge:
    """Makes rows of cells. Authors and shelves come again and again in one file: each is understood once."""

    def __init__(self, layout: Layout, scale: Scale) -> None:
        self.scale, self.format, self.shelved = scale, layout.format, layout.positions.state >= 0
        self.authors = cache(layout.authors)
        self.filed = cache(lambda text: filed_under(text, layout.format))

    def row(self, line: int, cells: Cells[str]) -> Row:
        if (longest := max(map(len, cells))) > LONGEST:
            reason = f"a value of {longest:,} characters stands where a short one belongs"
            return Row(line, outcome="rejected", reason=reason)
        title, book_id, goodreads_id = plain(cells.title), plain(cells.book_id), goodreads_id_of(cells.goodreads_id)
        isbns = isbns_of(cells.isbn13, cells.isbn)
        if not (title or book_id or goodreads_id or isbns):
            return Row(line, outcome="skipped", reason="it names no book: no title, no id, no ISBN")
        stars = number_of(cells.stars) or None
        named = line, title, self.authors(cells.author, cells.others), book_id, goodreads_id, isbns
        state, shelf = self._state(cells, stars is not None)
        if reason := _fault(cells.stars.strip(), stars, self.scale):
            return Row(*named, None, state, shelf, "rejected", reason)
        return Row(*named, stars, state, shelf)

    def _state(self, cells: Cells[str], rated: bool) -> tuple[State, str]:
        """A file that says nothing of a book with stars or a date still says that it was read."""
        read = rated or bool(cells.read_at.strip())
        if read and self.format.read_wins:
            return "read", ""
        return self.filed(cells.state) or ("read" if read else "" if self.shelved else self.format.unstated, "")


def _fault(text: str, stars: float | None, scale: Scale) -> str:
    """Why a rating is none, or "". Empty and 0 say unrated, on every scale."""
    if stars is None:
        unrated = not text or number_of(text) == 0
        return "" if unrated else f"{_named(text)} is not a number"
    return "" if scale[0] <= stars <= scale[1] else f"{_named(text)} is outside {scale[0]:g} to {scale[1]:g}"


def _named(text: str) -> str:
    return f"rating {plain(text)!r}" if len(text) <= LONGEST_SHOWN else "the rating"
