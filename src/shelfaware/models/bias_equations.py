"""The normal equations of `bias`, from ratings that come a part at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shelfaware.arrays import Floats, Indices, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.models.spool import Spool


class Decays(NamedTuple):
    """What is added to the number of ratings of a user, and of a book."""

    user: float
    book: float


class Side(NamedTuple):
    """The users of a part."""

    indptr: Positions  # of their rows in R [n_users + 1]
    books: Indices  # that they rated [n]
    shrunken: Floats  # 1 / (n_u + decay) [n_users]

    def taken_out(self, bias: Floats) -> Floats:
        """R^T W R b of these users [n_books]."""
        from scipy.sparse import csr_array

        # Made anew each time: a sparse matrix copies what is a small piece of an array, and a file must not be copied whole.
        rated = csr_array((np.ones(len(self.books)), self.books, self.indptr), shape=(len(self.shrunken), len(bias)))
        return np.asarray(rated.T @ (self.shrunken * (rated @ bias)), np.float64)


def mean_stars(parts: Iterable[Interactions]) -> float:
    """Of all ratings."""
    total, n = 0.0, 0
    for part in parts:
        total += float(part.stars[part.rated].sum(dtype=np.float64))
        n += part.n_ratings
    return total / n


def book_biases(
    parts: Iterable[Interactions], n_books: int, center: float, decays: Decays, *, folder: Path | None = None
) -> Floats:
    """b_i [n_books] of `Bias`: the user biases are eliminated, and conjugate gradients solve what is left,

        (D - R^T W R) b = R^T (r - m) - R^T W R_u

    with R the ratings [n_users, n_books], each a 1, R_u the sum of r - m of each user, W the diagonal of 1 / (n_u + decay)
    and D that of n_i + decay. The parts are gone through once; beside tables of books and users, which books were rated is
    kept, in memory or in a file in `folder`.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    sides, right, n_ratings = _read(parts, n_books, (center, decays.user), folder)
    diagonal = n_ratings + decays.book  # [n_books]
    if (diagonal == 0).any():
        diagonal = np.maximum(diagonal, 1.0)  # without decay, a book without ratings has bias 0

    def left(bias: Floats) -> Floats:
        return np.asarray(diagonal * bias - sum(side.taken_out(bias) for side in sides))

    operator = LinearOperator((n_books,) * 2, matvec=left, dtype=np.float64)
    scale = LinearOperator((n_books,) * 2, matvec=lambda x: x / diagonal, dtype=np.float64)
    bias, _ = cg(operator, right, rtol=1e-12, atol=0.0, maxiter=1000, M=scale)
    return np.asarray(bias, np.float64)


def _read(
    parts: Iterable[Interactions], n_books: int, given: tuple[float, float], folder: Path | None
) -> tuple[list[Side], Floats, Floats]:
    """The users of each part, the right side [n_books] and the ratings of each book [n_books]; given: m, a user's decay."""
    from scipy.sparse import csr_array

    center, user_decay = given
    total, told, n_ratings = np.zeros((3, n_books))
    books, users = Spool(np.int32, folder), list[tuple[Positions, Floats]]()
    for part in parts:
        ratings = part.ratings()
        first = int(ratings.user_index[0]) if len(ratings) else 0
        counts = np.bincount(ratings.user_index - first)
        indptr, shrunken = np.concatenate([[0], np.cumsum(counts)]), 1.0 / np.maximum(counts + user_decay, 1e-12)
        residual = ratings.stars.astype(np.float64) - center
        stars, rated = (
            csr_array((values, ratings.book_index, indptr), shape=(len(counts), n_books))
            for values in (residual, np.ones(len(ratings)))
        )
        total += stars.sum(axis=0)
        told += rated.T @ (shrunken * stars.sum(axis=1))
        n_ratings += ratings.book_ratings()
        books.add(ratings.book_index)
        users.append((indptr, shrunken))
    cuts = np.cumsum([indptr[-1] for indptr, _ in users[:-1]])
    pieces = np.split(books.whole(), cuts) if users else []
    return [Side(indptr, one, w) for (indptr, w), one in zip(users, pieces, strict=True)], total - told, n_ratings
