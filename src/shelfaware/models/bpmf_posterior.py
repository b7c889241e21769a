"""What samples of the book side say of readers: Bayesian ordered probit regression in each, then their mean. NumPy only.

In one sample a reader's weights are w ~ N(h, I), with h = |N|^-1/2 sum over b in N of y_b and rated books' phi [n, f], means mu
and noise s^2. Stars are steps of a latent z_i ~ N(mu_i + phi_i . w, s_i^2) (`ordinal`). With latent stars in hand it is linear:

    V = (I + Phi^T diag(s^-2) Phi)^-1 = I - Phi^T (Phi Phi^T + diag(s^2))^-1 Phi        g = Phi^T diag(s^-2) (z - mu)
    latent stars of x    m_x = mu_x + phi_x . V (g + h)            their variance     s_x^2 + phi_x . V phi_x
    of which             phi_x . V h by the shelves, and phi_x . V phi_i (z_i - mu_i) / s_i^2 because of i
    x left out           z_x - e_x / l_x, variance s_x^2 / l_x, with e_x = z_x - m_x and l_x = 1 - phi_x . V phi_x / s_x^2

and z_i = E[z_i | m_i, s_i, r_i] is what both agree on (mean-field variational; Girolami & Rogers 2006): FIRST_TURNS turns in
the first sample, then TURNS from where the last one ended, with rated books alone as N, so that no unrated book's state moves
them. Latent means and variances are averaged over samples, and E[r], Var[r] are those of that normal's steps.

What is asked is what a reader would give x once they have read it, so x is always among N as a read book, whatever its state:
h_x takes the others of N and x. Every training rating was of such a book, and held-out ratings are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shelfaware.arrays import Floats, Indices, Positions
from shelfaware.data.interactions import READ
from shelfaware.models.gp_posterior import chunks
from shelfaware.models.ordinal import StarSteps
from shelfaware.models.readers import Readers

PAIR_CELLS = 1_000_000
"""Numbers in the largest array of some pairs."""

FIRST_TURNS, TURNS = 8, 1
"""Of latent stars and weights, in the first sample and in each later one, which starts from the last one's latent stars."""


@dataclass(frozen=True, eq=False)
class Table:
    """One sample: phi [n_books, f], mu [n_books], noise s^2 [n_books], y [columns + 1, f].

    row [n_books, 2] says which row of y is that of a book read or to be read; the last, of those too rare to learn, is 0.
    """

    phi: Floats
    mu: Floats
    noise: Floats
    y: Floats
    row: Indices


@dataclass(frozen=True, eq=False)
class Posterior:
    """The samples and the steps between which the stars lie."""

    tables: list[Table]
    steps: StarSteps

    @property
    def features(self) -> int:
        return int(self.tables[0].phi.shape[1])

    @property
    def n_books(self) -> int:
        return len(self.tables[0].mu)

    def tastes(self, readers: Readers) -> Iterator[tuple[Table, Places, Taste]]:
        """What each sample makes of some readers of like history."""
        places, latent = Places.of(readers, self.steps), None
        for table in self.tables:
            known = taste(table, readers, places, latent)
            latent = known.latent
            yield table, places, known


class Places(NamedTuple):
    """Rated rows of a chunk of readers, padded, all [b, n]: book (0 where empty), whether there is one, cuts around z."""

    book: Positions
    there: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, readers: Readers, steps: StarSteps) -> Places:
        rated = readers.rated
        owner = readers.owner[rated]
        place = np.arange(len(owner)) - (np.cumsum(readers.n_ratings) - readers.n_ratings)[owner]
        shape = (len(readers), int(readers.n_ratings.max(initial=0)))
        places = cls(np.zeros(shape, np.int64), np.zeros(shape), np.full(shape, -np.inf), np.full(shape, np.inf))
        places.book[owner, place], places.there[owner, place] = readers.book_index[rated], 1.0
        places.low[owner, place], places.high[owner, place] = steps.bounds(steps.step_of(readers.stars[rated]))
        return places


class Taste(NamedTuple):
    """Of each reader [b, ...]: V [f, f], g [f], what each rated place adds to g [n, f], sum over N of y_b [f], |N|, z [n]."""

    spread: Floats
    told: Floats
    parts: Floats
    shelves: Floats
    n: Floats
    latent: Floats

    @property
    def prior(self) -> Floats:
        """h [b, f]."""
        return np.asarray(self.shelves / np.sqrt(np.maximum(self.n, 1))[:, None])


