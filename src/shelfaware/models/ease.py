"""EASE: what people pick up, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.interactions import READ, Interactions
from shelfaware.errors import ModelError
from shelfaware.models.base import Ranker
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run


@dataclass(kw_only=True, eq=False)
class EASE(Ranker):
    """score_j = sum_i x_i B_ij, the item-item ridge regression with a zero diagonal (Steck 2019):

        minimise |X - X B|^2 + regularisation |B|^2,  B_jj = 0        P = (X^T X + regularisation I)^-1,  B_ij = -P_ij / P_jj

    x_i says how much reader x took to book i: stars / most stars if rated, `read_weight` if read and unrated,
    `to_read_weight` if only wanted, 0 if unknown. Each column of B keeps its `neighbours` largest weights, so that a folder
    of 10,000 books stays small; a table of `neighbours` books or fewer is whole. To a reader without a history a book
    scores the share of readers who took it up.
    """

    name: ClassVar[str] = "ease"

    regularisation: float = 50.0
    read_weight: float = 0.8
    to_read_weight: float = 0.4
    neighbours: int = 400
    max_books: int = 20_000

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        n = train.n_books
        if n > self.max_books:
            raise ModelError(f"ease inverts a table of books x books, and {n:,} books are more than its {self.max_books:,}")
        readers = Readers.of(train)
        weights = np.linalg.inv(self._gram(readers, n))  # P [n_books, n_books]
        weights /= -np.diagonal(weights).copy()  # B, but for the diagonal
        np.fill_diagonal(weights, 0.0)
        keep = min(self.neighbours, n)
        strongest = np.sort(np.argpartition(-np.abs(weights), keep - 1, axis=0)[:keep], axis=0)  # [keep, n_books]
        values = np.take_along_axis(weights, strongest, axis=0)  # [keep, n_books]
        return {
            "neighbours": strongest.T.astype(np.int32),
            "weights": values.T.astype(np.float32),
            "popularity": np.bincount(readers.book_index, minlength=n) / len(readers),
        }

    def _gram(self, readers: Readers, n_books: int) -> Floats:
        """X^T X + regularisation I [n_books, n_books], from the ratings alone in memory."""
        from scipy.sparse import csr_array

        x = csr_array((self._taken(readers), readers.book_index, readers.indptr), shape=(len(readers), n_books))
        gram = (x.T @ x).toarray()
        gram[np.diag_indices(n_books)] += self.regularisation
        return np.asarray(gram, np.float64)

    def _taken(self, readers: Readers) -> Floats:
        """x, how much each row's reader took to its book [m]."""
        unrated = np.where(readers.shelf == READ, self.read_weight, self.to_read_weight)
        return np.where(readers.rated, readers.stars / self.scale.max, unrated)

    def _scores(self, readers: Readers) -> Floats:
        from scipy.sparse import csr_array

        neighbours, n = self.arrays["neighbours"], len(self.catalogue)
        indptr = np.arange(len(neighbours) + 1) * neighbours.shape[1]
        flat = self.arrays["weights"].ravel().astype(np.float64)
        transposed = csr_array((flat, neighbours.ravel(), indptr), shape=(n, n))  # B^T
        x = csr_array((self._taken(readers), readers.book_index, readers.indptr), shape=(len(readers), n))
        scores: Floats = (x @ transposed.T).toarray()
        scores[np.diff(readers.indptr) == 0] = self.arrays["popularity"]
        return scores
