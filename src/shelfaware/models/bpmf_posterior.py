"""What samples of the book side say of readers: per sample a Bayesian linear regression, then the mean of samples. NumPy only.

In one sample a reader's weights are w ~ N(h, I), with h = |N|^-1/2 sum over b in N of y_b and rated books' phi [n, f], means mu
and noise s^2:

    V = (I + Phi^T diag(s^-2) Phi)^-1        g = Phi^T diag(s^-2) (r - mu)
    stars of x     mu_x + phi_x . V (g + h)                     variance of a new rating   s_x^2 + phi_x . V phi_x
    of which       phi_x . V h by the shelves, and phi_x . V phi_i (r_i - mu_i) / s_i^2 because of i
    r_x left out   r_x - e_x / (1 - phi_x . V phi_x / s_x^2)    with e_x what the reader's stars of x are above what is said

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
from shelfaware.models.readers import Readers

PAIR_CELLS = 1_000_000
"""Numbers in the largest array of some pairs."""


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


class Places(NamedTuple):
    """Rated rows of a chunk of readers, padded: the row's book (0 where empty), stars, and whether there is one [b, n]."""

    book: Positions
    stars: Floats
    there: Floats

    @classmethod
    def of(cls, readers: Readers) -> Places:
        rated = readers.rated
        owner = readers.owner[rated]
        place = np.arange(len(owner)) - (np.cumsum(readers.n_ratings) - readers.n_ratings)[owner]
        shape = (len(readers), int(readers.n_ratings.max(initial=0)))
        places = cls(np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape))
        places.book[owner, place], places.stars[owner, place] = readers.book_index[rated], readers.stars[rated]
        places.there[owner, place] = 1.0
        return places


class Taste(NamedTuple):
    """Of each reader [b, ...]: V [f, f], g [f], what each rated place adds to g [n, f], sum over N of y_b [f], |N|."""

    spread: Floats
    told: Floats
    parts: Floats
    shelves: Floats
    n: Floats


