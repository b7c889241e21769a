"""ALS: matrix factorisation by alternating least squares."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions, Stars
from shelfaware.data.interactions import Interactions
from shelfaware.models.base import RatingModel
from shelfaware.models.gibbs import Side, conditioned
from shelfaware.models.gp_posterior import Table, chunks, left_out_stars, posterior
from shelfaware.models.readers import Readers
from shelfaware.seeding import generator
from shelfaware.training.history import EpochRecord, History, Scores
from shelfaware.training.loop import Run


@dataclass(kw_only=True, eq=False)
class ALS(RatingModel):
    """prediction = m + b_u + c_i + p_u . q_i, by alternating least squares (Zhou et al. 2008; Hu, Koren & Volinsky 2008).

        minimise sum (r - m - b_u - c_i - p_u . q_i)^2 + regularisation (|p_u|^2 + b_u^2 + |q_i|^2 + c_i^2)

    With the books fixed each user is a ridge regression, and the other way round. Without `biases` m, b and c are 0. Only the
    books are kept: (p_u, b_u) is a function of them and of the user's ratings, so a stranger folds in.

    p_u, q_i [factors] of each user and book; m, b_u, c_i in stars.

    factors          width of p and q
    epochs           times that books and users are solved in turn
    regularisation   in stars^2
    """

    name: ClassVar[str] = "als"

    factors: int = 64
    epochs: int = 15
    regularisation: float = 12.0
    biases: bool = True

    @classmethod
    def plain(cls) -> Self:
        """The sister study's: 80 factors, regularisation 5, no biases."""
        return cls(factors=80, epochs=60, regularisation=5.0, biases=False)

    @property
    def uses_shelves(self) -> bool:
        return False

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        mean = float(train.stars.mean(dtype=np.float64))
        center = mean if self.biases else 0.0
        books, self.history = self._alternate(train, center, run)
        bias = books[:, self.factors] if self.biases else np.zeros(len(books))
        arrays = {"book_vectors": books[:, : self.factors], "book_means": (center + bias).astype(np.float32)}
        return {"center": np.array([mean]), **arrays}

    def _alternate(self, train: Interactions, center: float, run: Run) -> tuple[Stars, History]:
        """(q, c) of each book [n_books, f], and the error on the training rows after each turn."""
        user, book = train.user_index.astype(np.int64), train.book_index.astype(np.int64)
        f = self.factors + self.biases
        of_books = Side.of(book, train.n_books, (user, train.n_users), f)
        of_users = Side.of(user, train.n_users, (book, train.n_books), f)
        books = self._start(train.n_books)
        stars, history = train.stars - np.float32(center), History(best_epoch=self.epochs)
        users = self._solve(of_users, books, stars - self._bias(books, book))
        for epoch in range(1, self.epochs + 1):
            started = time.perf_counter()
            books = self._solve(of_books, users, stars - self._bias(users, user))
            users = self._solve(of_users, books, stars - self._bias(books, book))
            dot = np.einsum("nf,nf->n", users[user, : self.factors], books[book, : self.factors])
            error = stars - self._bias(users, user) - self._bias(books, book) - dot
            scores, seconds = Scores.of_errors(error), time.perf_counter() - started
            history.records.append(EpochRecord(epoch, self.epochs, scores, None, seconds))
            if run.on_epoch:
                run.on_epoch(history.records[-1])
        return books, history

    def _start(self, n_books: int) -> Stars:
        """Small vectors around the biases; without any, entries from 0 to 1, since products must come to whole stars."""
        rng = generator(self.seed, "initial values")
        if not self.biases:
            return rng.random((n_books, self.factors), np.float32)
        return np.append(
            0.1 * rng.standard_normal((n_books, self.factors), np.float32), np.zeros((n_books, 1), np.float32), axis=1
        )

    def _bias(self, vectors: Stars, index: Positions) -> Stars:
        return vectors[index, self.factors] if self.biases else np.zeros(len(index), np.float32)

    def _solve(self, side: Side, others: Stars, target: Stars) -> Stars:
        """The ridge regressions of everybody on one side [n, f]: `target` [m] on the others' vectors and 1, with biases."""
        features = np.append(others, np.zeros((1, others.shape[1]), np.float32), axis=0)  # [n_other + 1, f]
        features[:-1, self.factors :] = 1.0
        noise = np.append(np.full(len(target), self.regularisation, np.float32), np.float32(1.0))
        start = np.zeros((side.n, others.shape[1]), np.float32)
        return conditioned(side, features, (np.append(target, np.float32(0.0)), noise), start)

    def _expect(self, readers: Readers) -> Floats:
        table = self.derived(self._table)
        stars = np.empty((len(readers), len(table.mu)))
        for which in chunks(readers, table.phi.shape[1]):
            stars[which] = table.mu + posterior(table, readers.take(which))[0].weights @ table.phi.T
        return stars

    def _left_out(self, readers: Readers) -> Floats:
        return left_out_stars(self.derived(self._table), readers)

    def _table(self, arrays: dict[str, AnyArray]) -> Table:
        """The ridge regression of a reader is the mean of a GP: prior N(0, I), noise `regularisation`."""
        vectors = arrays["book_vectors"].astype(np.float64)
        bias = np.full((len(vectors), 1), float(self.biases))
        noise = np.full(len(vectors), max(self.regularisation, 1e-6))
        return Table(
            np.hstack([vectors, bias]),
            arrays["book_means"].astype(np.float64),
            noise,
            np.zeros((len(vectors), 2, vectors.shape[1] + 1)),
        )

    def _vectors(self) -> Floats:
        return self.arrays["book_vectors"].astype(np.float64)
