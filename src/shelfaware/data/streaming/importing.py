"""Importing what does not fit in memory: files to sorted runs, runs to clean tables, clean tables to a dataset folder.

It gives what the importer of small tables (`importers.py`) gives, to the last bit, in memory that does not grow with the rows:
only the ids, how often each was read, and the table of books are held whole. Killed, it goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from shelfaware.arrays import Indices, Mask
from shelfaware.data import part_writer
from shelfaware.data.about import ABOUT, About
from shelfaware.data.ahead import ahead
from shelfaware.data.books import Books
from shelfaware.data.cleaning import NO_CLEANING, Cleaning
from shelfaware.data.editions import Titles, editions, told_apart, works_of
from shelfaware.data.folder import refuse_foreign, translated_disk_errors
from shelfaware.data.ids import IdMap
from shelfaware.data.importers import InputFiles
from shelfaware.data.interactions import Scale
from shelfaware.data.part_writer import Origin, PartWriter
from shelfaware.data.reading import GZIP, PARQUET
from shelfaware.data.report import Drop, ImportReport, nothing_left
from shelfaware.data.streaming.blocks import Source, blocks_of, open_source
from shelfaware.data.streaming.part_cleaning import Cleaned, Cleaner, cut, in_order
from shelfaware.data.streaming.read_ids import Slices, conform, counted
from shelfaware.data.streaming.runs import Reading, read_runs
from shelfaware.data.streaming.workshop import Workshop
from shelfaware.data.table import Sheet
from shelfaware.data.watching import Watch, silent
from shelfaware.errors import DataError

STREAM_FROM = 2**28
"""Bytes of text from which files are streamed: of more, the importer of small tables would take some 4 GiB of memory."""
PARTS_AT_ONCE = 2
"""Parts that are cleaned side by side: each takes some 0.3 GB."""
UNPACKED = {GZIP: 8, PARQUET[:2]: 4}
"""About how many bytes of text a byte of such a file, known by its first two, stands for."""


def is_large(paths: Sequence[Path]) -> bool:
    """Whether files are better streamed."""
    size = 0
    for path in paths:
        if path.is_file():
            with path.open("rb") as file:
                size += path.stat().st_size * UNPACKED.get(file.read(2), 1)
    return size >= STREAM_FROM


@dataclass(frozen=True)
class Manner:
    """How: `scale` is the dialect's own unless given; so many bad lines are left out before the import is given up."""

    cleaning: Cleaning = NO_CLEANING
    scale: Scale | None = None
    max_bad_lines: int = 0


AS_IT_IS = Manner()


def stream(files: InputFiles, out: Path, manner: Manner = AS_IT_IS, watch: Watch = silent) -> About:
    """Imports files into the dataset folder `out`. Raises DataError that names file, line and value of what is wrong."""
    out = out.absolute()
    refuse_foreign(out, owns=ABOUT)
    opened = [open_source(path, files.dialects) for path in files.ratings]
    ratings, titles = told_apart(opened, [source.dialect for source in opened])
    titles = open_source(files.titles, files.title_dialects) if files.titles else titles
    reading = Reading(ratings, manner.scale or ratings[0].dialect.scale, manner.max_bad_lines, files.prepare)
    with translated_disk_errors(out), Workshop.at(out) as shop:
        shop.resume(files.paths, repr((ratings, reading.scale, manner.max_bad_lines)), repr(manner.cleaning))
        tally = read_runs(reading, shop, watch)
        left = _Left(files.source, tally.drops(ratings), tally.rows)
        left.check()
        known = Titles(_sheet(titles)) if titles else None
        cleaner = _cleaner(shop, manner.cleaning, known)
        names, cleaned = _clean(shop, cleaner, reading.place_names, watch)
        left = replace(left, drops=[*left.drops, *cleaned.drops(manner.cleaning)], rows=cleaned.rows)
        left.check()
        return _Writing(cleaner, cleaned, reading.scale, left).to(out, shop, names, known, watch)


@dataclass(frozen=True)
class _Left:
    """What is left of the files, and what is not."""

    source: str
    drops: Sequence[Drop]
    rows: int

    def check(self) -> None:
        if not self.rows:
            raise nothing_left(self.source, self.drops)


def _sheet(source: Source) -> Sheet:
    """A table of books, read by the block so that only the columns in use are ever held."""
    sheets = [Sheet.of(block.file(), source.dialect, source.columns) for block in blocks_of(source, source.start)]
    if not sheets:
        raise DataError(f"{source.name} has no rows")
    return Sheet(source.dialect, pl.concat([sheet.rows for sheet in sheets]))


