"""What a GP's book table says of readers: Bayesian linear regression, batched, in float64. NumPy only.

A book's features are phi = (q, a), a reader's weights w ~ N(0, I), so that phi_i . phi_j = q_i . q_j + a^2. With the rated
books' features Phi [n, f], noise s^2 and y = r - mu - prior, the smaller of two systems is solved:

    n <= f:  K = Phi Phi^T + diag(s^2)          A = K^-1       w = Phi^T A y
    n >  f:  C = I + Phi^T diag(s^-2) Phi       V = C^-1       w = V Phi^T (y / s^2)

In both alpha = A y = (y - Phi w) / s^2, and the variance of a new rating of j is s_j^2 + phi_j . V phi_j with
V = I - Phi^T A Phi (Rasmussen & Williams 2006, 2.1 and A.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shelfaware.arrays import Floats, Mask, Positions
from shelfaware.models.readers import Readers

CELLS = 2_000_000
"""Numbers in the largest array of a chunk of readers."""


@dataclass(frozen=True, eq=False)
class Table:
    """A fitted book table: phi [n_books, f], mu [n_books], noise s^2 [n_books], y [n_books, 2, f] with z last."""

    phi: Floats
    mu: Floats
    noise: Floats
    y: Floats


class Posterior(NamedTuple):
    """Of a chunk of readers, padded to the longest history: rated places [b, n], weights [b, f], A [b, n, n] or V [b, f, f]."""

    phi: Floats
    noise: Floats
    alpha: Floats
    weights: Floats
    matrix: Floats
    dual: bool

    def reduced(self, reader: Positions, phi: Floats) -> Floats:
        """phi . V phi of books with features `phi` [p, f], for the readers at `reader` [p] -> [p]."""
        if not self.dual:
            return np.asarray(np.einsum("pf,pfg,pg->p", phi, self.matrix[reader], phi, optimize=True))
        k = np.einsum("pnf,pf->pn", self.phi[reader], phi)  # [p, n]
        return np.asarray(np.einsum("pf,pf->p", phi, phi) - np.einsum("pn,pnm,pm->p", k, self.matrix[reader], k, optimize=True))

    def precision(self) -> Floats:
        """d = diag(K^-1) of the rated places [b, n]."""
        if self.dual:
            return np.diagonal(self.matrix, axis1=1, axis2=2)
        spread = np.einsum("bnf,bfg,bng->bn", self.phi, self.matrix, self.phi, optimize=True)
        return np.asarray(1 / self.noise - spread / self.noise**2)


def solve(phi: Floats, noise: Floats, y: Floats) -> Posterior:
    """The posterior of readers with rated places phi [b, n, f], noise and y [b, n]; an empty one is 0, 1 and 0."""
    n, f = phi.shape[1:]
    turned = np.swapaxes(phi, 1, 2)  # [b, f, n]
    if n <= f:
        matrix = _inverse(phi @ turned + noise[:, :, None] * np.eye(n))  # A [b, n, n]
        alpha = np.einsum("bnm,bm->bn", matrix, y)  # [b, n]
        return Posterior(phi, noise, alpha, np.einsum("bnf,bn->bf", phi, alpha), matrix, True)
    matrix = _inverse(np.eye(f) + (turned / noise[:, None, :]) @ phi)  # V [b, f, f]
    weights = np.einsum("bfg,bg->bf", matrix, np.einsum("bnf,bn->bf", phi, y / noise))  # [b, f]
    alpha = (y - np.einsum("bnf,bf->bn", phi, weights)) / noise  # [b, n]
    return Posterior(phi, noise, alpha, weights, matrix, False)


def _inverse(matrices: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrices), np.float64)


def chunks(readers: Readers, features: int) -> Iterator[Positions]:
    """Positions of readers of like history, few enough to be solved together."""
    order = np.argsort(readers.n_ratings, kind="stable")
    n = readers.n_ratings[order]
    start = 0
    while start < len(order):
        longest = max(int(1.25 * n[start]) + 1, 4)
        cells = longest * max(min(longest, features), features)
        end = min(int(np.searchsorted(n, longest, side="right")), start + max(CELLS // cells, 1))
        yield order[start:end]
        start = end


def posterior(table: Table, readers: Readers) -> tuple[Posterior, Positions, Positions]:
    """Of all `readers` at once; and of each rated row the reader and the place where it stands in the posterior."""
    rated = readers.rated
    owner, book = readers.owner[rated], readers.book_index[rated].astype(np.int64)
    place = np.arange(len(owner)) - (np.cumsum(readers.n_ratings) - readers.n_ratings)[owner]
    shape = (len(readers), int(readers.n_ratings.max(initial=0)))
    phi, noise, y = np.zeros((*shape, table.phi.shape[1])), np.ones(shape), np.zeros(shape)
    phi[owner, place], noise[owner, place] = table.phi[book], table.noise[book]
    y[owner, place] = readers.stars[rated] - table.mu[book] - prior(table, readers, owner, book)
    return solve(phi, noise, y), owner, place


def prior(table: Table, readers: Readers, reader: Positions, book: Positions) -> Floats:
    """prior_x of pairs [p]: |N \\ x|^-1/2 sum over b in N \\ x of (q_x . y_b + z_b), 0 for none but x."""
    total = _shelf_sums(table, readers)[reader]  # [p, f]
    n = np.diff(readers.indptr)[reader].astype(np.float64)  # [p]
    row, on_shelf = _rows_of(readers, reader, book, len(table.mu))
    own = table.y[book[on_shelf], readers.shelf[row[on_shelf]]]  # [.., f]
    total[on_shelf] -= own
    n[on_shelf] -= 1
    q = table.phi[book, :-1]  # [p, f - 1]
    terms = np.einsum("pf,pf->p", q, total[:, :-1]) + total[:, -1]
    return np.asarray(np.where(n > 0, terms / np.sqrt(np.maximum(n, 1)), 0.0))


def dense_prior(table: Table, readers: Readers) -> Floats:
    """prior_x of every book for each reader [n_readers, n_books]."""
    total = _shelf_sums(table, readers)  # [b, f]
    n = np.diff(readers.indptr)[:, None].astype(np.float64)  # [b, 1]
    stars = (total[:, :-1] @ table.phi[:, :-1].T + total[:, -1:]) / np.sqrt(np.maximum(n, 1))  # [b, n_books]
    stars[readers.owner, readers.book_index] = prior(table, readers, readers.owner, readers.book_index.astype(np.int64))
    return np.asarray(stars)


def _shelf_sums(table: Table, readers: Readers) -> Floats:
    """sum over N of (y_b, z_b) [n_readers, f]."""
    from scipy.sparse import csr_array

    flat = table.y.reshape(-1, table.y.shape[-1])  # [2 n_books, f]
    column = 2 * readers.book_index.astype(np.int64) + readers.shelf
    shelves = csr_array((np.ones(len(column)), column, readers.indptr), shape=(len(readers), len(flat)))
    return np.asarray(shelves @ flat)


def _rows_of(readers: Readers, reader: Positions, book: Positions, n_books: int) -> tuple[Positions, Mask]:
    """The row of `readers` that holds each pair, and whether there is one."""
    keys = readers.owner * n_books + readers.book_index
    wanted = reader * n_books + book
    row = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    return row, (keys[row] == wanted if len(keys) else np.zeros(len(wanted), bool))
