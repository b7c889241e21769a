"""Cleaning as in the original study: every row that leaves is counted with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from shelfaware.data.ids import normalise_ids
from shelfaware.data.interactions import Scale
from shelfaware.data.report import Drop, Sieve, place_of, refuse
from shelfaware.errors import DataError

Duplicates = Literal["error", "latest", "drop", "drop-user"]

PAIR = ("user_id", "book_id")
CONTENT = ("stars", "shelf", "time")


@dataclass(frozen=True)
class Cleaning:
    """What to keep, in the order in which it is applied; 0 keeps everything.

    min_book_ratings  keep books with at least so many rows in what was read, rated or not
    duplicates        what to do with a (user, book) pair that stands twice. Identical rows merge; of differing ones
                      "error" refuses the file, "latest" keeps the latest, "drop" drops the pair; "drop-user" drops
                      every user who has a pair twice, identical or not, as the original study did
    min_user_ratings  keep users with at least so many rows left
    max_users         keep the first so many users, by id
    max_books         keep the first so many books, by id
    """

    min_book_ratings: int = 0
    duplicates: Duplicates = "error"
    min_user_ratings: int = 0
    max_users: int = 0
    max_books: int = 0


def clean(rows: pl.DataFrame, cleaning: Cleaning, scale: Scale) -> tuple[pl.DataFrame, list[Drop]]:
    """Rows of `read_table`, cleaned; with the dropped ones they are as many as before.

    Stars off the scale are an error, for every row. Each step runs once: dropping users can leave a book with fewer
    rows than `min_book_ratings`.
    """
    _check_scale(rows, scale)
    sieve = Sieve(rows.with_columns(normalise_ids(rows[f"{kind}_id"], kind).alias(f"{kind}_id") for kind in ("user", "book")))
    if cleaning.min_book_ratings:
        enough = pl.len().over("book_id") >= cleaning.min_book_ratings
        sieve.keep(enough, f"book with fewer than {cleaning.min_book_ratings:,} rows")
    _settle_duplicates(sieve, cleaning.duplicates)
    if cleaning.min_user_ratings:
        enough = pl.len().over("user_id") >= cleaning.min_user_ratings
        sieve.keep(enough, f"user with fewer than {cleaning.min_user_ratings:,} rows")
    _cut(sieve, cleaning)
    return sieve.rows, sieve.drops


def _check_scale(rows: pl.DataFrame, scale: Scale) -> None:
    on_scale = pl.Series(scale.holds(rows["stars"].fill_null(scale.min).to_numpy()))
    refuse(
        rows,
        ~pl.lit(on_scale),
        f"{{stars:g}} stars are not on the scale {scale.min:g} to {scale.max:g} by {scale.step:g}; "
        "name the file's own scale, such as --scale 0.5:5:0.5",
    )


def _settle_duplicates(sieve: Sieve, duplicates: Duplicates) -> None:
    twice = pl.struct(PAIR).is_duplicated()
    if not sieve.rows.select(twice.any()).item():
        return
    _merge_to_read_marks(sieve)
    if duplicates == "drop-user":
        sieve.keep(~twice.any().over("user_id"), "user who has a book twice")
        return
    sieve.keep(pl.struct(*PAIR, *CONTENT).is_first_distinct(), "the same row again")
    if duplicates == "drop":
        sieve.keep(~twice, "user and book that stand twice and differ")
    if duplicates == "latest":
        refuse(
            sieve.rows,
            twice & pl.col("time").is_null().any().over(PAIR),
            f"{PAIR_NAME} stands twice without a time, so none is the latest",
        )
        latest = pl.col("time").is_null() | (pl.col("time") == pl.col("time").max().over(PAIR))
        sieve.keep(latest, "older than another row of the same user and book")
    _refuse_differing(sieve.rows)


PAIR_NAME = "user {user_id!r}, book {book_id!r}"


def _merge_to_read_marks(sieve: Sieve) -> None:
    """A to-read list in a file of its own is not at odds with the ratings: who has read a book is past the mark."""
    if sieve.rows["place"].n_unique() < 2:
        return
    marked = pl.col("shelf").cast(pl.String) == "to_read"
    elsewhere = (~marked).any().over(PAIR) & (pl.col("place").n_unique().over(PAIR) > 1)
    sieve.keep(~(marked & elsewhere), "to-read mark of a book that was read")


def _refuse_differing(rows: pl.DataFrame) -> None:
    twice = rows.filter(pl.struct(PAIR).is_duplicated())
    if not len(twice):
        return
    first = twice.row(0, named=True)
    second = twice.filter(*(pl.col(c) == first[c] for c in PAIR)).row(1, named=True)
    raise DataError(
        f"{place_of(first)} and {place_of(second)}: {PAIR_NAME.format(**first)} stands twice and differs; "
        "choose --duplicates latest (needs times), drop or drop-user"
    )


def _cut(sieve: Sieve, cleaning: Cleaning) -> None:
    """The first users and the first books are counted over the same rows, as one cuts a matrix."""
    first = {}
    for column, most in (("user_id", cleaning.max_users), ("book_id", cleaning.max_books)):
        if most:
            first[column] = sieve.rows[column].unique().sort().head(most).implode()
    for column, kept in first.items():
        kind = column.removesuffix("_id")
        sieve.keep(pl.col(column).is_in(kept), f"{kind} after the first {len(kept[0]):,}")
