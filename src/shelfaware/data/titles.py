"""Tables of books: titles with the series parsed out, authors, years, editions, and ISBNs mended where they can be."""

from __future__ import annotations

import polars as pl

from shelfaware.data.books import COLUMNS, Books
from shelfaware.data.report import refuse
from shelfaware.data.table import Sheet

TITLE_WITH_SERIES = r"^(.*\S)\s*\(((?:[^()#;]|\([^()]*\))+?),?\s*#\s*([0-9]+(?:\.[0-9]+)?)?([^()]*)\)$"
"""`Name (Series, #2)`; after the number can stand `-4`, a box of several volumes, or `; Other, #1`, a second series."""


def books_of(sheet: Sheet, wanted: pl.Series) -> Books:
    """The books of a sheet of titles whose ids are in `wanted`."""
    refuse(sheet.rows, pl.col("book_id").is_null(), "the book id is missing")
    rows = sheet.rows.filter(pl.col("book_id").is_in(wanted.cast(pl.String).implode()))
    refuse(rows, ~pl.col("book_id").is_first_distinct(), "book {book_id!r} stands twice in the table of books")
    known = [fact for column, fact in _facts().items() if column in rows.columns]
    parsed = [*split_title(rows["title"]), _isbn13(rows), _language(rows), _goodreads_ids(sheet.rows, rows)]
    return Books.of(rows.select("book_id", *known).with_columns(parsed))


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


def language_of(code: str | None) -> str | None:
    """The ISO 639 code, of two letters where there is one, of `eng`, `en-US` or `fre`; None where it names no language."""
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        language = Language.get(code or "und")
    except LanguageTagError:
        return None
    return language.language if language.is_valid() else None


def _facts() -> dict[str, pl.Expr]:
    """Our columns that follow from the text column of their name alone."""
    return {
        "work_id": pl.col("work_id").replace("", None),
        "year": _whole("year"),
        "authors": _one_spaced("authors").str.split(", ").list.drop_nulls(),
        "original_title": _one_spaced("original_title").replace("", None),
        "pages": pl.when(_whole("pages") > 0).then(_whole("pages")).alias("pages"),
    }


def _whole(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False).cast(pl.Int32, strict=False)


def _one_spaced(column: str) -> pl.Expr:
    return pl.col(column).str.replace_all(r"\s+", " ").str.strip_chars()


def _isbn13(rows: pl.DataFrame) -> pl.Series:
    """From the longer number where it is right, else from the shorter."""
    none = [None] * len(rows)
    longer, shorter = (rows[c] if c in rows.columns else none for c in ("isbn13", "isbn"))
    return pl.Series("isbn13", [isbn13_of(a) or isbn13_of(b) for a, b in zip(longer, shorter, strict=True)], pl.String)


def _language(rows: pl.DataFrame) -> pl.Series:
    codes = rows["language"] if "language" in rows.columns else pl.Series([None] * len(rows), dtype=pl.String)
    known = {code: language_of(code) for code in codes.unique()}
    return pl.Series("language", [known[code] for code in codes], pl.String)


def _goodreads_ids(everything: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    """The Goodreads ids that `everything` has for the work of each of `rows`."""
    columns = [c for c in ("goodreads_id", "best_goodreads_id") if c in rows.columns]
    if not columns:
        return pl.Series("goodreads_ids", [[]] * len(rows), COLUMNS["goodreads_ids"])
    numbers = pl.concat_list(pl.col(columns).cast(pl.Int64, strict=False)).alias("goodreads_ids")
    known, works = ((frame.select(_work(frame), numbers)) for frame in (everything, rows))
    known = known.join(works, on="work", how="semi").explode("goodreads_ids").drop_nulls()
    pooled = known.group_by("work").agg(pl.col("goodreads_ids").unique().sort())
    return works.select("work").join(pooled, on="work", how="left", maintain_order="left")["goodreads_ids"]


def _work(frame: pl.DataFrame) -> pl.Expr:
    """The work id or, without one, the book's own."""
    own = pl.concat_str(pl.lit("book "), "book_id")
    return (pl.coalesce(pl.col("work_id").replace("", None), own) if "work_id" in frame.columns else own).alias("work")
