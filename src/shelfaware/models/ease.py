"""EASE: what people pick up, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.interactions import READ, Interactions
from shelfaware.errors import ModelError
from shelfaware.models.base import Ranker
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run

COLUMNS = 1000
"""Columns of a table of books x books that are handled at once: beside the table itself memory stays small."""

READERS = 8
"""Readers that are scored at once, for the same reason."""


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
    neighbours: int = 300
    max_books: int = 20_000

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        n = train.n_books
        if n > self.max_books:
            raise ModelError(f"ease inverts a table of books x books, and {n:,} books are more than its {self.max_books:,}")
        readers = Readers.of(train)
        weights = self._inverse_gram(readers, n)  # P [n_books, n_books]
        weights /= -np.diagonal(weights).copy()  # B, but for the diagonal
        np.fill_diagonal(weights, 0.0)
        kept = _strongest(weights, min(self.neighbours, n))
        return {
            "indptr": kept.indptr.astype(np.int64),
            "targets": kept.indices.astype(np.int32),
            "weights": kept.data.astype(np.float32),
            "popularity": np.bincount(readers.book_index, minlength=n) / max(int((np.diff(readers.indptr) > 0).sum()), 1),
        }

    def _inverse_gram(self, readers: Readers, n_books: int) -> Floats:
        """P = (X^T X + regularisation I)^-1 [n_books, n_books], by Cholesky, in place."""
        from scipy.linalg import lapack
        from scipy.sparse import csr_array

        x = csr_array((self._taken(readers), readers.book_index, readers.indptr), shape=(len(readers), n_books))
        turned, by_book = x.T.tocsr(), x.tocsc()
        gram = np.empty((n_books, n_books))
        for start in range(0, n_books, COLUMNS):
            some = slice(start, start + COLUMNS)
            gram[:, some] = (turned @ by_book[:, some]).toarray()
        gram[np.diag_indices(n_books)] += self.regularisation
        root, failed = lapack.dpotrf(gram.T, lower=True, overwrite_a=True)
        inverse, failed = lapack.dpotri(root, lower=True, overwrite_c=True) if not failed else (root, failed)
        if failed:
            raise ModelError(f"ease needs a larger regularisation than {self.regularisation:g}: its table has no inverse")
        for i in range(n_books):
            inverse[i, i + 1 :] = inverse[i + 1 :, i]
        return np.asarray(inverse, np.float64)

    def _taken(self, readers: Readers) -> Floats:
        """x, how much each row's reader took to its book [m]."""
        unrated = np.where(readers.shelf == READ, self.read_weight, self.to_read_weight)
        return np.where(readers.rated, readers.stars / self.scale.max, unrated)

    def _scores(self, readers: Readers) -> Floats:
        scores = np.empty((len(readers), len(self.catalogue)))
        for start in range(0, len(readers), READERS):
            which = np.arange(start, min(start + READERS, len(readers)))
            scores[which] = self._spoken(readers.take(which))
        scores[np.diff(readers.indptr) == 0] = self.arrays["popularity"]
        return scores

    def _spoken(self, readers: Readers) -> Floats:
        """sum_i x_i B_ij: what each reader's books say of all books [n_readers, n_books]."""
        indptr, targets, weights = (self.arrays[name] for name in ("indptr", "targets", "weights"))
        counts, shape = np.diff(indptr)[readers.book_index], (len(readers), len(self.catalogue))
        if not counts.sum():
            return np.zeros(shape)
        books = list(map(slice, indptr[readers.book_index].tolist(), indptr[readers.book_index + 1].tolist()))
        target, weight = (np.concatenate([array[book] for book in books]) for array in (targets, weights))
        cell = np.repeat(readers.owner * shape[1], counts) + target
        said = np.bincount(cell, np.repeat(self._taken(readers), counts) * weight, shape[0] * shape[1])
        return np.asarray(said, np.float64).reshape(shape)


def _strongest(weights: Floats, keep: int) -> Any:
    """The `keep` weights of each column that are largest in size, as a sparse matrix; some columns at a time."""
    from scipy.sparse import coo_array

    n, parts = len(weights), []
    for start in range(0, n, COLUMNS):
        some = weights[:, start : start + COLUMNS]
        source = np.argpartition(-np.abs(some), keep - 1, axis=0)[:keep]  # [keep, columns]
        target = np.broadcast_to(np.arange(start, start + some.shape[1]), source.shape)  # [keep, columns]
        parts.append((np.take_along_axis(some, source, axis=0).ravel(), source.ravel(), target.ravel()))
    values, sources, targets = (np.concatenate(part) for part in zip(*parts, strict=True))
    return coo_array((values, (sources, targets)), shape=(n, n)).tocsr()
