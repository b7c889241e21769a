"""What readers took up, from parts, as the sparse matrices that `ease_truncated` multiplies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from shelfaware.arrays import Floats, Positions
from shelfaware.models.spool import Spool, room
from shelfaware.seeding import generator

MOST_ROWS = 200
"""Books of one reader that C is made of: of a longer history a random part, since pairs grow with its square."""

TURNED_ROWS = 2_000_000
"""Rows that are turned from readers to books at once, where these do not stay in memory."""


@dataclass(frozen=True, eq=False)
class Histories:
    """x, shortened to MOST_ROWS a reader, sparse by reader [n, n_books] and by book [n_books, n].

    n_readers       readers with a history
    sums, squares   of x by book [n_books]
    pairs           rows of the readers of each book [n_books]
    folder          where the matrices stand; None: in memory
    """

    by_reader: Any
    by_book: Any
    n_readers: int
    sums: Floats
    squares: Floats
    pairs: Floats
    folder: Path | None

    @classmethod
    def of(cls, parts: Iterable[Any], n_books: int, *, seed: int, folder: Path | None = None) -> Histories:
        """From x of each part, sparse [n, n_books], in which the readers of other parts have no row. The parts are in the
        order of their readers, so that what is drawn and summed is the same however readers are cut into parts.
        """
        from scipy.sparse import csr_array

        draw, sums, squares, pairs = generator(seed, "covariance"), *np.zeros((3, n_books))
        books, values, counts = Spool(np.int32, folder), Spool(np.float64, folder), np.zeros(1, np.int64)
        for whole in parts:
            x = _shortened(whole, draw)
            mine = np.diff(x.indptr)  # [n]
            np.add.at(sums, x.indices, x.data)
            np.add.at(squares, x.indices, x.data**2)
            pairs += np.bincount(x.indices, np.repeat(mine, mine), n_books)
            books.add(x.indices)
            values.add(x.data)
            counts = counts + mine
        indptr = np.concatenate([[0], np.cumsum(counts)])
        by_reader = csr_array((values.whole(), books.whole(), indptr), shape=(len(counts), n_books))
        n_readers = max(int(np.count_nonzero(counts)), 1)
        return cls(by_reader, _turned(by_reader, folder), n_readers, sums, squares, pairs, folder)


def _shortened(x: Any, draw: np.random.Generator) -> Any:
    """x with at most MOST_ROWS books of each reader."""
    from scipy.sparse import csr_array

    counts = np.diff(x.indptr)
    kept = np.ones(x.nnz, bool)
    for reader in np.flatnonzero(counts > MOST_ROWS).tolist():
        gone = draw.choice(counts[reader], counts[reader] - MOST_ROWS, replace=False)
        kept[x.indptr[reader] + gone] = False
    indptr = np.concatenate([[0], np.cumsum(np.minimum(counts, MOST_ROWS))])
    return csr_array((x.data[kept], x.indices[kept], indptr), shape=x.shape)


def _turned(x: Any, folder: Path | None) -> Any:
    """x^T, its rows by book and then reader: some readers at a time where it stands in `folder`."""
    from scipy.sparse import csr_array

    if folder is None:
        return x.T.tocsr()
    readers, values = room(x.nnz, np.int32, folder), room(x.nnz, np.float64, folder)
    pieces = list(_pieces(x.indptr))
    counts = sum((np.bincount(x.indices[x.indptr[a] : x.indptr[b]], minlength=x.shape[1]) for a, b in pieces), 0)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    start = indptr[:-1].copy()
    for first, last in pieces:
        piece = x[first:last].T.tocsr()
        mine = np.diff(piece.indptr)
        to = np.repeat(start - piece.indptr[:-1], mine) + np.arange(piece.nnz)
        readers[to], values[to] = piece.indices + first, piece.data
        start += mine
    return csr_array((values, readers, indptr), shape=x.shape[::-1])


def _pieces(indptr: Positions) -> list[tuple[int, int]]:
    """Readers in a row with TURNED_ROWS rows at most, or one reader."""
    edges = [0]
    while edges[-1] < len(indptr) - 1:
        fits = int(np.searchsorted(indptr, indptr[edges[-1]] + TURNED_ROWS, side="right")) - 1
        edges.append(max(fits, edges[-1] + 1))
    return list(pairwise(edges))
