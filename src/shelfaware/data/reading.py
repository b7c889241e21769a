"""Files as rows of text: every value a string, every row with its line as an editor counts it."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import polars as pl
import polars.selectors as cs

from shelfaware.data.dialects import Dialect
from shelfaware.errors import DataError

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
UNPACKED_FREE, UNPACKED_RATIO = 64 * 2**20, 100
"""A gzipped file may unpack to 64 MiB, or to a hundred times its size."""

UNIT_SEPARATOR = "\x1f"
"""Stands in for a separator of several characters, which polars does not know."""


class File(Protocol):
    """A file of which the column names can be asked before it is read."""

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str:
        """What its places are counted in: line or row."""

    def names(self, dialect: Dialect, /) -> list[str]: ...

    def rows(self, dialect: Dialect, columns: Mapping[str, int], /) -> pl.DataFrame:
        """A String column for each of `columns` (our name -> position), and `line`, Int64 from 1."""


def open_file(path: Path) -> File:
    """Reads a file, unpacked if it is gzipped; what is in it decides how it is understood."""
    raw = read_bytes(path)
    if raw.startswith(PARQUET):
        return Parquet(path.name, raw)
    return JsonLines(path.name, raw) if raw.lstrip().startswith(b"{") else Delimited(path.name, raw)


def read_bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if raw.startswith(GZIP):
        raw = b"".join(_unpacked(raw, path.name))
    if not raw.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(f"{path.name} is empty")
    return raw


def _unpacked(raw: bytes, name: str) -> Iterator[bytes]:
    size = 0
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream, gzip_errors(name):
        while piece := stream.read(2**22):
            size += len(piece)
            refuse_bomb(name, size, len(raw))
            yield piece


def refuse_bomb(name: str, unpacked: int, packed: int) -> None:
    """Raises DataError where a gzipped file has unpacked to more than any honest one would."""
    if unpacked > max(UNPACKED_FREE, UNPACKED_RATIO * packed):
        raise DataError(f"{name} unpacks to more than {UNPACKED_RATIO} times its size; unpack it yourself first")


@contextlib.contextmanager
def gzip_errors(name: str) -> Iterator[None]:
    """Turns what goes wrong in unpacking into one sentence."""
    try:
        yield
    except EOFError:
        raise DataError(f"{name} ends in the middle of its gzip stream; fetch it again") from None
    except (OSError, zlib.error):
        raise DataError(f"{name} is a damaged gzip file; fetch it again") from None


@dataclass(frozen=True)
class Delimited:
    """CSV and its relatives. `before`: so many lines of the file, less its header, stand before `raw`."""

    name: str
    raw: bytes
    before: int = 0
    unit: str = "line"

    def names(self, dialect: Dialect, /) -> list[str]:
        if self.raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(f"{self.name} is UTF-16 text; save it as UTF-8")
        lines = self.raw.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")[: 2**20].splitlines()
        return dialect.split(lines[0].decode("utf-8", errors="replace"))

    def rows(self, dialect: Dialect, columns: Mapping[str, int], /) -> pl.DataFrame:
        text = self._text(dialect.encoding)
        blank = len(text) - len(text.lstrip("\n"))
        first, text = self.before + blank, text[blank:]
        separator = dialect.separator(text.partition("\n")[0])
        if len(separator) > 1:
            text, separator = text.replace(separator, UNIT_SEPARATOR), UNIT_SEPARATOR
        frame = self._parsed(text, separator, dialect, first)
        if frame.width != len(self.names(dialect)):
            raise DataError(f"{self.name}, line {first + 1}: its quotes do not match")
        header = not dialect.positions
        first += 1 + header + sum(name.count("\n") for name in frame.columns if header)
        line = pl.int_range(first, first + pl.len(), dtype=pl.Int64) + _newlines_before(frame, text, header)
        picked = [pl.nth(position).alias(ours) for ours, position in columns.items()]
        return frame.select(line.alias("line"), *picked).filter(~pl.all_horizontal(cs.string().is_null()))

    def _text(self, encoding: str) -> str:
        raw = self.raw.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            line = self.before + raw.count(b"\n", 0, error.start) + 1
            raise DataError(f"{self.name}, line {line}: bytes that are not UTF-8; save the file as UTF-8") from None
        if "\0" in text:
            line = self.before + text.count("\n", 0, text.index("\0")) + 1
            raise DataError(f"{self.name}, line {line}: a NUL byte, so this is not a text file")
        return text

    def _parsed(self, text: str, separator: str, dialect: Dialect, first: int) -> pl.DataFrame:
        quote = '"' if dialect.quoted else None
        try:
            return pl.read_csv(
                text.encode(),
                separator=separator,
                quote_char=quote,
                has_header=not dialect.positions,
                infer_schema=False,
                raise_if_empty=False,
            )
        except pl.exceptions.PolarsError:
            raise DataError(f"{self.name}, {_fault(text, separator, quote, first)}") from None


def _newlines_before(frame: pl.DataFrame, text: str, header: bool) -> pl.Expr:
    """How many line ends stand inside the values of the rows before each row."""
    if text.count("\n") + (not text.endswith("\n")) == len(frame) + header:
        return pl.lit(0, pl.Int64)
    inside = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True)).cast(pl.Int64)
    return inside.cum_sum().shift(1, fill_value=0)


def _fault(text: str, separator: str, quote: str | None, first: int) -> str:
    """Where a table that polars refused is broken, and how."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, quotechar=quote or UNIT_SEPARATOR, strict=True)
    start, width = 1, 0
    try:
        for fields in reader:
            width = width or len(fields)
            if len(fields) > width:
                return f"line {first + start} has {len(fields)} values where the first line has {width}"
            start = reader.line_num + 1
    except csv.Error as error:
        unclosed = "unexpected end" in str(error) or "field limit" in str(error)
        return f"line {first + start}: " + ("a quote is opened and never closed" if unclosed else "a quote is closed too early")
    return "some line: a quote stands inside a value without being doubled"


