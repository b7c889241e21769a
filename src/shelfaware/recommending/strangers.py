"""A stranger's ratings from a small table: book_id or title, and rating. Books that the model does not know are listed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from shelfaware.data.books import Books
from shelfaware.data.dialects import Dialect
from shelfaware.data.ids import Id
from shelfaware.data.report import refuse
from shelfaware.data.table import NUMBER, open_sheet
from shelfaware.errors import DataError, UnknownIdError
from shelfaware.models.base import Model
from shelfaware.models.readers import Readers

BOOKS = {"book_id": ("bookid", "book", "itemid", "item"), "title": ("title",)}
RATINGS = tuple(
    Dialect("ratings", {**BOOKS, "stars": ("rating", "stars", "myrating")}, needs=(book, "stars"), separators=(",", ";", "\t"))
    for book in BOOKS
)


@dataclass(frozen=True)
class Unmatched:
    """A row whose book is not in the model's catalogue, or not one book of it; why, and what it may have meant."""

    line: int
    book: str
    reason: str
    suggestions: list[str]


def read_stranger(path: Path, model: Model) -> tuple[Readers, list[Unmatched]]:
    """One reader from a file of ratings. Raises DataError that names the line of the first rating that is no rating."""
    rows = open_sheet(path, RATINGS).rows.with_columns(pl.col(pl.String).str.strip_chars())
    refuse(rows, ~pl.col("stars").str.contains(NUMBER).fill_null(False), "rating {stars!r:.40} is not a number")
    rows = rows.with_columns(pl.col("stars").cast(pl.Float64))
    scale = model.scale
    on_scale = pl.Series(scale.holds(rows["stars"].to_numpy()))
    words = f"{scale.min:g} to {scale.max:g} by {scale.step:g}"
    refuse(rows, ~pl.lit(on_scale), f"rating {{stars:g}} is not on the scale {words}")
    ratings: dict[Id, float] = {}
    lines: dict[Id, int] = {}
    unmatched = []
    for row in rows.to_dicts():
        try:
            book = _find(model.catalogue, row)
        except UnknownIdError as error:
            named = str(row.get("title") or row.get("book_id") or "")
            unmatched.append(Unmatched(row["line"], named, str(error), model.catalogue.nearest_titles(named) if named else []))
            continue
        if ratings.setdefault(book, row["stars"]) != row["stars"]:
            raise DataError(f"{path.name}, lines {lines[book]} and {row['line']}: one book has two different ratings")
        lines.setdefault(book, row["line"])
    return Readers.stranger(model.catalogue, model.scale, ratings), unmatched


def _find(books: Books, row: dict[str, str | None]) -> Id:
    """The id of a row's book: by its id where that is known, else by its title."""
    book, title = row.get("book_id"), row.get("title")
    index = int(books.ids.find([book])[0]) if book else -1
    if index < 0:
        if not (title or book):
            raise UnknownIdError("it names no book")
        index = books.index_of_title(title or book or "")
    return books.ids.id_of(index)


def unmatched_rows(unmatched: list[Unmatched]) -> list[dict[str, object]]:
    """As plain JSON."""
    return [{"line": one.line, "book": one.book, "reason": one.reason, "suggestions": one.suggestions} for one in unmatched]


def known_share(reader: Readers, unmatched: list[Unmatched]) -> str:
    """How many of their books the model knows, in words."""
    known = int(np.diff(reader.indptr)[0])
    return f"We know {known:,} of your {known + len(unmatched):,} books."
