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
from shelfaware.seeding import generator

MOST_ROWS = 200
"""Books of one reader that C is made of: of a longer history a random part, since pairs grow with its square."""

MOST_PAIRS = 20_000_000
"""Pairs of rows of one reader that are summed at once."""

HALVINGS = 20
"""How often the cells between a book's neighbours are halved where the kept ones are no covariance of anything."""


def truncated(x: Any, n_readers: int, neighbours: int, regularisation: float, *, seed: int) -> Any:
    """B, sparse [n_books, n_books]; x sparse [n, n_books], of which `n_readers` rows have something."""
    x = _shortened(x, seed)
    mean = np.asarray(x.sum(axis=0)) / n_readers  # [n_books]
    variance = np.asarray(x.multiply(x).sum(axis=0)) - n_readers * mean**2 + regularisation  # [n_books]
    strongest = _strongest(x, mean * np.sqrt(n_readers), variance, neighbours)
    return _solved(strongest, variance)


def _shortened(x: Any, seed: int) -> Any:
    """x with at most MOST_ROWS books of each reader."""
    from scipy.sparse import csr_array

    counts, draw = np.diff(x.indptr), generator(seed, "covariance")
    kept = np.ones(x.nnz, bool)
    for reader in np.flatnonzero(counts > MOST_ROWS).tolist():
        gone = draw.choice(counts[reader], counts[reader] - MOST_ROWS, replace=False)
        kept[x.indptr[reader] + gone] = False
    indptr = np.concatenate([[0], np.cumsum(np.minimum(counts, MOST_ROWS))])
    return csr_array((x.data[kept], x.indices[kept], indptr), shape=x.shape)


def _strongest(x: Any, mean: Floats, variance: Floats, neighbours: int) -> Any:
    """Row j: C_ij of the books i in N_j, sparse [n_books, n_books].

    mean [n_books] is m sqrt(n_readers), so that C = X^T X - mean mean^T; variance [n_books] is its diagonal, regularised.
    """
    from scipy.sparse import csr_array

    turned, n = x.T.tocsr(), len(mean)
    counts, near, cells = np.zeros(n + 1, np.int64), list[Indices](), list[Floats]()
    for start, stop in _blocks(x):
        shared = turned[start:stop] @ x  # [b, n_books]
        for book, (first, last) in enumerate(pairwise(shared.indptr), start):
            others = shared.indices[first:last]
            cell = shared.data[first:last] - mean[book] * mean[others]  # [n_others]
            gain = np.where(others == book, -1.0, cell**2 / variance[others])
            kept = np.flatnonzero(gain > 0)
            if len(kept) > neighbours:
                kept = np.argpartition(-gain, neighbours)[:neighbours]
            near.append(others[kept])
            cells.append(cell[kept])
            counts[book + 1] = len(kept)
    return csr_array((np.concatenate(cells), np.concatenate(near), np.cumsum(counts)), shape=(n, n))


def _blocks(x: Any) -> Iterator[tuple[int, int]]:
    """Books in a row whose pairs with others are MOST_PAIRS at most, or one book."""
    counts = np.diff(x.indptr)
    pairs = np.cumsum(np.bincount(x.indices, np.repeat(counts, counts), x.shape[1]))
    start = 0
    while start < x.shape[1]:
        before = pairs[start - 1] if start else 0.0
        stop = max(int(np.searchsorted(pairs, before + MOST_PAIRS, side="right")), start + 1)
        yield start, min(stop, x.shape[1])
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
