"""A made CSV of interactions like the UCSD Book Graph's: any number of rows, written by the piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from shelfaware.seeding import generator

ROWS_A_USER, N_BOOKS, SPREAD = 76, 258_585, 1.25
"""As in its fantasy part: 55.5 M rows of 726,932 users and 258,585 books."""
PIECE_USERS = 20_000


def write_interactions(path: Path, n_rows: int, *, shuffled: bool = False, seed: int = 0) -> None:
    """`user_id,book_id,is_read,rating,is_reviewed`, by user; no pair twice; the books by a law of Zipf."""
    heaped = np.cumsum(1 / (np.arange(N_BOOKS) + 10.0))
    written = piece = 0
    with path.open("wb") as file:
        while written < n_rows:
            rng = generator(seed, "made interactions", piece)
            count = np.rint(ROWS_A_USER * np.exp(SPREAD * rng.standard_normal(PIECE_USERS) - SPREAD**2 / 2)).astype(np.int64)
            user = np.repeat(np.arange(PIECE_USERS), np.clip(count, 1, 20_000))
            book = np.searchsorted(heaped, rng.random(len(user)) * heaped[-1])
            pairs = np.unique(user * N_BOOKS + np.minimum(book, N_BOOKS - 1))[: n_rows - written]
            pairs = rng.permutation(pairs) if shuffled else pairs
            rating = rng.choice(6, len(pairs), p=(0.5, 0.01, 0.03, 0.1, 0.17, 0.19))
            read = (rating > 0) | (rng.random(len(pairs)) < 0.1)
            columns = {
                "user_id": pairs // N_BOOKS + piece * PIECE_USERS,
                "book_id": pairs % N_BOOKS,
                "is_read": read.astype(np.int8),
                "rating": rating,
                "is_reviewed": (rating == 5).astype(np.int8),
            }
            pl.DataFrame(columns).write_csv(file, include_header=not piece)
            written, piece = written + len(pairs), piece + 1