@dataclass(frozen=True)
class JsonLines:
    """One JSON object a line; the first line, or `header`, names the columns. `before`: lines of the file before `raw`."""

    name: str
    raw: bytes
    before: int = 0
    header: bytes = b""
    unit: str = "line"

    def names(self, _dialect: Dialect, /) -> list[str]:
        first, _, _ = (self.header or self.raw).lstrip().partition(b"\n")
        try:
            return list(json.loads(first))
        except (ValueError, RecursionError):
            raise DataError(f"{self.name}, line {self._fault()}: not a JSON object") from None

    def rows(self, _dialect: Dialect, columns: Mapping[str, int], /) -> pl.DataFrame:
        names = self.names(_dialect)
        try:
            frame = pl.read_ndjson(self.raw, schema={names[i]: pl.String for i in columns.values()})
            lines = [i for i, line in enumerate(io.BytesIO(self.raw), self.before + 1) if not line.isspace()]
            picked = [pl.col(names[i]).alias(ours) for ours, i in columns.items()]
            return frame.select(*picked).with_columns(pl.Series("line", lines, pl.Int64))
        except (pl.exceptions.PolarsError, UnicodeError):
            raise DataError(f"{self.name}, line {self._fault()}: not a JSON object") from None

    def _fault(self) -> int:
        for i, line in enumerate(io.BytesIO(self.raw), self.before + 1):
            try:
                if not line.isspace() and not isinstance(json.loads(line), dict):
                    return i
            except (ValueError, RecursionError):
                return i
        return self.before + 1


@dataclass(frozen=True)
class Parquet:
    name: str
    raw: bytes
    unit: str = "row"

    def names(self, _dialect: Dialect, /) -> list[str]:
        return list(self._schema)

    def rows(self, dialect: Dialect, columns: Mapping[str, int], /) -> pl.DataFrame:
        names = list(self._schema)
        try:
            frame = pl.read_parquet(io.BytesIO(self.raw), columns=list({names[i]: 0 for i in columns.values()}))
        except pl.exceptions.PolarsError:
            raise DataError(f"{self.name} is a damaged Parquet file") from None
        places = {ours: frame.columns.index(names[i]) for ours, i in columns.items()}
        return Frame(self.name, frame).rows(dialect, places)

    @cached_property
    def _schema(self) -> dict[str, pl.DataType]:
        try:
            return dict(pl.read_parquet_schema(io.BytesIO(self.raw)))
        except (pl.exceptions.PolarsError, OSError):
            raise DataError(f"{self.name} is a damaged Parquet file") from None


@dataclass(frozen=True)
class Frame:
    """Rows of a file whose columns have types. `before`: rows of the file before them."""

    name: str
    frame: pl.DataFrame
    before: int = 0
    unit: str = "row"

    def names(self, _dialect: Dialect, /) -> list[str]:
        return self.frame.columns

    def rows(self, _dialect: Dialect, columns: Mapping[str, int], /) -> pl.DataFrame:
        names = self.frame.columns
        texts = [self._text(names[i]).alias(ours) for ours, i in columns.items()]
        row = pl.int_range(self.before + 1, self.before + pl.len() + 1, dtype=pl.Int64)
        return self.frame.select(row.alias("line"), *texts)

    def _text(self, name: str) -> pl.Expr:
        column, kind = pl.col(name), self.frame.schema[name]
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            raise DataError(f"{self.name}: column {name!r} holds {kind}, not plain values")
        if kind.is_float():
            whole = column.cast(pl.Int64, strict=False)
            return pl.when(whole == column).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
        if isinstance(kind, pl.Datetime) and kind.time_zone:
            return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.String)
        return column.cast(pl.String)