def taste(table: Table, readers: Readers, places: Places) -> Taste:
    phi = table.phi[places.book] * places.there[..., None]  # [b, n, f]
    noise = table.noise[places.book]  # [b, n]
    parts = phi * ((places.stars - table.mu[places.book]) / noise)[..., None]  # [b, n, f]
    precision = np.swapaxes(phi / noise[..., None], 1, 2) @ phi + np.eye(phi.shape[2])  # [b, f, f]
    spread = np.asarray(np.linalg.inv(precision), np.float64)
    n = np.diff(readers.indptr)
    taken = np.zeros((len(readers), phi.shape[2]))
    taken[n > 0] = _sums(table.y[table.row[readers.book_index, readers.shelf]], readers.indptr[:-1][n > 0])
    return Taste(spread, parts.sum(axis=1), parts, taken, n.astype(np.float64))


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
        keys, wanted = readers.owner * n_books + readers.book_index, reader * n_books + book
        row = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        there = keys[row] == wanted if len(keys) else np.zeros(len(wanted), bool)
        return cls(reader, book, np.where(there, readers.shelf[row], -1) if len(keys) else np.full(len(wanted), -1))

    def parts(self, features: int) -> Iterator[slice]:
        """Some pairs at a time."""
        size = max(PAIR_CELLS // features**2, 1)
        return (slice(first, first + size) for first in range(0, len(self.reader), size))


def said(table: Table, known: Taste, pairs: Pairs) -> tuple[Floats, Floats, Floats]:
    """Of pairs [p]: V phi_x [p, f], what the shelves add [p], and the variance of a new rating [p]."""
    reader, book, state = pairs
    had = state >= 0
    total = known.shelves[reader] + table.y[table.row[book, READ]]  # [p, f]
    total[had] -= table.y[table.row[book[had], state[had]]]
    mean = total / np.sqrt(known.n[reader] + ~had)[:, None]  # h_x [p, f]
    phi = table.phi[book]  # [p, f]
    seen = np.matmul(known.spread[reader], phi[:, :, None])[..., 0]  # V phi_x [p, f]
    variance = table.noise[book] + np.einsum("pf,pf->p", phi, seen)
    return seen, np.einsum("pf,pf->p", seen, mean), variance


def forecast(tables: list[Table], readers: Readers, pairs: Pairs) -> tuple[Floats, Floats]:
    """Mean and variance of a new rating of each pair [p]: means over samples, and the variance of the samples' means."""
    places, f = Places.of(readers), tables[0].phi.shape[1]
    first, second = np.zeros(len(pairs.book)), np.zeros(len(pairs.book))
    variances = np.zeros(len(pairs.book))
    for table in tables:
        known = taste(table, readers, places)
        for part in pairs.parts(f):
            some = Pairs(*(array[part] for array in pairs))
            seen, shelves, variance = said(table, known, some)
            above = shelves + np.einsum("pf,pf->p", seen, known.told[some.reader])
            stars = table.mu[some.book] + above
            first[part] += stars
            second[part] += stars**2
            variances[part] += variance
    n = len(tables)
    return first / n, variances / n + np.maximum(second / n - (first / n) ** 2, 0.0)


def expect(tables: list[Table], readers: Readers) -> Floats:
    """Stars of every book that a reader does not have [n_readers, n_books]."""
    stars, f = np.zeros((len(readers), len(tables[0].mu))), tables[0].phi.shape[1]
    chunked = [(which, readers.take(which)) for which in chunks(readers, f**2)]
    parts = [(which, some, Places.of(some)) for which, some in chunked]
    for table in tables:
        own = (table.phi[:, :, None] * table.y[table.row[:, READ], None, :]).reshape(-1, f * f)  # [n_books, f^2]
        for which, some, places in parts:
            stars[which] += _dense(table, taste(table, some, places), own)
    return stars / len(tables)


def _dense(table: Table, known: Taste, own: Floats) -> Floats:
    """As `said` and `told` for all books at once; x itself speaks by phi_x . V y_x, `own` being phi_x y_x^T [n_books, f^2]."""
    f, share = table.phi.shape[1], 1 / np.sqrt(known.n + 1)[:, None]
    weights = np.matmul(known.spread, (known.told + share * known.shelves)[:, :, None])[..., 0]  # [b, f]
    return np.asarray(table.mu + weights @ table.phi.T + share * (known.spread.reshape(-1, f * f) @ own.T))


def left_out(tables: list[Table], readers: Readers) -> Floats:
    """The stars said of each rated row, its own stars left out [rated rows]."""
    stars, first = np.zeros(int(readers.rated.sum())), np.cumsum(readers.n_ratings) - readers.n_ratings
    for which in chunks(readers, tables[0].phi.shape[1]):
        some = readers.take(which)
        places = Places.of(some)
        reader, place = np.nonzero(places.there)
        row = first[which[reader]] + place
        for table in tables:
            stars[row] += _without_own(table, taste(table, some, places), places)[reader, place]
    return stars / len(tables)


def _without_own(table: Table, known: Taste, places: Places) -> Floats:
    """As `left_out`, by place [b, n]. A rated book is on the shelves, so h is the same for all of them."""
    phi = table.phi[places.book]  # [b, n, f]
    mean = known.told + known.shelves / np.sqrt(np.maximum(known.n, 1))[:, None]  # [b, f]
    seen = phi @ known.spread  # [b, n, f]
    error = places.stars - table.mu[places.book] - np.matmul(seen, mean[:, :, None])[..., 0]
    leverage = np.einsum("bnf,bnf->bn", phi, seen) / table.noise[places.book]
    return np.asarray(places.stars - error / (1 - leverage * places.there))


def explain(tables: list[Table], reader: Readers, book: Positions) -> tuple[Floats, Floats, Floats]:
    """For one reader, of each book [n]: mu, what the shelves add, and what each of m rated books adds [n, m]."""
    places, pairs = Places.of(reader), Pairs.of(reader, np.zeros(len(book), np.int64), book, len(tables[0].mu))
    base, shelves, shares = np.zeros(len(book)), np.zeros(len(book)), np.zeros((len(book), places.book.shape[1]))
    for table in tables:
        known = taste(table, reader, places)
        seen, from_shelves, _ = said(table, known, pairs)
        base += table.mu[book]
        shelves += from_shelves
        shares += seen @ known.parts[0].T
    n = len(tables)
    return base / n, shelves / n, shares / n