def taste(table: Table, readers: Readers, places: Places, latent: Floats | None) -> Taste:
    """`latent` are the latent stars to start from [b, n]: another sample's, or None."""
    phi = table.phi[places.book] * places.there[..., None]  # [b, n, f]
    noise, mu = table.noise[places.book], table.mu[places.book]  # [b, n]
    own = table.y[table.row[places.book, READ]] * places.there[..., None]  # [b, n, f]
    prior = own.sum(axis=1) / np.sqrt(np.maximum(readers.n_ratings, 1))[:, None]  # [b, f]
    spread = _spread(phi, noise)
    deviation, bounds = np.sqrt(noise), (places.low, places.high)
    z = StarSteps.latent(mu, deviation, bounds) if latent is None else latent
    for _ in range(FIRST_TURNS if latent is None else TURNS):
        told = _times(np.swapaxes(phi, 1, 2), (z - mu) / noise)  # g [b, f]
        z = StarSteps.latent(mu + _times(phi, _times(spread, told + prior)), deviation, bounds)
    parts = phi * ((z - mu) / noise)[..., None]  # [b, n, f]
    n = np.diff(readers.indptr)
    taken = np.zeros((len(readers), phi.shape[2]))
    taken[n > 0] = _sums(table.y[table.row[readers.book_index, readers.shelf]], readers.indptr[:-1][n > 0])
    return Taste(spread, parts.sum(axis=1), parts, taken, n.astype(np.float64), z)


def _spread(phi: Floats, noise: Floats) -> Floats:
    """V [b, f, f], by the smaller of its two systems."""
    n, f = phi.shape[1:]
    turned = np.swapaxes(phi, 1, 2)  # [b, f, n]
    if n > f:
        return np.asarray(np.linalg.inv((turned / noise[:, None, :]) @ phi + np.eye(f)), np.float64)
    matrix = phi @ turned  # [b, n, n]
    matrix[:, np.arange(n), np.arange(n)] += noise
    return np.asarray(np.eye(f) - turned @ (np.linalg.inv(matrix) @ phi), np.float64)


def _times(matrices: Floats, vectors: Floats) -> Floats:
    """[b, i, j] times [b, j] -> [b, i]."""
    return np.asarray(np.matmul(matrices, vectors[..., None])[..., 0])


def _sums(rows: Floats, starts: Positions) -> Floats:
    """The sums of runs of rows that start at `starts` and leave none out."""
    return np.asarray(np.add.reduceat(rows, starts, axis=0)) if len(starts) else rows[:0]


