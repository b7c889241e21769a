"""EASE: what people pick up, in closed form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.interactions import READ, Interactions
from shelfaware.errors import ModelError
from shelfaware.models.base import Ranker
from shelfaware.models.ease_histories import Histories
from shelfaware.models.ease_truncated import truncated
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run

COLUMNS = 1000
"""Columns of a table of books x books that are handled at once: beside the table itself memory stays small."""

READERS = 8
"""Readers that are scored at once, for the same reason."""

WHOLE_BOOKS, FEW = 2000, 100
"""Without `neighbours`: every book speaks for every other in a catalogue of WHOLE_BOOKS, in a larger one FEW for each."""


@dataclass(kw_only=True, eq=False)
class EASE(Ranker):
    """score_j = m_j + sum_i (x_i - m_i) B_ij, the item-item ridge regression with a zero diagonal (Steck 2019):

        minimise |X - 1 m^T - (X - 1 m^T) B|^2 + regularisation |B|^2,  B_jj = 0
        C = (X - 1 m^T)^T (X - 1 m^T),  P = (C + regularisation I)^-1,  B_ij = -P_ij / P_jj

    X [n_readers, n_books]; B, C, P [n_books, n_books]; m, base, score [n_books].

    x_i says how much reader x took to book i: stars / most stars if rated, `read_weight` if read and unrated,
    `to_read_weight` if only wanted, 0 if unknown; m is its mean over readers with a history. Where a book has more others
    than `neighbours`, only its strongest speak for it, by a ridge of their own (`ease_truncated`): time and folder grow with
    books, not with books^2. To a reader without a history a book scores `base`, m - m B.
    """

    name: ClassVar[str] = "ease"

    regularisation: float = 50.0
    read_weight: float = 0.6
    to_read_weight: float = 0.25
    neighbours: int | None = None

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        return self.learned([Readers.of(train)], train.n_books)

    def learned(self, parts: Iterable[Readers], n_books: int, folder: Path | None = None) -> dict[str, AnyArray]:
        """The arrays of a fit on readers that come part by part, twice; every part has all of them, with rows or without.

        With a `folder` memory grows with books alone where these are many: the rest stands in files there.
        """
        from scipy.sparse import csr_array

        mean, n_readers = self._mean(parts, n_books)
        matrices = (self._matrix(readers, n_books) for readers in parts)
        neighbours = self.neighbours or (n_books if n_books <= WHOLE_BOOKS else FEW)
        if neighbours < n_books - 1:
            histories = Histories.of(matrices, n_books, seed=self.seed, folder=folder)
            weights = truncated(histories, neighbours, self.regularisation)
        else:
            weights = csr_array(self._whole(matrices, mean, n_readers))
        return {
            "indptr": weights.indptr.astype(np.int64),
            "targets": weights.indices.astype(np.int32),
            "weights": weights.data.astype(np.float32),
            "base": mean - mean @ weights,
        }

    def _matrix(self, readers: Readers, n_books: int) -> Any:
        """x, sparse [n_readers, n_books]."""
        from scipy.sparse import csr_array

        return csr_array((self.taken(readers), readers.book_index, readers.indptr), shape=(len(readers), n_books))

    def _mean(self, parts: Iterable[Readers], n_books: int) -> tuple[Floats, int]:
        """m [n_books], and how many readers have a history."""
        total, n_readers = np.zeros(n_books), 0
        for readers in parts:
            np.add.at(total, readers.book_index, self.taken(readers))
            n_readers += int(np.count_nonzero(np.diff(readers.indptr)))
        return total / max(n_readers, 1), max(n_readers, 1)

    def _whole(self, matrices: Iterable[Any], mean: Floats, n_readers: int) -> Floats:
        """B [n_books, n_books], by one Cholesky factor of C, in place."""
        from scipy.linalg import lapack

        gram = _products(matrices, len(mean))
        for start in range(0, len(mean), COLUMNS):
            some = slice(start, start + COLUMNS)
            gram[:, some] -= n_readers * np.outer(mean, mean[some])
        gram[np.diag_indices(len(mean))] += self.regularisation
        root, failed = lapack.dpotrf(gram.T, lower=True, overwrite_a=True)
        inverse, failed = lapack.dpotri(root, lower=True, overwrite_c=True) if not failed else (root, failed)
        if failed:
            raise ModelError(f"ease needs a larger regularisation than {self.regularisation:g}: its table has no inverse")
        for i in range(len(mean)):
            inverse[i, i + 1 :] = inverse[i + 1 :, i]
        inverse /= -np.diagonal(inverse).copy()  # B, but for the diagonal
        np.fill_diagonal(inverse, 0.0)
        return np.asarray(inverse, np.float64)

    def taken(self, readers: Readers) -> Floats:
        """x, how much each row's reader took to its book [m]."""
        unrated = np.where(readers.shelf == READ, self.read_weight, self.to_read_weight)
        return np.where(readers.rated, readers.stars / self.scale.max, unrated)

    def _scores(self, readers: Readers) -> Floats:
        scores = np.empty((len(readers), len(self.catalogue)))
        for start in range(0, len(readers), READERS):
            which = np.arange(start, min(start + READERS, len(readers)))
            scores[which] = self.arrays["base"] + self._spoken(readers.take(which))
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
        said = np.bincount(cell, np.repeat(self.taken(readers), counts) * weight, shape[0] * shape[1])
        return np.asarray(said, np.float64).reshape(shape)


def _products(matrices: Iterable[Any], n_books: int) -> Floats:
    """X^T X [n_books, n_books], of all matrices one below the other."""
    gram = np.zeros((n_books, n_books))
    for x in matrices:
        turned, by_book = x.T.tocsr(), x.tocsc()
        for start in range(0, n_books, COLUMNS):
            some = slice(start, start + COLUMNS)
            gram[:, some] += (turned @ by_book[:, some]).toarray()
    return gram