def _cleaner(shop: Workshop, cleaning: Cleaning, titles: Titles | None) -> Cleaner:
    users, books = counted(shop, "user"), counted(shop, "book")
    conform(shop, {"user_id": users.ids.ids.dtype, "book_id": books.ids.ids.dtype})
    edition = np.arange(len(books.ids), dtype=np.int32)
    if cleaning.merge_editions:
        edition = editions(books.ids, books.rows, works_of(titles))
    return Cleaner(users, books, edition, cleaning)


def _clean(shop: Workshop, cleaner: Cleaner, places: Sequence[str], watch: Watch) -> tuple[list[str], Cleaned]:
    """The names of the clean tables, and what is left in them."""
    slices, cleaning = Slices.of(shop, cleaner.users, part_writer.PART_ROWS), cleaner.cleaning
    names, cleaned = [f"cleaned-{i:05d}" for i in range(len(slices))], cleaner.nothing()
    workers = ThreadPoolExecutor(PARTS_AT_ONCE)
    try:
        made = workers.map(lambda i: _made(shop, names[i], partial(_part, cleaner, slices, i)), range(len(names)))
        for i, name in enumerate(names):
            next(made)
            _count(shop, name, cleaned, places)
            watch("cleaning", (i + 1) / len(names), slices.n_rows(i))
    finally:
        workers.shutdown(cancel_futures=True)
    if not (cleaning.max_users or cleaning.max_books):
        return names, cleaned
    first = replace(cleaner.nothing(), left=cleaned.left)
    for name in names:
        _made(shop, f"{name}-cut", partial(cut, shop.scan(name), cleaned, cleaning))
        _count(shop, f"{name}-cut", first, places)
    return [f"{name}-cut" for name in names], first


def _part(cleaner: Cleaner, slices: Slices, i: int) -> tuple[pl.DataFrame, list[Drop]]:
    return cleaner.part(slices.rows(i))


def _made(shop: Workshop, name: str, make: Callable[[], tuple[pl.DataFrame, list[Drop]]]) -> None:
    """Makes a clean table, unless it was made before the import was killed."""
    if not shop.has(name):
        rows, drops = make()
        shop.keep(name, rows, {"drops": [asdict(drop) for drop in drops]})


def _count(shop: Workshop, name: str, cleaned: Cleaned, places: Sequence[str]) -> None:
    """Adds up what is in a clean table."""
    cleaned.add(shop.scan(name).select("user", "book").collect(), [Drop(**one) for one in shop.facts(name)["drops"]], places)


@dataclass(frozen=True)
class _Writing:
    """What is clean, on its way into a dataset folder."""

    cleaner: Cleaner
    cleaned: Cleaned
    scale: Scale
    left: _Left

    def to(self, out: Path, shop: Workshop, names: Sequence[str], titles: Titles | None, watch: Watch) -> About:
        users = IdMap(_kept(self.cleaner.users.ids, self.cleaned.user), "user")
        book_ids = _kept(self.cleaner.books.ids, self.cleaned.book)
        books = titles.books(book_ids).with_ids(book_ids) if titles else Books.of_ids(IdMap(book_ids, "book"))
        writer, done = PartWriter(shop.emptied("parts")), 0
        user, book = _places(self.cleaner.users.ids, users), _places(self.cleaner.books.ids, books.ids)
        for rows in ahead(in_order([shop.scan(name) for name in names], user, book, writer.full)):
            writer.add(rows)
            done += len(rows)
            watch("writing", done / self.left.rows, done)
        report = partial(self._report, len(users), len(books))
        return writer.finish(out, users, books, Origin(self.left.source, self.scale, report=report))

    def _report(self, n_users: int, n_books: int, n_ratings: int) -> ImportReport:
        kept, drops = self.left.rows, tuple(self.left.drops)
        return ImportReport(
            source=self.left.source,
            rows_read=kept + sum(drop.rows for drop in drops),
            drops=drops,
            rows_kept=kept,
            n_users=n_users,
            n_books=n_books,
            n_ratings=n_ratings,
        )


def _kept(ids: IdMap, kept: Mask) -> pl.Series:
    return ids.ids.filter(pl.Series(kept))


def _places(read: IdMap, kept: IdMap) -> Indices:
    """The index among those kept of each id that was read [n], -1 of the others."""
    return kept.find(read.ids)
