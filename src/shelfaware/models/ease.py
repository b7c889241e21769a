"""EASE: what people pick up, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.interactions import READ, Interactions
from shelfaware.errors import ModelError
from shelfaware.models.base import BLOCK_CELLS, Ranker
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run


@dataclass(kw_only=True, eq=False)
class EASE(Ranker):
    """score_j = sum_i x_i B_ij, the item-item ridge regression with a zero diagonal (Steck 2019):

        minimise |X - X B|^2 + regularisation |B|^2,  B_jj = 0        P = (X^T X + regularisation I)^-1,  B_ij = -P_ij / P_jj

    x_i says how much reader x took to book i: stars / most stars if rated, `read_weight` if read and unrated,
    `to_read_weight` if only wanted, 0 if unknown.
    """

    name: ClassVar[str] = "ease"

    regularisation: float = 50.0
    read_weight: float = 0.8
    to_read_weight: float = 0.4
    max_books: int = 4000

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        n = train.n_books
        if n > self.max_books:
            raise ModelError(f"ease needs a table of books x books, and {n:,} books are more than its {self.max_books:,}")
        readers = Readers.of(train)
        gram = self.regularisation * np.eye(n)
        size = max(BLOCK_CELLS // n, 1)
        for start in range(0, len(readers), size):
            x = self.taken(readers.take(np.arange(start, min(start + size, len(readers)))), n)  # [b, n_books]
            gram += x.T @ x
        inverse = np.linalg.inv(gram)
        weights = -inverse / np.diagonal(inverse)
        np.fill_diagonal(weights, 0.0)
        return {"weights": weights.astype(np.float32)}

    def taken(self, readers: Readers, n_books: int) -> Floats:
        """x, how much each reader took to each book [n_readers, n_books]."""
        unrated = np.where(readers.shelf == READ, self.read_weight, self.to_read_weight)
        return readers.dense(np.where(readers.rated, readers.stars / self.scale.max, unrated), n_books)

    def _scores(self, readers: Readers) -> Floats:
        weights = self.arrays["weights"].astype(np.float64)
        return np.asarray(self.taken(readers, len(weights)) @ weights)

    def _vectors(self) -> Floats:
        return np.asarray(self.arrays["weights"], np.float64)
