"""EASE where a table of books x books does not fit: each book listens to its strongest neighbours alone.

With C the covariance of `ease.EASE`, the gain of one book i for another j is what it would explain of j by itself,
C_ij^2 / (C_ii + regularisation). N_j are the `neighbours` books of the largest gain, and

    B_Nj,j = (C_NN + regularisation I)^-1 C_Nj

as in SLIM (Ning & Karypis 2011) and in the sparse approximation of Steck (2019b, "Markov random fields for collaborative
filtering"). C is never whole: a cell is kept if either of its books is among the strongest of the other, and any other cell
counts as 0. So time and memory grow with the pairs of books that readers have in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from shelfaware.arrays import Floats, Indices, Positions
from shelfaware.errors import ModelError
from shelfaware.models.ease_histories import Histories
from shelfaware.models.spool import Spool

MOST_PAIRS = 20_000_000
"""Pairs of rows of one reader that are summed at once."""

HALVINGS = 20
"""How often the cells between a book's neighbours are halved where the kept ones are no covariance of anything."""


def truncated(histories: Histories, neighbours: int, regularisation: float) -> Any:
    """B, sparse [n_books, n_books]."""
    n = histories.n_readers
    mean = histories.sums / n  # [n_books]
    variance = histories.squares - n * mean**2 + regularisation  # [n_books]
    return _solved(_strongest(histories, mean * np.sqrt(n), variance, neighbours), variance)


def _strongest(histories: Histories, mean: Floats, variance: Floats, neighbours: int) -> Any:
    """Row j: C_ij of the books i in N_j, sparse [n_books, n_books].

    mean [n_books] is m sqrt(n_readers), so that C = X^T X - mean mean^T; variance [n_books] is its diagonal, regularised.
    """
    from scipy.sparse import csr_array

    n = len(mean)
    counts, near, cells = np.zeros(n + 1, np.int64), Spool(np.int32, histories.folder), Spool(np.float64, histories.folder)
    for start, stop in _blocks(histories.pairs):
        shared = histories.by_book[start:stop] @ histories.by_reader  # [b, n_books]
        for book, (first, last) in enumerate(pairwise(shared.indptr), start):
            others = shared.indices[first:last]
            cell = shared.data[first:last] - mean[book] * mean[others]  # [n_others]
            gain = np.where(others == book, -1.0, cell**2 / variance[others])
            kept = np.flatnonzero(gain > 0)
            if len(kept) > neighbours:
                kept = np.argpartition(-gain, neighbours)[:neighbours]
            near.add(others[kept])
            cells.add(cell[kept])
            counts[book + 1] = len(kept)
    return csr_array((cells.whole(), near.whole(), np.cumsum(counts)), shape=(n, n))


def _blocks(pairs: Floats) -> Iterator[tuple[int, int]]:
    """Books in a row whose pairs with others are MOST_PAIRS at most, or one book."""
    together, start = np.cumsum(pairs), 0
    while start < len(pairs):
        before = together[start - 1] if start else 0.0
        stop = max(int(np.searchsorted(together, before + MOST_PAIRS, side="right")), start + 1)
        yield start, min(stop, len(pairs))
        start = stop


def _solved(strongest: Any, variance: Floats) -> Any:
    """B from the rows of `_strongest` and the regularised diagonal of C [n_books]."""
    from scipy.sparse import csc_array

    place = np.full(len(variance), -1, np.int32)  # where a book stands in the N_j at hand
    weights = np.zeros(strongest.nnz)
    for first, last in pairwise(strongest.indptr):
        near = strongest.indices[first:last].astype(np.int64)
        place[near] = np.arange(len(near))
        between = _between(strongest, near, place)
        between[np.diag_indices(len(near))] = variance[near]
        weights[first:last] = _ridge(between, strongest.data[first:last])
        place[near] = -1
    return csc_array((weights, strongest.indices, strongest.indptr), shape=strongest.shape).tocsr()


def _between(strongest: Any, near: Positions, place: Indices) -> Floats:
    """C between the books `near` [k], but for the diagonal [k, k]; 0 where neither of two is among the other's strongest."""
    starts, counts = strongest.indptr[near], np.diff(strongest.indptr)[near]
    rows = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    column = place[strongest.indices[rows]]
    inside = column >= 0
    table = np.zeros((len(near), len(near)))
    table[np.repeat(np.arange(len(near)), counts)[inside], column[inside]] = strongest.data[rows[inside]]
    return np.where(table == 0, table.T, table)


def _ridge(table: Floats, right: Floats) -> Floats:
    """table^-1 right [k]; a table with cells missing may not be positive definite, and then its other cells shrink."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    diagonal = np.diag(np.diagonal(table))
    for _ in range(HALVINGS):
        try:
            return np.asarray(cho_solve(cho_factor(table, check_finite=False), right, check_finite=False), np.float64)
        except LinAlgError:
            table = (table + diagonal) / 2
    raise ModelError("ease needs a larger regularisation: the books of a reader cannot be told apart")
