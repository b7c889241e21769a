"""Made books, for simulations of more than the catalogue has: no real title stands beside made ratings of another size."""

from __future__ import annotations

import polars as pl

from shelfaware.data.books import Books
from shelfaware.seeding import generator

BOOKS_OF_AN_AUTHOR, GENRES, SERIES_SHARE, BOOKS_OF_A_SERIES = 5, 20, 0.3, 4


def made_books(n: int, seed: int = 0) -> Books:
    """`Book 1` to `Book n`: authors of 5 books in the mean, one of 20 genres each, three in ten in series of 4."""
    rng = generator(seed, "made books")
    author, genre = rng.integers(max(n // BOOKS_OF_AN_AUTHOR, 1), size=n), rng.integers(GENRES, size=n)
    n_series = max(int(SERIES_SHARE * n) // BOOKS_OF_A_SERIES, 1)
    series = rng.integers(round(n_series / SERIES_SHARE), size=n)
    return Books.of(
        pl.DataFrame({"book_id": pl.int_range(1, n + 1, eager=True), "author": author, "genre": genre, "number": series})
        .with_columns(
            pl.concat_list(pl.format("Author {}", "author")).alias("authors"),
            pl.concat_list(pl.format("genre {}", "genre")).alias("genres"),
            pl.when(pl.col("number") < n_series).then(pl.format("Series {}", "number")).alias("series"),
        )
        .with_columns(
            pl.when(pl.col("series").is_not_null())
            .then(pl.int_range(1, pl.len() + 1).over("number"))
            .cast(pl.Float64)
            .alias("series_position")
        )
    )
