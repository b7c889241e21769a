"""Metrics of ranked lists: arrays in, one value a user out. Gain is 1 for a relevant book and 0 for any other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Indices, Mask, Positions
from shelfaware.errors import EvaluationError


@dataclass(frozen=True, eq=False)
class Relevant:
    """The relevant books of each user, row by row: those of user u are `books[indptr[u]:indptr[u + 1]]`.

    indptr  i64 [n_users + 1]
    books   i32 [n]            book indices, ascending within a user, none twice
    """

    indptr: Positions
    books: Indices

    @classmethod
    def of_pairs(cls, user_index: AnyArray, book_index: AnyArray, n_users: int) -> Relevant:
        """From (user, book) pairs [n] in any order; users are the rows 0 to n_users - 1 of the ranked lists."""
        pairs = np.unique(np.stack([user_index, book_index]).astype(np.int64), axis=1)
        counts = np.bincount(pairs[0], minlength=n_users)
        return cls(np.concatenate([[0], np.cumsum(counts)]), pairs[1].astype(np.int32))

    @property
    def counts(self) -> Positions:
        """How many books are relevant to each user [n_users]."""
        return np.diff(self.indptr)

    def hits(self, ranked: Indices) -> Mask:
        """Where `ranked` [n_users, n] holds a relevant book of its row; padding (-1) is none.

        Raises EvaluationError for a list that names a book twice: it would be counted twice.
        """
        if len(ranked) != len(self.counts):
            raise EvaluationError(f"there are {len(ranked):,} ranked lists for {len(self.counts):,} users; give one a user")
        ordered = np.sort(ranked, axis=1)
        if ((np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)).any():
            raise EvaluationError("a ranked list names a book twice; rank every candidate once")
        width = max(int(ranked.max(initial=0)), int(self.books.max(initial=0))) + 1
        users = np.arange(len(ranked), dtype=np.int64)
        relevant = np.repeat(users, self.counts) * width + self.books
        return np.isin(users[:, None] * width + ranked, relevant) & (ranked >= 0)


def ndcg(ranked: Indices, relevant: Relevant, n: int = 10) -> Floats:
    """Normalised discounted cumulative gain of the first n [n_users] (Järvelin & Kekäläinen 2002), from 0 to 1.

        sum over ranks i <= n of hit_i / log2(i + 1),  divided by the same sum over the first min(n, relevant) ranks

    NaN for a user with no relevant book: undefined, not 0.
    """
    hits = relevant.hits(ranked[:, :n])
    discount = 1 / np.log2(np.arange(n) + 2)
    ideal = np.concatenate([[np.nan], np.cumsum(discount)])
    gain: Floats = hits @ discount[: hits.shape[1]]
    best: Floats = ideal[np.minimum(relevant.counts, n)]
    return gain / best


def recall(ranked: Indices, relevant: Relevant, n: int = 10) -> Floats:
    """The share of a user's relevant books among the first n [n_users]; NaN for a user with none."""
    found: Floats = relevant.hits(ranked[:, :n]).sum(axis=1).astype(np.float64)
    return found / np.where(relevant.counts, relevant.counts, np.nan)


def reciprocal_rank(ranked: Indices, relevant: Relevant, n: int = 10) -> Floats:
    """1 / rank of the first relevant book among the first n, 0 if there is none [n_users]; its mean is the MRR.

    NaN for a user with no relevant book at all.
    """
    hits = relevant.hits(ranked[:, :n])
    first = np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
    return np.where(relevant.counts > 0, first, np.nan)


def catalogue_coverage(ranked: Indices, n_books: int, n: int = 10) -> float:
    """The share of the catalogue that is among the first n of at least one user."""
    shown = np.unique(ranked[:, :n])
    return float((shown >= 0).sum() / n_books)


def top_n(scores: AnyArray, candidates: Mask, n: int = 10) -> Indices:
    """The n best candidates of each row, best first, i32 [n_users, n]; equal scores by ascending book index.

    scores      [n_users, n_books]  -inf and NaN are never ranked
    candidates  [n_users, n_books]  which books may be ranked; rows with fewer than n are padded with -1
    """
    scores = np.where(candidates & ~np.isnan(scores), scores, -np.inf)
    n_users, n_books = scores.shape
    kept = min(n, n_books)
    ranked = np.full((n_users, n), -1, np.int32)
    if not kept or not n_users:
        return ranked
    # A partition breaks ties as it likes, so it only gives the last score that is kept; ties at it enter from the left.
    last = np.partition(scores, n_books - kept, axis=1)[:, n_books - kept, None]
    above, tied = scores > last, scores == last
    enters = tied & (tied.cumsum(axis=1, dtype=np.int32) <= kept - above.sum(axis=1, keepdims=True))
    books = np.nonzero(above | enters)[1].reshape(n_users, kept)
    order = np.argsort(-np.take_along_axis(scores, books, axis=1), axis=1, kind="stable")
    books = np.take_along_axis(books, order, axis=1)
    ranked[:, :kept] = np.where(np.take_along_axis(scores, books, axis=1) > -np.inf, books, -1)
    return ranked
