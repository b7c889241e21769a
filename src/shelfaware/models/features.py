"""What is expected of a user or a book before any rating: sparse features, and the weights that they have.

A row with the set N of features has the prior mean m + |N|^-1/2 sum over c in N of W_c (Simm et al. 2017, "Macau"); of the
features the MOST_COLUMNS commonest have a W that is not 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from shelfaware.arrays import AnyArray, Floats, Indices, Positions
from shelfaware.data.books import Books
from shelfaware.models.readers import Readers

MOST_COLUMNS = 1000
"""Features whose weights are learned, the commonest: all are drawn together, from a table of columns x columns."""

LEAST_BOOKS = 2
"""Books that an author, a series, a genre or a decade must have for it to say anything of another."""

PRECISIONS = np.geomspace(0.5, 8000.0, 41)
"""Of the entries of W, whitened: the largest is next to no W at all."""


@dataclass(frozen=True, eq=False)
class Features:
    """F [n, columns], sparse, each row's entries |N|^-1/2; and F^T F = basis diag(values) basis^T."""

    matrix: Any
    values: Floats
    basis: Floats

    @classmethod
    def of(cls, matrix: Any) -> Features:
        values, basis = np.linalg.eigh((matrix.T @ matrix).toarray())
        return cls(matrix, np.maximum(values, 0.0), basis)

    @property
    def n(self) -> int:
        """How many columns there are."""
        return int(self.matrix.shape[1])

    def means(self, weights: AnyArray) -> Floats:
        """What W [columns, f] adds to each row's prior mean [n, f]."""
        return np.asarray(self.matrix @ weights)

    def draw_precision(self, white: AnyArray, rng: np.random.Generator) -> float:
        """That of the entries of W, from PRECISIONS, given the rows' vectors [n, f], both whitened and W integrated out."""
        likelihood = self._likelihood(self._told(white))
        weight = np.exp(likelihood - likelihood.max())
        return float(rng.choice(PRECISIONS, p=weight / weight.sum()))

    def draw(self, white: AnyArray, precision: float, rng: np.random.Generator) -> Floats:
        """W [columns, f] given the rows' vectors, both whitened: white = F W + N(0, I), W ~ N(0, 1 / precision)."""
        x, left = self._told(white), self.values + precision
        return np.asarray(self.basis @ (x / left[:, None] + rng.standard_normal(x.shape) / np.sqrt(left)[:, None]))

    def fit(self, white: AnyArray) -> Floats:
        """The mean of what `draw` draws, at the likeliest precision."""
        x = self._told(white)
        return np.asarray(self.basis @ (x / (self.values + PRECISIONS[self._likelihood(x).argmax()])[:, None]))

    def products(self, columns: Floats, precision: float) -> Floats:
        """X^T (I + F F^T / precision)^-1 X of some columns X [n, c]: what W, integrated out, leaves of X^T X [c, c]."""
        x = self._told(columns)  # [columns of F, c]
        return np.asarray(columns.T @ columns - x.T @ (x / (self.values + precision)[:, None]))

    def _told(self, columns: AnyArray) -> Floats:
        """B^T F^T X [columns of F, c] of some columns X [n, c], where F^T F = B diag(g) B^T."""
        return np.asarray(self.basis.T @ (self.matrix.T @ columns))

    def _likelihood(self, x: Floats) -> Floats:
        """Of each of PRECISIONS, with x = B^T F^T white [columns, f]: log p(white | precision) =
        1/2 sum over entries of (x^2 / (g + precision) - log(1 + g / precision)), but for a constant.
        """
        squares, g = (x**2).sum(axis=1), self.values
        each = [squares / (g + t) - x.shape[1] * np.log1p(g / t) for t in PRECISIONS]
        return 0.5 * np.array([part.sum() for part in each])


def of_shelves(readers: Readers, n_books: int) -> tuple[Features, Indices]:
    """The (book, state) pairs of each user; and the column of each [n_books, 2], the number of columns where W is 0.

    Beside the kept ones a user's other pairs count in |N|: a reader is told the same whatever was kept.
    """
    from scipy.sparse import csr_array

    column = 2 * readers.book_index.astype(np.int64) + readers.shelf
    kept = _commonest(np.bincount(column, minlength=2 * n_books), least=1)
    place = np.full(2 * n_books, len(kept), np.int32)
    place[kept] = np.arange(len(kept))
    worth = 1 / np.sqrt(np.diff(readers.indptr)[readers.owner])
    everything = csr_array((worth, column, readers.indptr), shape=(len(readers), 2 * n_books))
    return Features.of(everything.tocsc()[:, kept].tocsr()), place.reshape(n_books, 2)


def of_books(books: Books) -> Any:
    """F of the authors, series, genres and decades of each book; those that are not kept do not count in |N| either."""
    from scipy.sparse import csr_array

    decade = (pl.col("year") // 10).cast(pl.String)
    kinds = {
        "author": pl.col("authors"),
        "genre": pl.col("genres"),
        "series": pl.concat_list("series"),
        "decade": pl.concat_list(decade),
    }
    table = books.table.with_row_index("row")
    named = [
        table.select("row", name=of).explode("name").drop_nulls().with_columns(pl.lit(kind).alias("kind"))
        for kind, of in kinds.items()
    ]
    pairs = pl.concat(named).unique(maintain_order=True)
    column = pairs.select(pl.struct("kind", "name").rank("dense").alias("column"))["column"].cast(pl.Int64).to_numpy() - 1
    kept = _commonest(np.bincount(column), least=LEAST_BOOKS)
    there = np.isin(column, kept)
    row = pairs["row"].cast(pl.Int64).to_numpy()[there]
    worth = 1 / np.sqrt(np.bincount(row, minlength=len(books)))[row]
    place = np.searchsorted(kept, column[there])
    return csr_array((worth, (row, place)), shape=(len(books), len(kept)))


def _commonest(count: Positions, *, least: int) -> Positions:
    """The columns with the largest counts, ascending."""
    most = np.argsort(-count, kind="stable")[:MOST_COLUMNS]
    return np.sort(most[count[most] >= least])
