"""Tables of books: titles with the series parsed out, authors, years, and ISBNs mended where they can be."""

from __future__ import annotations

import polars as pl

from shelfaware.data.books import Books
from shelfaware.data.report import refuse
from shelfaware.data.table import Sheet

TITLE_WITH_SERIES = r"^(.*\S)\s*\(((?:[^()#;]|\([^()]*\))+?),?\s*#([0-9]+(?:\.[0-9]+)?)?([^()]*)\)$"
"""`Name (Series, #2)`; after the number can stand `-4`, a box of several volumes, or `; Other, #1`, a second series."""


def books_of(sheet: Sheet, wanted: pl.Series) -> Books:
    """The books of a sheet of titles whose ids are in `wanted`."""
    refuse(sheet.rows, pl.col("book_id").is_null(), "the book id is missing")
    rows = sheet.rows.filter(pl.col("book_id").is_in(wanted.cast(pl.String).implode()))
    refuse(rows, ~pl.col("book_id").is_first_distinct(), "book {book_id!r} stands twice in the table of books")
    known = [pl.col("work_id").replace("", None)] if "work_id" in rows.columns else []
    year = [pl.col("year").cast(pl.Float64, strict=False).cast(pl.Int32, strict=False)] if "year" in rows.columns else []
    authors = [_authors()] if "authors" in rows.columns else []
    titles = split_title(rows["title"])
    return Books.of(rows.select("book_id", *known, *year, *authors).with_columns(titles).with_columns(_isbn13(rows)))


def split_title(titles: pl.Series) -> pl.DataFrame:
    """title, series and series_position of `Name (Series, #2)`; a box (`#1-4`) has no position."""
    titles = titles.str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)
    groups = pl.col("title").str.extract_groups(TITLE_WITH_SERIES).struct
    box = groups[3].str.contains(r"^\s*[-–—]\s*[0-9]")
    return pl.DataFrame({"title": titles}).select(
        pl.coalesce(groups[0], "title").alias("title"),
        groups[1].str.strip_chars(" ,").alias("series"),
        pl.when(~box).then(groups[2]).cast(pl.Float64).alias("series_position"),
    )


def isbn13_of(isbn: str | None) -> str | None:
    """The ISBN-13 of an ISBN of either length, its lost leading zeros restored; None where the check digit is wrong."""
    from stdnum import isbn as standard

    digits = standard.compact(isbn or "")
    padded = digits if len(digits) == 13 else digits.zfill(10)
    return standard.to_isbn13(padded) if digits and standard.is_valid(padded) else None


def _authors() -> pl.Expr:
    return pl.col("authors").str.replace_all(r"\s+", " ").str.split(", ").list.drop_nulls()


def _isbn13(rows: pl.DataFrame) -> pl.Series:
    """From the longer number where it is right, else from the shorter."""
    none = [None] * len(rows)
    longer, shorter = (rows[c] if c in rows.columns else none for c in ("isbn13", "isbn"))
    return pl.Series("isbn13", [isbn13_of(a) or isbn13_of(b) for a, b in zip(longer, shorter, strict=True)], pl.String)
