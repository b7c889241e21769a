"""The short way from a block to values, for blocks of whole numbers written plainly; everything else goes the careful way.

Both give the same values: a block goes the short way only where no reading of its text could differ. Whole numbers are
written plainly if together they take as many digits as the text has bytes, separators and line ends apart.
"""

from __future__ import annotations

import io

import numpy as np
import polars as pl

from shelfaware.data.dialects import Dialect
from shelfaware.data.ids import LARGEST_ID
from shelfaware.data.interactions import SHELVES, Scale
from shelfaware.data.streaming.blocks import Block
from shelfaware.data.table import seconds_to_time
from shelfaware.errors import DataError

IDS = ("user_id", "book_id")


def short_way(block: Block, scale: Scale) -> pl.DataFrame | None:
    """user_id, book_id (Int64), stars, shelf, time, line; None where a row could need care."""
    numbers = _numbers(block)
    if numbers is None or numbers.height == 0:
        return None
    dialect = block.source.dialect
    if "added" in numbers.columns or ("time" in numbers.columns and dialect.time_format):
        return None
    if numbers.select(pl.max_horizontal(pl.col(IDS).max())).item() > LARGEST_ID:
        return None
    rows = numbers.select(*IDS, _stars(numbers, zero=dialect.zero_is_unrated), _shelf(numbers, dialect), _time(numbers))
    rated, known = rows["stars"].drop_nulls().unique(), rows["shelf"].null_count() == 0
    if not known or not scale.holds(rated.to_numpy()).all() or ("time" in numbers.columns and rows["time"].null_count()):
        return None
    return rows.with_columns(pl.int_range(block.first, block.first + pl.len(), dtype=pl.Int64).alias("line"))


def _numbers(block: Block) -> pl.DataFrame | None:
    """Our columns as whole numbers from 0, none missing; None where some value is anything else."""
    source, content = block.source, block.content
    if isinstance(content, pl.DataFrame):
        picked = content.select(pl.nth(i).alias(ours) for ours, i in source.columns.items())
        whole = all(kind.is_integer() for kind in picked.dtypes) and not any(picked.null_count().row(0))
        plain = whole and not picked.select((pl.all() < 0).any()).max_horizontal().item()
        return picked.cast(pl.Int64, strict=False) if plain else None
    separator = source.dialect.separator(source.header.decode("utf-8", "replace"))
    if source.json or not source.header or len(separator) != 1:
        return None
    try:
        schema = {f"column_{i}": pl.Int64 for i in range(len(source.names))}
        frame = pl.read_csv(io.BytesIO(content), has_header=False, separator=separator, schema=schema, quote_char=None)
    except (pl.exceptions.PolarsError, DataError):
        return None
    unended = not content.endswith(b"\n")
    if any(frame.null_count().row(0)) or _digits(frame) + frame.width * frame.height != len(content) + unended:
        return None
    return frame.select(pl.nth(i).alias(ours) for ours, i in source.columns.items())


def _digits(frame: pl.DataFrame) -> int:
    """How many digits the numbers have, written plainly."""
    total = frame.width * frame.height
    for column in frame:
        largest = int(np.abs(column.max() or 0))  # type: ignore[arg-type]
        total += sum(int((column >= 10**power).sum()) for power in range(1, len(str(largest))))
    return total


def _stars(numbers: pl.DataFrame, *, zero: bool) -> pl.Expr:
    if "stars" not in numbers.columns:
        return pl.lit(None, pl.Float32).alias("stars")
    stars = pl.col("stars").cast(pl.Float32)
    return pl.when(pl.col("stars") != 0).then(stars).alias("stars") if zero else stars


def _shelf(numbers: pl.DataFrame, dialect: Dialect) -> pl.Expr:
    """Null where the shelf is in doubt."""
    if "shelf" in numbers.columns:
        flag, known = pl.col("shelf"), ("read", "to_read")
        shelf = pl.when(flag == 1).then(pl.lit(known[0])).otherwise(pl.when(flag == 0).then(pl.lit(known[1])))
    else:
        shelf = pl.lit(dialect.shelf or None, pl.String)
    if "stars" not in numbers.columns:
        return shelf.cast(pl.Enum(SHELVES)).alias("shelf")
    rated = pl.col("stars") != 0 if dialect.zero_is_unrated else pl.lit(True)
    return pl.when(rated).then(pl.lit("read")).otherwise(shelf).cast(pl.Enum(SHELVES)).alias("shelf")


def _time(numbers: pl.DataFrame) -> pl.Expr:
    return seconds_to_time(pl.col("time")) if "time" in numbers.columns else pl.lit(None, pl.Datetime("us")).alias("time")
