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

from shelfaware.arrays import Floats, Positions
from shelfaware.data.interactions import READ
from shelfaware.models.readers import Readers

CELLS = 250_000
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

    def times(self, reader: Positions, x: Floats) -> Floats:
        """A x for the readers at `reader` [p], x [p, n] -> [p, n]."""
        if self.dual:
            return np.asarray(np.einsum("pnm,pm->pn", self.matrix[reader], x, optimize=True))
        phi, noise = self.phi[reader], self.noise[reader]
        spread = np.einsum("pfg,pnf,pn->pg", self.matrix[reader], phi, x / noise, optimize=True)  # V Phi^T (x / s^2) [p, f]
        return np.asarray((x - np.einsum("pnf,pf->pn", phi, spread)) / noise)

    def inverse(self) -> Floats:
        """A [b, n, n]."""
        if self.dual:
            return self.matrix
        scaled = self.phi / self.noise[:, :, None]  # [b, n, f]
        return np.asarray(
            -scaled @ self.matrix @ np.swapaxes(scaled, 1, 2) + np.eye(self.noise.shape[1]) / self.noise[:, :, None]
        )


class Shelf(NamedTuple):
    """What the shelves say of x, x itself left out: the sum over b in N \\ x of (q_x . y_b + z_b), and |N \\ x|."""

    total: Floats
    n: Floats

    @property
    def prior(self) -> Floats:
        return np.asarray(self.total / np.sqrt(np.maximum(self.n, 1)))

    def loses(self, terms: Floats) -> Floats:
        """What the prior loses when one more book, whose term is `terms`, leaves the shelves."""
        without = np.where(self.n > 1, (self.total - terms) / np.sqrt(np.maximum(self.n - 1, 1)), 0.0)
        return np.asarray(np.where(self.n > 0, self.prior - without, 0.0))


class Rated(NamedTuple):
    """Rated rows: reader and place of each [rows]; and by place, padded: book, -1 where empty, and shelf [b, n]."""

    reader: Positions
    place: Positions
    book: Positions
    shelf: Shelf


class PairsOfChunk(NamedTuple):
    """Which of all pairs they are [p], the readers of the chunk, and each pair's reader among these and its book [p]."""

    rows: Positions
    readers: Readers
    reader: Positions
    book: Positions


def solve(phi: Floats, noise: Floats, y: Floats) -> Posterior:
    """The posterior of readers with rated places phi [b, n, f], noise and y [b, n]; an empty one is 0, 1 and 0."""
    n, f = phi.shape[1:]
    if n <= f:
        turned = np.swapaxes(phi, 1, 2)  # [b, f, n]
        matrix = _inverse(phi @ turned + noise[:, :, None] * np.eye(n))  # A [b, n, n]
        alpha = matrix @ y[..., None]  # [b, n, 1]
        return Posterior(phi, noise, alpha[..., 0], (turned @ alpha)[..., 0], matrix, True)
    turned = np.swapaxes(phi / noise[:, :, None], 1, 2)  # Phi^T diag(s^-2) [b, f, n]
    matrix = _inverse(np.eye(f) + turned @ phi)  # V [b, f, f]
    weights = matrix @ (turned @ y[..., None])  # [b, f, 1]
    alpha = (y - (phi @ weights)[..., 0]) / noise  # [b, n]
    return Posterior(phi, noise, alpha, weights[..., 0], matrix, False)


def _inverse(matrices: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrices), np.float64)


