"""The one table reader: files of any dialect in, one table of checked values out.

The table `rows` has place (`ratings.csv, line`), line, user_id, book_id (both Int64 where all are whole numbers, else
String), stars (null where unrated), shelf (a rated book is read) and time (UTC, null where unknown).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shelfaware.data.dialects import Dialect
from shelfaware.data.ids import CANONICAL_NUMBER, LARGEST_ID, normalise_ids
from shelfaware.data.interactions import SHELVES
from shelfaware.data.reading import File, open_file
from shelfaware.data.report import Drop, Sieve, refuse
from shelfaware.errors import DataError

NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?$"
LONGEST_ID = 200
OTHER_SHELF, NOTHING_SAID = "on a shelf that is neither read nor to-read", "neither stars nor a shelf"
"""Why a row is dropped while it is read, in this order."""
VALUES = ("user_id", "book_id", "stars", "shelf", "time")

SHELF_WORDS = {
    "read": "read",
    "true": "read",
    "1": "read",
    "toread": "to_read",
    "wanttoread": "to_read",
    "false": "to_read",
    "0": "to_read",
}
"""Shelf names and is-read flags without case, spaces, - and _. Every other shelf is neither read nor to-read."""

MILLISECONDS_FROM = 1e11
"""Times from here on are milliseconds: as seconds they would lie after the year 5138."""
FIRST_SECOND, LAST_SECOND = -62135596800, 253402300799
"""The years 1 to 9999."""
ISO_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y/%m/%d")


@dataclass(frozen=True)
class Sheet:
    """A file as text: `rows` has place, line and a String column for each of our names that the file has."""

    dialect: Dialect
    rows: pl.DataFrame

    @classmethod
    def of(cls, file: File, dialect: Dialect, columns: Mapping[str, int]) -> Sheet:
        """The rows of `file`, whose `columns` are where the dialect found them."""
        return cls(dialect, file.rows(dialect, columns).with_columns(_constant(f"{file.name}, {file.unit}").alias("place")))


def open_sheet(path: Path, dialects: Sequence[Dialect]) -> Sheet:
    """Reads a file in the first of `dialects` that fits it."""
    file = open_file(path)
    sheet = Sheet.of(file, *understood(file, dialects))
    if not len(sheet.rows):
        raise DataError(f"{path.name} has no rows")
    return sheet


def understood(file: File, dialects: Sequence[Dialect]) -> tuple[Dialect, dict[str, int]]:
    """The first of `dialects` that fits a file, and where our columns are in it."""
    for dialect in dialects:
        columns = dialect.find(file.names(dialect), file.name)
        if columns is not None:
            return dialect, columns
    raise DataError(dialects[0].complaint(file.names(dialects[0]), file.name))


def read_table(paths: Sequence[Path], dialects: Sequence[Dialect]) -> tuple[pl.DataFrame, list[Drop]]:
    """The rows of all files, in order, and what was dropped in reading them."""
    return checked([open_sheet(path, dialects) for path in paths])


def checked(sheets: Sequence[Sheet]) -> tuple[pl.DataFrame, list[Drop]]:
    """Sheets of text as one table of values. Raises DataError that names the place of the first bad value."""
    parts = [values(sheet) for sheet in sheets]
    rows = pl.concat([part.rows for part in parts])
    for kind in ("user", "book"):
        refuse_huge_ids(rows, f"{kind}_id")
        rows = rows.with_columns(normalise_ids(rows[f"{kind}_id"], kind).alias(f"{kind}_id"))
    return rows, [drop for part in parts for drop in part.drops]


def values(sheet: Sheet) -> Sieve:
    """The text of a sheet as values, ids still as text. Raises DataError that names the place of the first bad one."""
    rows, dialect = _trimmed(sheet), sheet.dialect
    for kind in ("user", "book"):
        _check_ids(rows, kind, numbered=dialect.numbered)
    refuse(rows, ~pl.col("stars").str.contains(NUMBER), "rating {stars!r:.40} is not a number in the digits 0 to 9")
    rows = rows.with_columns(_stars(dialect), _shelf_words(), _time(rows, dialect.time_format).alias("utc"))
    refuse(rows, pl.col("utc").is_null() & pl.col("time").is_not_null(), "time {time!r:.40} is not a date that can be read")
    sieve = Sieve(rows)
    known = pl.col("word").replace_strict(SHELF_WORDS, default=None, return_dtype=pl.String)
    unrated, wordless = pl.col("stars").is_null(), pl.col("word").is_null()
    sieve.keep(~unrated | wordless | known.is_not_null(), OTHER_SHELF)
    sieve.keep(~unrated | ~wordless | bool(dialect.shelf), NOTHING_SAID)
    shelf = pl.when(~unrated).then(pl.lit("read")).when(wordless).then(pl.lit(dialect.shelf)).otherwise(known)
    sieve.rows = sieve.rows.select(
        "place",
        "line",
        "user_id",
        "book_id",
        "stars",
        shelf.cast(pl.Enum(SHELVES)).alias("shelf"),
        pl.col("utc").alias("time"),
    )
    return sieve


def _constant(text: str) -> pl.Expr:
    return pl.lit(text).cast(pl.Categorical)


def _trimmed(sheet: Sheet) -> pl.DataFrame:
    """All of VALUES, without the spaces around a value (nor quotes, in a dialect without them); empty is null."""
    margin = " \t" if sheet.dialect.quoted else ' \t"\\'
    absent = [pl.lit(None, pl.String).alias(c) for c in VALUES if c not in sheet.rows.columns]
    trimmed = [pl.col(c).str.strip_chars(margin).replace("", None) for c in VALUES]
    return sheet.rows.with_columns(*absent).with_columns(*trimmed)


def _check_ids(rows: pl.DataFrame, kind: str, *, numbered: bool) -> None:
    one, shown = pl.col(f"{kind}_id"), f"{kind} id {{{kind}_id!r:.40}}"
    refuse(rows, one.is_null(), f"the {kind} id is missing")
    if numbered:
        refuse(rows, ~one.str.contains(CANONICAL_NUMBER), f"{shown} is not a whole number in the digits 0 to 9")
    refuse(
        rows,
        one.str.len_chars() > LONGEST_ID,
        f"the {kind} id is longer than {LONGEST_ID} characters; is a quote left open?",
    )
    refuse(rows, one.str.contains(r"[\x00-\x1f\x7f]"), f"{shown} holds a control character; is a quote left open?")


def refuse_huge_ids(rows: pl.DataFrame, column: str) -> None:
    """Ids that are all digits are numbers, and numbers beyond 2^53 - 1 would not survive JSON or a spreadsheet."""
    if rows[column].str.contains(r"^[0-9]+$").all():
        number = pl.col(column).str.strip_chars_start("0").replace("", "0").cast(pl.Int64, strict=False)
        kind = column.removesuffix("_id")
        huge = number.is_null() | (number > LARGEST_ID)
        refuse(rows, huge, f"{kind} id {{{column}!r:.40}} is beyond 2^53 - 1 and cannot be kept exactly; use smaller ids")


def _stars(dialect: Dialect) -> pl.Expr:
    stars = pl.col("stars").cast(pl.Float32)
    return pl.when(stars != 0).then(stars) if dialect.zero_is_unrated else stars


def _shelf_words() -> pl.Expr:
    return pl.col("shelf").str.to_lowercase().str.replace_all(r"[\s_-]", "").alias("word")


def _time(rows: pl.DataFrame, time_format: str) -> pl.Expr:
    """`time` in UTC, Datetime[us]; null where it cannot be read."""
    text = pl.col("time")
    if time_format:
        return text.str.to_datetime(time_format, time_unit="us", time_zone="UTC", strict=False).dt.replace_time_zone(None)
    number = pl.when(text.str.contains(NUMBER)).then(text).cast(pl.Float64, strict=False)
    numeric = seconds_to_time(number)
    if rows["time"].str.contains(NUMBER).all():
        return numeric
    zoned = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False).dt.replace_time_zone(None)
    plain = text.str.replace("T", " ", literal=True)
    naive = [plain.str.to_datetime(one, time_unit="us", strict=False) for one in ISO_FORMATS]
    return pl.coalesce(numeric, zoned, *naive)


def seconds_to_time(number: pl.Expr) -> pl.Expr:
    """Seconds or milliseconds since 1970 as Datetime[us]; null outside the years 1 to 9999."""
    seconds = pl.when(number >= MILLISECONDS_FROM).then(number / 1e3).otherwise(number)
    seconds = pl.when(seconds.is_between(FIRST_SECOND, LAST_SECOND)).then(seconds)
    return (seconds * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us"))
