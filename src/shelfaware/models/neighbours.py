"""Neighbours: what the users who rate most alike gave a book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.interactions import READ, Interactions
from shelfaware.models.base import RatingModel
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run

COMMON_COUNT = 10.0
"""Common books at which a correlation counts half, where correlations are shrunken."""


@dataclass(kw_only=True, eq=False)
class Neighbours(RatingModel):
    """User-user collaborative filtering by Pearson's correlation (Resnick et al. 1994; Herlocker et al. 1999).

        x_ui = stars_ui + read_weight [i is read] + shelved_weight [i is on a shelf]     of books rated, or with x_ui > 0
        s_uv = n / (n + 10) corr(x_ui, x_vi over the n books common to u and v); 0 if n < `common` or s_uv <= 0
        prediction = m_u + sum of s_uv (r_vi - m_v) / sum of |s_uv|        over the `neighbours` v most alike who rated i

    x [n_users, n_books], sparse; s [readers asked, n_users].

    m_u is the user's mean, in stars. Not `centered`: the mean of r_vi weighted by s_uv, not shrunken either; the mean of all
    stars if no neighbour rated i: the sister study's model as far as it is known. The neighbours are the most alike of all
    users, whether they rated the book or not. The model is the training ratings themselves: it holds its users.
    """

    name: ClassVar[str] = "neighbours"
    holds_users: ClassVar[bool] = True

    neighbours: int = 400
    common: int = 5
    read_weight: float = 0.0
    shelved_weight: float = 0.0
    centered: bool = True

    @classmethod
    def plain(cls) -> Self:
        """The sister study's, unweighted, as far as it is known."""
        return cls(neighbours=10, centered=False)

    @property
    def uses_shelves(self) -> bool:
        return self.read_weight > 0 or self.shelved_weight > 0

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        readers = Readers.of(train)
        return {
            "center": np.array([train.stars[train.rated].mean(dtype=np.float64)]),
            "indptr": readers.indptr,
            "book_index": readers.book_index,
            "stars": np.where(readers.rated, readers.stars, 0.0).astype(np.float32),
            "rated": readers.rated,  # 0 can be a rating
            "taken": self._taken(readers).astype(np.float32),
        }

    def _taken(self, readers: Readers) -> Floats:
        """x of each row [m]."""
        stars = np.where(readers.rated, readers.stars, 0.0)
        return np.asarray(stars + self.read_weight * (readers.shelf == READ) + self.shelved_weight, np.float64)

    @staticmethod
    def _has(readers: Readers, taken: Floats) -> Floats:
        """1 where x says something [m]: of a rated book, or of any that has a weight."""
        return (readers.rated | (taken > 0)).astype(np.float64)

    def _expect(self, readers: Readers) -> Floats:
        table = self.derived(_table)
        rated, residual = table.rated, table.stars
        mean = np.full(len(readers), table.center)
        if self.centered:
            residual = table.residual
            mean = _means(np.where(readers.rated, readers.stars, 0.0), readers.rated, readers.indptr, table.center)
        alike = self._alike(table, readers)  # [b, n_users]
        weight = alike @ rated  # [b, n_books]
        said = alike @ residual / np.maximum(weight, 1e-9)
        return np.asarray(np.where(weight > 1e-9, mean[:, None] + said if self.centered else said, mean[:, None]), np.float64)

    def _alike(self, table: _Table, readers: Readers) -> Floats:
        """s_uv of the neighbours of each reader, 0 elsewhere [b, n_users]; nobody is a neighbour of themselves."""
        n_books = table.taken.shape[1]
        x = readers.dense(self._taken(readers), n_books)  # [b, n_books]
        has = readers.dense(self._has(readers, self._taken(readers)), n_books)
        alike = _correlation((x, has), table, self.common if not self.centered else max(self.common, 2), self.centered)
        known = np.flatnonzero(readers.user_index >= 0)
        alike[known, readers.user_index[known]] = 0.0
        if self.neighbours < alike.shape[1]:
            least = -np.partition(-alike, self.neighbours - 1, axis=1)[:, self.neighbours - 1 : self.neighbours]  # [b, 1]
            alike[alike < least * (1 - 1e-9)] = 0.0  # who is as alike, but for rounding, is a neighbour too
        return alike


@dataclass(frozen=True, eq=False)
class _Table:
    """Sparse matrices, users x books: who rated what, stars, stars less the user's mean, x, where x > 0, and x^2."""

    center: float
    rated: Any
    stars: Any
    residual: Any
    taken: Any
    has: Any
    squares: Any


def _table(arrays: dict[str, AnyArray]) -> _Table:
    from scipy.sparse import csr_array

    indptr, index, stars = arrays["indptr"], arrays["book_index"], arrays["stars"].astype(np.float64)
    shape = (len(indptr) - 1, len(arrays["star_counts"]))
    rated, center = arrays["rated"].astype(np.float64), float(arrays["center"][0])
    x = arrays["taken"].astype(np.float64)
    has = np.maximum(rated, x > 0)
    mean = np.repeat(_means(stars, rated > 0, indptr, center), np.diff(indptr))
    columns = (rated, stars, rated * (stars - mean), x, has, x**2)
    return _Table(center, *(csr_array((column, index, indptr), shape=shape) for column in columns))


def _means(stars: Floats, rated: AnyArray, indptr: AnyArray, center: float) -> Floats:
    """The mean of each reader's stars, `center` without any."""
    owner = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    n, total = (np.bincount(owner, x, len(indptr) - 1) for x in (rated.astype(np.float64), stars))
    return np.where(n > 0, total / np.maximum(n, 1), center)


def _correlation(reader: tuple[Floats, Floats], table: _Table, common: int, shrunken: bool) -> Floats:
    """Pearson's correlation of x over common books, of each reader (x, has) with each user, if positive [b, n_users]."""
    x, has = reader
    n, both = (table.has @ has.T).T, (table.taken @ x.T).T
    of_x, of_y = (table.has @ x.T).T, (table.taken @ has.T).T
    spread_x = (table.has @ (x**2).T).T - of_x**2 / np.maximum(n, 1)
    spread_y = (table.squares @ has.T).T - of_y**2 / np.maximum(n, 1)
    length = np.sqrt(np.maximum(spread_x * spread_y, 0.0))
    alike = np.where((n >= common) & (length > 1e-6), (both - of_x * of_y / np.maximum(n, 1)) / np.maximum(length, 1e-6), 0.0)
    return np.maximum(alike * (n / (n + COMMON_COUNT) if shrunken else 1.0), 0.0)
