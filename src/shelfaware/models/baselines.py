"""The baselines: a model that loses to one of them is a bug."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.models.base import Forecast, Ranker, RatingModel
from shelfaware.models.bias_equations import Decays, book_biases, mean_stars
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run


@dataclass(kw_only=True, eq=False)
class Mean(RatingModel):
    """prediction = m, the mean of all stars []: what a model has to beat first (Koren 2008, 2.1)."""

    name: ClassVar[str] = "mean"

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        return {"center": np.array([train.stars[train.rated].mean(dtype=np.float64)])}

    def _expect(self, readers: Readers) -> Floats:
        return np.full((len(readers), len(self.catalogue)), self.arrays["center"][0])

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        return Forecast(np.full(len(reader), self.arrays["center"][0]), None)


@dataclass(kw_only=True, eq=False)
class Bias(RatingModel):
    """prediction = m + b_u + b_i, with m the mean of all stars (Koren 2008, 2.1). b_u, b_i in stars [n_users], [n_books].

    The biases minimise sum (r - m - b_u - b_i)^2 + user_decay sum b_u^2 + book_decay sum b_i^2, exactly: b_u is a function
    of the book biases, b_u = sum over rated i (r - m - b_i) / (n_u + user_decay), so that a stranger has one too.
    """

    name: ClassVar[str] = "bias"

    user_decay: float = 4.0
    book_decay: float = 4.0

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        return self.learned([train], train.n_books)

    def learned(self, parts: Iterable[Interactions], n_books: int, folder: Path | None = None) -> dict[str, AnyArray]:
        """The arrays of a fit on data that comes part by part, twice; what must be kept of all parts is kept in `folder`."""
        center, decays = mean_stars(parts), Decays(self.user_decay, self.book_decay)
        return {"center": np.array([center]), "bias": book_biases(parts, n_books, center, decays, folder=folder)}

    def _residuals(self, readers: Readers) -> tuple[Positions, Floats, Floats]:
        """Owner, r - m - b_i of each rated row, and each reader's b_u."""
        rated = readers.rated
        owner = readers.owner[rated]
        residual = readers.stars[rated] - self.arrays["center"][0] - self.arrays["bias"][readers.book_index[rated]]
        user_bias = np.bincount(owner, residual, len(readers)) / np.maximum(readers.n_ratings + self.user_decay, 1e-12)
        return owner, residual, user_bias

    def _expect(self, readers: Readers) -> Floats:
        user_bias = self._residuals(readers)[2]
        return np.asarray(self.arrays["center"][0] + user_bias[:, None] + self.arrays["bias"][None, :], np.float64)

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        user_bias = self._residuals(readers)[2]
        return Forecast(np.asarray(self.arrays["center"][0] + user_bias[reader] + self.arrays["bias"][book_index]), None)

    def _left_out(self, readers: Readers) -> Floats:
        owner, residual, user_bias = self._residuals(readers)
        n = readers.n_ratings[owner] + self.user_decay
        without = (user_bias[owner] * n - residual) / np.maximum(n - 1, 1e-12)
        books = readers.book_index[readers.rated]
        return np.asarray(self.arrays["center"][0] + without + self.arrays["bias"][books], np.float64)


@dataclass(kw_only=True, eq=False)
class Popularity(Ranker):
    """score = the number of readers who rated a book [n_books], the same for everybody (Cremonesi et al. 2010, TopPop)."""

    name: ClassVar[str] = "popularity"

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        return {"count": train.book_ratings().astype(np.float64)}

    def _scores(self, readers: Readers) -> Floats:
        return np.tile(self.arrays["count"], (len(readers), 1))
