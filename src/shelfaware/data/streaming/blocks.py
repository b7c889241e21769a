"""Files cut into blocks of whole rows, so that a table need not fit in memory; a block knows where in its file it stood."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl

from shelfaware.data.ahead import ahead
from shelfaware.data.dialects import Dialect
from shelfaware.data.reading import GZIP, PARQUET, Delimited, File, Frame, JsonLines, gzip_errors, refuse_bomb
from shelfaware.data.table import understood
from shelfaware.errors import DataError

BLOCK_BYTES, BLOCK_ROWS = 2**25, 2**20
"""Unpacked bytes of text, and rows of Parquet, that are read at once."""
LONGEST_ROW = 2**26
"""Bytes of the longest row with line ends in its values."""
HEAD_BYTES = 2**20
"""A file shows in its first megabyte what it is."""


@dataclass(frozen=True)
class Place:
    """Where a file can be read on: `offset` in unpacked bytes, or rows; `first`, the line or row that begins there."""

    offset: int
    first: int


@dataclass(frozen=True)
class Source:
    """A file, as its head tells it. `header` is its first line, empty where it has none; `start` is where its rows begin."""

    path: Path
    dialect: Dialect
    columns: dict[str, int]
    names: list[str]
    start: Place
    json: bool = False
    header: bytes = b""
    line_end: bytes = b"\n"

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def place_name(self) -> str:
        """What the numbers of its places follow."""
        return f"{self.name}, {'line' if self.is_text else 'row'}"

    @property
    def is_text(self) -> bool:
        return self.line_end != b""


@dataclass(frozen=True)
class Block:
    """Rows of a file. `first` is the line or row of the first; `after` where to read on; `packed` bytes are read from disk."""

    source: Source
    content: bytes | pl.DataFrame
    first: int
    after: Place
    packed: int = 0

    def file(self) -> File:
        source, before = self.source, self.first - 1
        if isinstance(self.content, pl.DataFrame):
            return Frame(source.name, self.content, before)
        if source.json:
            return JsonLines(source.name, self.content, before, source.header)
        return Delimited(source.name, source.header + self.content, before - _lines(source.header))

    def halves(self) -> list[Block]:
        """The block in two, or the block alone if it is one row."""
        if isinstance(self.content, pl.DataFrame):
            middle = len(self.content) // 2
            parts = [part for part in (self.content[:middle], self.content[middle:]) if len(part)]
            return [replace(self, content=part, first=self.first + i * middle) for i, part in enumerate(parts)]
        middle = _last_whole(self.content, len(self.content) // 2, self.source) or _first_whole(self.content, self.source)
        # Where a quote is opened and never closed, a row is a line.
        middle = middle or self.content.find(self.source.line_end) + 1 or len(self.content)
        head, tail = self.content[:middle], self.content[middle:]
        return [replace(self, content=head), replace(self, content=tail, first=self.first + _lines(head))] if tail else [self]


def open_source(path: Path, dialects: Sequence[Dialect]) -> Source:
    """Looks at the head of a file. Raises DataError as `table.open_sheet` does."""
    head = _head(path)
    if head.startswith(PARQUET):
        return _open_parquet(path, dialects)
    bom = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    if not head[bom:].strip():
        raise DataError(f"{path.name} is empty")
    if head.lstrip().startswith(b"{"):
        return _open_json(path, head, dialects)
    file = Delimited(path.name, head)
    dialect, columns = understood(file, dialects)
    line_end = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
    source = Source(path, dialect, columns, file.names(dialect), Place(bom, 1), line_end=line_end)
    if dialect.positions:
        return source
    blank = len(head[bom:]) - len(head[bom:].lstrip(b"\r\n"))
    end = bom + blank + (_first_whole(head[bom + blank :], source) or len(head))
    header = head[bom + blank : end]
    return replace(source, header=header, start=Place(end, 1 + _lines(head[:end])))


def _open_json(path: Path, head: bytes, dialects: Sequence[Dialect]) -> Source:
    file = JsonLines(path.name, head)
    dialect, columns = understood(file, dialects)
    header = head.lstrip().partition(b"\n")[0]
    return Source(path, dialect, columns, file.names(dialect), Place(0, 1), json=True, header=header)


def _open_parquet(path: Path, dialects: Sequence[Dialect]) -> Source:
    try:
        schema = pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError):
        raise DataError(f"{path.name} is a damaged Parquet file") from None
    frame = pl.DataFrame(schema=schema)
    dialect, columns = understood(Frame(path.name, frame), dialects)
    wanted = list({frame.columns[i]: 0 for i in columns.values()})
    places = {ours: wanted.index(frame.columns[i]) for ours, i in columns.items()}
    return Source(path, dialect, places, wanted, Place(0, 1), line_end=b"")


def blocks_of(source: Source, place: Place) -> Iterator[Block]:
    """The blocks of a file from `place` on, the next one being read while one is worked on."""
    return ahead(_text_blocks(source, place) if source.is_text else _parquet_blocks(source, place))


def _text_blocks(source: Source, place: Place) -> Iterator[Block]:
    rest = b""
    for piece, packed in _pieces(source.path, place.offset):
        content = rest + piece
        whole = _last_whole(content, len(content), source) if piece else len(content)
        if not whole and len(content) > LONGEST_ROW:
            # A quote is opened and never closed: its line is a block of its own, which the careful way will refuse.
            whole = content.find(source.line_end) + 1
        content, rest = content[:whole], content[whole:]
        after = Place(place.offset + whole, place.first + _lines(content))
        if content.strip():
            yield Block(source, content, place.first, after, packed)
        place = after
        if not whole and len(rest) > LONGEST_ROW:
            raise DataError(f"{source.name}, line {place.first}: the line never ends")


def _pieces(path: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    """The unpacked bytes of a file from `offset` on, and how many bytes of it are read; an empty piece is the end."""
    with _opened(path) as raw:
        packed, size = raw.read(2) == GZIP, path.stat().st_size
        raw.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
        with gzip_errors(path.name):
            stream.seek(offset)
            piece = b"."
            while piece:
                piece = stream.read(BLOCK_BYTES)
                if packed:
                    refuse_bomb(path.name, stream.tell(), size)
                yield piece, raw.tell()


def _parquet_blocks(source: Source, place: Place) -> Iterator[Block]:
    rows, size = pl.scan_parquet(source.path), source.path.stat().st_size
    try:
        n = rows.select(pl.len()).collect().item()
        for start in range(place.offset, n, BLOCK_ROWS):
            frame = rows.select(source.names).slice(start, BLOCK_ROWS).collect()
            stop = start + len(frame)
            yield Block(source, frame, start + 1, Place(stop, stop + 1), size * stop // n)
    except (pl.exceptions.PolarsError, OSError):
        raise DataError(f"{source.name} is a damaged Parquet file") from None


def _head(path: Path) -> bytes:
    with _opened(path) as raw:
        start = raw.read(HEAD_BYTES)
        if not start.startswith(GZIP):
            return start
        raw.seek(0)
        with gzip_errors(path.name):
            return gzip.GzipFile(fileobj=raw).read(HEAD_BYTES)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _lines(content: bytes) -> int:
    """How many lines end in `content`, by any of the three line ends."""
    lines = content.count(b"\n")
    return lines + content.count(b"\r") - content.count(b"\r\n") if b"\r" in content else lines


def _last_whole(content: bytes, stop: int, source: Source) -> int:
    """Where the last row that ends before `stop` ends, 0 if none does: at a line end that no quoted value holds."""
    quotes = content.count(b'"', 0, stop) if source.dialect.quoted and not source.json else 0
    while stop:
        line_end = content.rfind(source.line_end, 0, stop) + 1
        quotes -= content.count(b'"', line_end, stop) if quotes else 0
        if quotes % 2 == 0:
            return line_end
        stop = line_end - 1 if line_end else 0
    return 0


def _first_whole(content: bytes, source: Source) -> int:
    """Where the first row ends, 0 if it does not."""
    quoted, stop = source.dialect.quoted and not source.json, -1
    while (stop := content.find(source.line_end, stop + 1)) >= 0:
        if not quoted or content.count(b'"', 0, stop) % 2 == 0:
            return stop + 1
    return 0
