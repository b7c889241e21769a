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

    merge_editions    take all books of one work for the one of them that is in most rows, by what the table of books says
    min_book_ratings  keep books with at least so many rows in what was read, rated or not
    duplicates        what to do with a (user, book) pair that stands twice. Identical rows merge; of differing ones
                      "error" refuses the file, "latest" keeps the latest, "drop" drops the pair; "drop-user" drops
                      every user who has a pair twice, identical or not, as the original study did
    min_user_ratings  keep users with at least so many rows left
    max_users         keep the first so many users, by id
    max_books         keep the first so many books, by id
    """

    merge_editions: bool = False
    min_book_ratings: int = 0
    duplicates: Duplicates = "error"
    min_user_ratings: int = 0
    max_users: int = 0
    max_books: int = 0


NO_CLEANING = Cleaning()


def clean(rows: pl.DataFrame, cleaning: Cleaning, scale: Scale) -> tuple[pl.DataFrame, list[Drop]]:
    """Rows of `read_table`, cleaned; with the dropped ones they are as many as before.

    Stars off the scale are an error, for every row. Each step runs once: dropping users can leave a book with fewer
    rows than `min_book_ratings`.
    """
    check_scale(rows, scale)
    sieve = Sieve(rows.with_columns(normalise_ids(rows[f"{kind}_id"], kind).alias(f"{kind}_id") for kind in ("user", "book")))
    if cleaning.min_book_ratings:
        sieve.keep(pl.len().over("book_id") >= cleaning.min_book_ratings, too_few("book", cleaning.min_book_ratings))
    settle_duplicates(sieve, cleaning.duplicates)
    if cleaning.min_user_ratings:
        sieve.keep(pl.len().over("user_id") >= cleaning.min_user_ratings, too_few("user", cleaning.min_user_ratings))
    _cut(sieve, cleaning)
    return sieve.rows, sieve.drops


MARK = "to-read mark of a book that was read"
USER_TWICE = "user who has a book twice"
AGAIN = "the same row again"
DIFFERING = "user and book that stand twice and differ"
OLDER = "older than another row of the same user and book"


def too_few(kind: str, least: int) -> str:
    return f"{kind} with fewer than {least:,} rows"


def too_late(kind: str, most: int) -> str:
    return f"{kind} after the first {most:,}"


def reasons(cleaning: Cleaning) -> list[str]:
    """Why rows can leave, in the order in which they do."""
    first = [too_few("book", cleaning.min_book_ratings), MARK, USER_TWICE, AGAIN, DIFFERING, OLDER]
    last = [too_late("user", cleaning.max_users), too_late("book", cleaning.max_books)]
    return [*first, too_few("user", cleaning.min_user_ratings), *last]


def check_scale(rows: pl.DataFrame, scale: Scale) -> None:
    """Raises DataError for the first row whose stars are not on the scale."""
    on_scale = pl.Series(scale.holds(rows["stars"].fill_null(scale.min).to_numpy()))
    refuse(
        rows,
        ~pl.lit(on_scale),
        f"{{stars:g}} stars are not on the scale {scale.min:g} to {scale.max:g} by {scale.step:g}; "
        "name the file's own scale, such as --scale 0.5:5:0.5",
    )


def settle_duplicates(sieve: Sieve, duplicates: Duplicates) -> None:
    """Leaves one row of each pair. What happens to a user's rows depends on that user's rows alone."""
    twice = pl.struct(PAIR).is_duplicated()
    if not sieve.rows.select(twice.any()).item():
        return
    _merge_to_read_marks(sieve)
    if duplicates == "drop-user":
        sieve.keep(~twice.any().over("user_id"), USER_TWICE)
        return
    sieve.keep(pl.struct(*PAIR, *CONTENT).is_first_distinct(), AGAIN)
    if duplicates == "drop":
        sieve.keep(~twice, DIFFERING)
    if duplicates == "latest":
        refuse(
            sieve.rows,
            twice & pl.col("time").is_null().any().over(PAIR),
            f"{PAIR_NAME} stands twice without a time, so none is the latest",
        )
        sieve.keep(pl.col("time").is_null() | (pl.col("time") == pl.col("time").max().over(PAIR)), OLDER)
    _refuse_differing(sieve.rows)


PAIR_NAME = "user {user_id!r}, book {book_id!r}"


def _merge_to_read_marks(sieve: Sieve) -> None:
    """A to-read list in a file of its own is not at odds with the ratings: who has read a book is past the mark."""
    if sieve.rows["place"].n_unique() < 2:
        return
    marked = pl.col("shelf").cast(pl.String) == "to_read"
    elsewhere = (~marked).any().over(PAIR) & (pl.col("place").n_unique().over(PAIR) > 1)
    sieve.keep(~(marked & elsewhere), MARK)


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
        sieve.keep(pl.col(column).is_in(kept), too_late(kind, len(kept[0])))