class Pairs(NamedTuple):
    """Pairs (reader, book) [p], and the shelf state of the book if the reader has it, else -1."""

    reader: Positions
    book: Positions
    state: Positions

    @classmethod
    def of(cls, readers: Readers, reader: Positions, book: Positions, n_books: int) -> Pairs:
        row, there = readers.rows_of(reader, book, n_books)
        state = np.full(len(book), -1)
        state[there] = readers.shelf[row[there]]
        return cls(reader, book, state)

    def parts(self, features: int) -> Iterator[slice]:
        """Some pairs at a time."""
        size = max(PAIR_CELLS // features**2, 1)
        return (slice(first, first + size) for first in range(0, len(self.reader), size))


class Mixture:
    """The mean and the variance of a mixture of normals, one a sample, added one by one; any shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.n, self.first, self.second = 0, np.zeros(shape), np.zeros(shape)

    def add(self, mean: Floats, variance: Floats) -> None:
        self.n += 1
        self.first += mean
        self.second += mean**2 + variance

    @property
    def moments(self) -> tuple[Floats, Floats]:
        """Mean and deviation."""
        mean = self.first / self.n
        return mean, np.sqrt(np.maximum(self.second / self.n - mean**2, 0.0))


def said(table: Table, known: Taste, pairs: Pairs) -> tuple[Floats, Floats, Floats]:
    """Of pairs [p]: V phi_x [p, f], what the shelves add [p], and the variance of the latent stars [p]."""
    reader, book, state = pairs
    had = state >= 0
    total = known.shelves[reader] + table.y[table.row[book, READ]]  # [p, f]
    total[had] -= table.y[table.row[book[had], state[had]]]
    mean = total / np.sqrt(known.n[reader] + ~had)[:, None]  # h_x [p, f]
    phi = table.phi[book]  # [p, f]
    seen = _times(known.spread[reader], phi)  # V phi_x [p, f]
    return seen, np.einsum("pf,pf->p", seen, mean), table.noise[book] + np.einsum("pf,pf->p", phi, seen)


def latent_stars(posterior: Posterior, readers: Readers, pairs: Pairs) -> tuple[Floats, Floats]:
    """Mean and deviation of the latent stars of each pair [p], for some readers of like history."""
    parts = list(pairs.parts(posterior.features))
    some = [Pairs(*(array[part] for array in pairs)) for part in parts]
    mixtures = [Mixture(one.book.shape) for one in some]
    for table, _, known in posterior.tastes(readers):
        for one, mixture in zip(some, mixtures, strict=True):
            seen, shelves, variance = said(table, known, one)
            mixture.add(table.mu[one.book] + shelves + np.einsum("pf,pf->p", seen, known.told[one.reader]), variance)
    mean, deviation = (np.concatenate([m.moments[i] for m in mixtures]) if mixtures else np.empty(0) for i in (0, 1))
    return mean, deviation


def expect(posterior: Posterior, readers: Readers) -> Floats:
    """Stars of every book that a reader does not have [n_readers, n_books]."""
    stars = np.zeros((len(readers), posterior.n_books))
    size = max(PAIR_CELLS // (posterior.n_books * posterior.features), 1)
    for alike in chunks(readers, posterior.features**2):
        for first in range(0, len(alike), size):
            which = alike[first : first + size]
            mixture = Mixture((len(which), posterior.n_books))
            for table, _, known in posterior.tastes(readers.take(which)):
                mixture.add(*_dense(table, known))
            stars[which] = posterior.steps.moments(*mixture.moments)[0]
    return stars


def _dense(table: Table, known: Taste) -> tuple[Floats, Floats]:
    """As `latent_stars` in one sample, of all books [b, n_books]: latent means and their variances."""
    share = 1 / np.sqrt(known.n + 1)[:, None]  # [b, 1]
    seen = table.phi @ known.spread  # V phi_x of each book x [b, n_books, f]
    own = np.einsum("bxf,xf->bx", seen, table.y[table.row[:, READ]])  # [b, n_books]
    mean = table.mu + _times(seen, known.told + share * known.shelves) + share * own  # [b, n_books]
    return mean, table.noise + np.einsum("bxf,xf->bx", seen, table.phi)


def left_out(posterior: Posterior, readers: Readers) -> Floats:
    """The stars said of each rated row, its own left out [rated rows]; the other latent stars stay as they were with it."""
    stars, first = np.zeros(int(readers.rated.sum())), np.cumsum(readers.n_ratings) - readers.n_ratings
    for which in chunks(readers, posterior.features):
        some = readers.take(which)
        reader, place = np.nonzero(Places.of(some, posterior.steps).there)
        mixture = Mixture(reader.shape)
        for table, places, known in posterior.tastes(some):
            mixture.add(*(part[reader, place] for part in _without_own(table, known, places)))
        stars[first[which[reader]] + place] = posterior.steps.moments(*mixture.moments)[0]
    return stars


def _without_own(table: Table, known: Taste, places: Places) -> tuple[Floats, Floats]:
    """As `left_out`, by place [b, n]: latent means and their variances. A rated book is on the shelves, so h is that of all."""
    phi, noise = table.phi[places.book], table.noise[places.book]  # [b, n, f], [b, n]
    seen = phi @ known.spread  # [b, n, f]
    error = known.latent - table.mu[places.book] - _times(seen, known.told + known.prior)  # [b, n]
    left = 1 - np.einsum("bnf,bnf->bn", phi, seen) / noise * places.there  # [b, n]
    return known.latent - error / left, noise / left


class Parts(NamedTuple):
    """Latent stars of books [n]: mu, what the shelves add, what each of m rated books adds [n, m]; their sum, its deviation."""

    base: Floats
    shelves: Floats
    shares: Floats
    mean: Floats
    deviation: Floats


def explain(posterior: Posterior, reader: Readers, book: Positions) -> Parts:
    """Where the latent stars of books come from, for one reader."""
    pairs = Pairs.of(reader, np.zeros(len(book), np.int64), book, posterior.n_books)
    base, shelves, shares = np.zeros(len(book)), np.zeros(len(book)), np.zeros((len(book), int(reader.rated.sum())))
    mixture, n = Mixture(book.shape), len(posterior.tables)
    for table, _, known in posterior.tastes(reader):
        seen, from_shelves, variance = said(table, known, pairs)
        parts = seen @ known.parts[0].T  # [n, m]
        base += table.mu[book] / n
        shelves += from_shelves / n
        shares += parts / n
        mixture.add(table.mu[book] + from_shelves + parts.sum(axis=1), variance)
    return Parts(base, shelves, shares, *mixture.moments)
