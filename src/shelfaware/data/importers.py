"""The public face of importing: files in, interactions and a report of what was read, dropped and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from shelfaware.data.books import Books
from shelfaware.data.cleaning import Cleaning, clean
from shelfaware.data.dialects import BOOKS, Dialect
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Interactions, Scale
from shelfaware.data.matrices import read_matrices
from shelfaware.data.report import Drop, ImportReport
from shelfaware.data.table import checked, open_sheet
from shelfaware.data.titles import books_of
from shelfaware.data.ucsd import read_ucsd, read_ucsd_books
from shelfaware.errors import DataError

Imported = tuple[Interactions, ImportReport]

NO_CLEANING = Cleaning()


def import_table(
    paths: Sequence[Path], dialects: Sequence[Dialect], cleaning: Cleaning = NO_CLEANING, scale: Scale | None = None
) -> Imported:
    """Tables in any of `dialects` (see `dialects.FORMATS`), with at most one table of books among them.

    `scale` is the dialect's own unless given. Raises DataError that names file, line and value of what is wrong.
    """
    sheets = [open_sheet(path, dialects) for path in paths]
    ratings = [sheet for sheet in sheets if sheet.dialect != BOOKS]
    titles = [sheet for sheet in sheets if sheet.dialect == BOOKS]
    if not ratings or len(titles) > 1:
        raise DataError("name at least one table of ratings and at most one of books")
    find_titles = partial(books_of, titles[0]) if titles else None
    return _finish(checked(ratings), cleaning, scale or ratings[0].dialect.scale, _names(paths), find_titles)


def import_ucsd(
    paths: Sequence[Path], books: Path | None = None, cleaning: Cleaning = NO_CLEANING, scale: Scale | None = None
) -> Imported:
    """Dumps of the UCSD Book Graph; `books` is its `goodreads_books.json.gz`, for titles and works."""
    find_titles = partial(read_ucsd_books, books) if books else None
    return _finish(read_ucsd(paths), cleaning, scale or Scale(), _names(paths), find_titles)


def import_matrices(
    ratings: Path, read: Path | None = None, shelved: Path | None = None, scale: Scale | None = None
) -> Imported:
    """The notebook's matrices, with every user and book of them, also those without a cell."""
    rows, (n_users, n_books) = read_matrices(ratings, read, shelved)
    if not len(rows):
        raise DataError(f"{ratings.name} has no rows")
    users, books = (IdMap(pl.int_range(n, eager=True), kind) for n, kind in ((n_users, "user"), (n_books, "book")))
    source = _names([path for path in (ratings, read, shelved) if path is not None])
    data = Interactions.from_frame(rows, users=users, books=Books.of_ids(books), scale=scale or Scale(), source=source)
    return data, _report(data, [])


def _finish(
    read: tuple[pl.DataFrame, list[Drop]],
    cleaning: Cleaning,
    scale: Scale,
    source: str,
    find_titles: Callable[[pl.Series], Books] | None,
) -> Imported:
    rows, drops = read
    kept, dropped = clean(rows, cleaning, scale)
    drops = [*drops, *dropped]
    if not len(kept):
        reasons = "; ".join(f"{drop.rows:,} {drop.reason}" for drop in drops)
        raise DataError(f"nothing is left of {source}: {reasons}")
    books = find_titles(kept["book_id"].unique()) if find_titles else None
    data = Interactions.from_frame(kept, books=books, scale=scale, source=source)
    return data, _report(data, drops)


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _report(data: Interactions, drops: Sequence[Drop]) -> ImportReport:
    return ImportReport(
        source=data.source,
        rows_read=len(data) + sum(drop.rows for drop in drops),
        drops=tuple(drops),
        rows_kept=len(data),
        n_users=data.n_users,
        n_books=data.n_books,
        n_ratings=data.n_ratings,
    )
