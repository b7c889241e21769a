"""The public face of importing: files in, interactions and a report of what was read, dropped and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shelfaware.data.books import Books
from shelfaware.data.cleaning import NO_CLEANING, Cleaning, clean
from shelfaware.data.dialects import Dialect
from shelfaware.data.editions import Titles, merged, told_apart, works_of
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Interactions, Scale
from shelfaware.data.matrices import read_matrices
from shelfaware.data.report import Drop, ImportReport, nothing_left
from shelfaware.data.table import Sheet, checked, open_sheet
from shelfaware.data.ucsd import INTERACTIONS, TITLES, with_one_time
from shelfaware.errors import DataError

Imported = tuple[Interactions, ImportReport]


@dataclass(frozen=True)
class InputFiles:
    """What is imported: ratings in any of `dialects`, with a table of books among them or, in `title_dialects`, beside them."""

    ratings: Sequence[Path]
    dialects: Sequence[Dialect]
    titles: Path | None = None
    title_dialects: Sequence[Dialect] = ()
    prepare: Callable[[Sheet], Sheet] | None = None

    @property
    def source(self) -> str:
        return ", ".join(path.name for path in self.ratings)

    @property
    def paths(self) -> list[Path]:
        return [*self.ratings, *([self.titles] if self.titles else [])]


def ucsd_files(paths: Sequence[Path], books: Path | None = None) -> InputFiles:
    """Dumps of the UCSD Book Graph; `books` is its `goodreads_books.json.gz`, for titles and works."""
    return InputFiles(paths, [INTERACTIONS], books, [TITLES], with_one_time)


def import_files(files: InputFiles, cleaning: Cleaning = NO_CLEANING, scale: Scale | None = None) -> Imported:
    """Raises DataError that names file, line and value of what is wrong. `scale` is the dialect's own unless given."""
    sheets = [open_sheet(path, files.dialects) for path in files.ratings]
    ratings, titles = told_apart(sheets, [sheet.dialect for sheet in sheets])
    titles = open_sheet(files.titles, files.title_dialects) if files.titles else titles
    rows = checked([files.prepare(sheet) if files.prepare else sheet for sheet in ratings])
    return _finish(rows, cleaning, scale or ratings[0].dialect.scale, files.source, Titles(titles) if titles else None)


def import_table(
    paths: Sequence[Path], dialects: Sequence[Dialect], cleaning: Cleaning = NO_CLEANING, scale: Scale | None = None
) -> Imported:
    """Tables in any of `dialects` (see `dialects.FORMATS`), with at most one table of books among them."""
    return import_files(InputFiles(paths, dialects), cleaning, scale)


def import_ucsd(
    paths: Sequence[Path], books: Path | None = None, cleaning: Cleaning = NO_CLEANING, scale: Scale | None = None
) -> Imported:
    """Dumps of the UCSD Book Graph, as `ucsd_files` takes them."""
    return import_files(ucsd_files(paths, books), cleaning, scale)


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
    read: tuple[pl.DataFrame, list[Drop]], cleaning: Cleaning, scale: Scale, source: str, titles: Titles | None
) -> Imported:
    rows, drops = read
    if cleaning.merge_editions:
        rows = merged(rows, works_of(titles))
    kept, dropped = clean(rows, cleaning, scale)
    drops = [*drops, *dropped]
    if not len(kept):
        raise nothing_left(source, drops)
    books = titles.books(kept["book_id"].unique()) if titles else None
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
