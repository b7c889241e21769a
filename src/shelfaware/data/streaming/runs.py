"""Runs: what was read of files so far, as tables on the disk, each sorted by user, so that any users' rows are few slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from shelfaware.data.cleaning import check_scale
from shelfaware.data.ids import CANONICAL_NUMBER, LARGEST_ID
from shelfaware.data.interactions import SHELVES, Scale
from shelfaware.data.report import Drop
from shelfaware.data.streaming.blocks import Block, Place, Source, blocks_of
from shelfaware.data.streaming.typed import short_way
from shelfaware.data.streaming.workshop import Workshop
from shelfaware.data.table import NOTHING_SAID, OTHER_SHELF, Sheet, values
from shelfaware.data.watching import Watch
from shelfaware.errors import DataError

RUN_ROWS = 4_000_000
IDS = ("user_id", "book_id")
UNREADABLE = "line that cannot be read"
REASONS = (UNREADABLE, OTHER_SHELF, NOTHING_SAID)


@dataclass(frozen=True)
class Reading:
    """How files are read. `prepare` is done to every sheet of text; so many lines of all files may be bad and left out."""

    sources: Sequence[Source]
    scale: Scale
    max_bad_lines: int = 0
    prepare: Callable[[Sheet], Sheet] | None = None

    @property
    def place_names(self) -> list[str]:
        return list(dict.fromkeys(source.place_name for source in self.sources))

    def sheet(self, block: Block) -> Sheet:
        sheet = Sheet.of(block.file(), block.source.dialect, block.source.columns)
        return self.prepare(sheet) if self.prepare else sheet


@dataclass
class Tally:
    """What left while files were read: rows and first place, by (file, reason); `rows` are those that stayed."""

    left: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    rows: int = 0

    def add(self, file: int, reason: str, rows: int, first: int) -> None:
        known = self.left.setdefault((file, reason), [0, first])
        known[0] += rows

    def bad_lines(self) -> int:
        return sum(rows for (_, reason), (rows, _) in self.left.items() if reason == UNREADABLE)

    def drops(self, sources: Sequence[Source]) -> list[Drop]:
        """Those of each file, in the order of `REASONS`."""
        left = sorted(self.left.items(), key=lambda one: (one[0][0], REASONS.index(one[0][1])))
        return [Drop(reason, rows, f"{sources[i].place_name} {first}") for (i, reason), (rows, first) in left]

    def to_json(self) -> dict[str, Any]:
        return {"rows": self.rows, "left": [[*key, *known] for key, known in self.left.items()]}

    @classmethod
    def of_json(cls, facts: dict[str, Any]) -> Tally:
        return cls({(file, reason): [rows, first] for file, reason, rows, first in facts["left"]}, facts["rows"])


def run_names(shop: Workshop) -> list[str]:
    """The finished runs, in the order of the files."""
    names: list[str] = []
    while shop.has(name := f"run-{len(names):05d}"):
        names.append(name)
    return names


def read_runs(reading: Reading, shop: Workshop, watch: Watch) -> Tally:
    """Reads what no finished run holds. A run has user_id, book_id, stars, shelf, line, place and time."""
    done = run_names(shop)
    facts: dict[str, Any] = {"tally": {"rows": 0, "left": []}, "file": 0, "place": None}
    facts = shop.facts(done[-1]) if done else facts
    tally, pending, n_pending = Tally.of_json(facts["tally"]), [], 0
    total = sum(source.path.stat().st_size for source in reading.sources)
    for number, block in _blocks(reading, facts["file"], facts["place"]):
        rows = _read(reading, number, block, tally)
        pending.append(rows)
        tally.rows, n_pending = tally.rows + len(rows), n_pending + len(rows)
        before = sum(source.path.stat().st_size for source in reading.sources[:number])
        watch("reading", (before + block.packed) / total, tally.rows)
        if n_pending >= RUN_ROWS:
            _keep(shop, pending, tally, number, block.after)
            pending, n_pending = [], 0
    if pending:
        _keep(shop, pending, tally, len(reading.sources), Place(0, 1))
    return tally


def _blocks(reading: Reading, start: int, place: list[int] | None) -> Iterator[tuple[int, Block]]:
    for number, source in enumerate(reading.sources):
        if number < start:
            continue
        here = Place(*place) if number == start and place else source.start
        rows_before = here != source.start
        for block in blocks_of(source, here):
            rows_before = True
            yield number, block
        if not rows_before:
            raise DataError(f"{source.name} has no rows")


def _keep(shop: Workshop, pending: list[pl.DataFrame], tally: Tally, file: int, place: Place) -> None:
    rows = _alike(pending)
    rows = rows if rows["user_id"].is_sorted() else rows.sort("user_id", maintain_order=True)
    facts = {"tally": tally.to_json(), "file": file, "place": [place.offset, place.first]}
    shop.keep(f"run-{len(run_names(shop)):05d}", rows, facts)


def _alike(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The frames as one: ids are numbers where those of every frame are."""
    text = [name for name in IDS if any(len(one) and one.schema[name] == pl.String for one in frames)]
    kinds = {name: pl.String if name in text else pl.Int64 for name in IDS}
    return pl.concat([frame.cast(kinds) for frame in frames])  # type: ignore[arg-type]


def _read(reading: Reading, number: int, block: Block, tally: Tally) -> pl.DataFrame:
    rows = short_way(block, reading.scale)
    if rows is None:
        rows = _careful_way(reading, number, block, tally)
    place = pl.lit(block.source.place_name).cast(pl.Enum(reading.place_names)).alias("place")
    return rows.select(*IDS, "stars", "shelf", pl.col("line").cast(pl.UInt32), place, "time")


def _careful_way(reading: Reading, number: int, block: Block, tally: Tally) -> pl.DataFrame:
    """Text as values, as the importer of small tables reads it. A bad row is found by halving the block."""
    if isinstance(block.content, bytes) and not block.content.strip():
        return _NOTHING
    try:
        sieve = values(reading.sheet(block))
        check_scale(sieve.rows, reading.scale)
    except DataError as error:
        if not reading.max_bad_lines:
            raise
        halves = block.halves()
        if len(halves) > 1:
            return _alike([_careful_way(reading, number, half, tally) for half in halves])
        tally.add(number, UNREADABLE, 1, block.first)
        if tally.bad_lines() > reading.max_bad_lines:
            raise DataError(f"{error} (bad lines before it, as many as were allowed: {reading.max_bad_lines:,})") from None
        return _NOTHING
    for drop in sieve.drops:
        tally.add(number, drop.reason, drop.rows, int(drop.example.rpartition(" ")[2]))
    return sieve.rows.select(*_COLUMNS).with_columns(_numbers(sieve.rows[name]) for name in IDS)


_COLUMNS = {
    "user_id": pl.Int64(),
    "book_id": pl.Int64(),
    "stars": pl.Float32(),
    "shelf": pl.Enum(SHELVES),
    "time": pl.Datetime("us"),
    "line": pl.Int64(),
}
_NOTHING = pl.DataFrame(schema=_COLUMNS)


def _numbers(ids: pl.Series) -> pl.Series:
    """Int64 where every id is a whole number that is kept exactly."""
    if not ids.str.contains(CANONICAL_NUMBER).all():
        return ids
    numbers = ids.cast(pl.Int64, strict=False)
    return ids if numbers.null_count() or (len(numbers) and int(numbers.max()) > LARGEST_ID) else numbers  # type: ignore[arg-type]