def chunks(readers: Readers, features: int) -> Iterator[Positions]:
    """Positions of readers of like history, few enough to be solved together."""
    order = np.argsort(readers.n_ratings, kind="stable")
    n = readers.n_ratings[order]
    start = 0
    while start < len(order):
        longest = max(int(1.25 * n[start]) + 1, 4)
        cells = longest * max(longest, features)
        end = min(int(np.searchsorted(n, longest, side="right")), start + max(CELLS // cells, 1))
        yield order[start:end]
        start = end


def pairs_by_chunk(readers: Readers, pairs: tuple[Positions, Positions], features: int) -> Iterator[PairsOfChunk]:
    """Pairs (reader, book) [p], chunk by chunk of like readers."""
    reader, book = pairs
    asked, place_of = np.unique(reader, return_inverse=True)
    some = readers.take(asked)
    for which in chunks(some, features):
        position = np.full(len(asked), -1)
        position[which] = np.arange(len(which))
        rows = np.flatnonzero(position[place_of] >= 0)
        yield PairsOfChunk(rows, some.take(which), position[place_of[rows]], book[rows])


def posterior(table: Table, readers: Readers) -> tuple[Posterior, Rated]:
    """Of all `readers` at once; and where their rated rows stand in it."""
    rated = readers.rated
    reader, book = readers.owner[rated], readers.book_index[rated].astype(np.int64)
    place = np.arange(len(reader)) - (np.cumsum(readers.n_ratings) - readers.n_ratings)[reader]
    shape = (len(readers), int(readers.n_ratings.max(initial=0)))
    rows = Rated(reader, place, np.full(shape, -1), Shelf(np.zeros(shape), np.zeros(shape)))
    terms = shelf_terms(table, readers, reader, book)
    rows.book[reader, place], rows.shelf.total[reader, place], rows.shelf.n[reader, place] = book, terms.total, terms.n
    phi, noise, y = np.zeros((*shape, table.phi.shape[1])), np.ones(shape), np.zeros(shape)
    phi[reader, place], noise[reader, place] = table.phi[book], table.noise[book]
    y[reader, place] = readers.stars[rated] - table.mu[book] - terms.prior
    return solve(phi, noise, y), rows


def left_out(table: Table, solved: Posterior, rated: Rated) -> Floats:
    """r_x minus what the other books say of x, as if x were neither rated nor on a shelf [b, n].

    alpha_x / d_x, with alpha of a y in which x has left the shelves: alpha_x = sum over i of A_xi (y_i + lost_xi).
    """
    own = table.y[rated.book, READ]  # [b, n, f]
    terms = own[..., :-1] @ np.swapaxes(solved.phi[..., :-1], 1, 2) + own[..., -1:]  # [b, x, i]
    lost = Shelf(rated.shelf.total[:, None], rated.shelf.n[:, None]).loses(terms)  # [b, x, i]
    places = np.arange(lost.shape[1])
    lost[:, places, places] = 0.0
    A = solved.inverse()  # [b, n, n]
    return np.asarray((solved.alpha + np.sum(A * lost, axis=-1)) / np.diagonal(A, axis1=1, axis2=2))


def left_out_stars(table: Table, readers: Readers) -> Floats:
    """What the other books of a reader say of each rated row [n rated rows]: r_x - `left_out`."""
    first = np.concatenate([[0], np.cumsum(readers.n_ratings)])
    stars = readers.stars[readers.rated]
    for which in chunks(readers, table.phi.shape[1]):
        solved, rated = posterior(table, readers.take(which))
        stars[first[which[rated.reader]] + rated.place] -= left_out(table, solved, rated)[rated.reader, rated.place]
    return stars


def shares(
    table: Table, readers: Readers, solved: tuple[Posterior, Rated], pairs: tuple[Positions, Positions]
) -> tuple[Floats, Floats]:
    """What each rated place adds to the stars of pairs (reader, book) [p, n], and the variance of the stars [p].

    Share of i: k[i] (A (y + lost))[i]. A predicted book that is on the reader's shelves is in the others' priors; `lost` takes
    it out there, so that its own state changes nothing.
    """
    (post, rated), (reader, book) = solved, pairs
    phi = table.phi[book]  # [p, f]
    k = np.einsum("pnf,pf->pn", post.phi[reader], phi)  # [p, n]
    explained = np.einsum("pn,pn->p", k, post.times(reader, k))  # [p]
    alpha = post.alpha[reader]  # [p, n]
    row, on_shelf = readers.rows_of(reader, book, len(table.mu))
    who, own = reader[on_shelf], table.y[book[on_shelf], readers.shelf[row[on_shelf]]]  # [..], [.., f]
    terms = np.einsum("pnf,pf->pn", post.phi[who][..., :-1], own[:, :-1]) + own[:, -1:]  # [.., n]
    lost = Shelf(rated.shelf.total[who], rated.shelf.n[who]).loses(terms)  # [.., n]
    alpha[on_shelf] += post.times(who, np.where(rated.book[who] == book[on_shelf, None], 0.0, lost))
    return k * alpha, table.noise[book] + np.einsum("pf,pf->p", phi, phi) - explained


def shelf_terms(table: Table, readers: Readers, reader: Positions, book: Positions) -> Shelf:
    """What the shelves say of pairs [p], the predicted book's own state left out."""
    total = _shelf_sums(table, readers)[reader]  # [p, f]
    n = np.diff(readers.indptr)[reader].astype(np.float64)  # [p]
    row, on_shelf = readers.rows_of(reader, book, len(table.mu))
    total[on_shelf] -= table.y[book[on_shelf], readers.shelf[row[on_shelf]]]
    n[on_shelf] -= 1
    terms = np.einsum("pf,pf->p", table.phi[book, :-1], total[:, :-1]) + total[:, -1]  # [p]
    return Shelf(np.where(n > 0, terms, 0.0), n)


def dense_prior(table: Table, readers: Readers) -> Floats:
    """prior_x of every book x that is not on a reader's shelves [n_readers, n_books]."""
    total = _shelf_sums(table, readers)  # [b, f]
    n = np.diff(readers.indptr)[:, None].astype(np.float64)  # [b, 1]
    return np.asarray((total[:, :-1] @ table.phi[:, :-1].T + total[:, -1:]) / np.sqrt(np.maximum(n, 1)))


def _shelf_sums(table: Table, readers: Readers) -> Floats:
    """sum over N of (y_b, z_b) [n_readers, f]."""
    sums = np.zeros((len(readers), table.y.shape[-1]))
    some = np.diff(readers.indptr) > 0
    if some.any():
        sums[some] = np.add.reduceat(table.y[readers.book_index, readers.shelf], readers.indptr[:-1][some], axis=0)
    return sums
