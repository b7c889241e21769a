"""Autoencoder: a small network that is shown what a reader has read and how they liked it, and guesses a hidden star."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Indices, Positions
from shelfaware.data.interactions import Interactions, Scale
from shelfaware.models.base import BLOCK_CELLS, Explanation, Forecast, RatingModel
from shelfaware.models.ordinal import LEAST_VARIANCE
from shelfaware.models.readers import Readers
from shelfaware.training.history import Scores
from shelfaware.training.loop import Run, train

NODES = 12
"""Places between no history and the whole one at which slopes are taken. What they miss is in the base: the sum is exact."""


@dataclass(kw_only=True, eq=False)
class Autoencoder(RatingModel):
    """Every star value of every book is an input of its own, so that a 1 may say something else than the opposite of a 5.

        h = tanh(c + (|N| + 1)^-1/2 sum over b in N of W_b,state)          state: the stars given, or read, or to be read
        P(r_x = value_k) = softmax over k of  l_xk + t_k V_x . h - 1/2 t_k^2 U_x . h

    N are the books that a reader has taken up, x itself left out, and t_k are the star values from -2 to 2. V moves the
    expected stars of x, U narrows or widens their spread. W, V, U and l are learned (`autoencoder_network`): at every step
    a share of some readers' stars is hidden and guessed from the rest of what they have. No user has a parameter, so a
    stranger is as good as a known user. By itself it is weaker than `gp`; it errs elsewhere, which is what `blend` wants.

    Reasons are integrated gradients: what b adds is its W_b / (|N| + 1)^1/2 times the mean slope of E[r] along the way from
    nothing to the whole sum. They sum to E[r] less what somebody without a history would be expected to give.

    factors        width of h
    held_back      the share of a reader's stars that is hidden at a time
    dropout        the share of h that is left out at a time
    weight_decay   of all of W, V, U and l, 1 / (2 tau^2) for a prior N(0, tau^2)
    batch_size     readers in a step

    Sources: Sedhain et al. 2015 (AutoRec); Zheng et al. 2016 (CF-NADE: a vector for each star value, hidden stars);
    Vincent et al. 2008 (denoising); Srivastava et al. 2014 (dropout); Sundararajan et al. 2017 (integrated gradients).
    """

    name: ClassVar[str] = "autoencoder"
    in_epochs: ClassVar[bool] = True
    own_differs: ClassVar[bool] = True

    factors: int = 128
    epochs: int = 30
    learning_rate: float = 1e-2
    batch_size: int = 256
    held_back: float = 0.2
    dropout: float = 0.5
    weight_decay: float = 3.0

    def _fit(self, train_data: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        from shelfaware.models.autoencoder_network import Learner, Network

        readers = Readers.of(train_data)
        watched = None if validation is None or not validation.n_ratings else validation.ratings()
        center = np.array([train_data.stars[train_data.rated].mean(dtype=np.float64)])

        def score(network: Network) -> Scores | None:
            if watched is None:
                return None
            pairs = watched.user_index.astype(np.int64), watched.book_index.astype(np.int64)
            stars, _ = _pairs(_tables(self._named(network, center), self.scale), readers, *pairs)
            return Scores.of_errors(stars - watched.stars)

        learner = Learner(self, readers, train_data.n_books, self.scale, score)
        identity = f"{self.name} {self.config} {train_data.fingerprint} {watched.fingerprint if watched else None}"
        network, self.history = train(learner, run, identity=identity, patience=None, max_redraws=0)
        return self._named(network, center)

    def _named(self, network: tuple[AnyArray, AnyArray], center: Floats) -> dict[str, AnyArray]:
        """A book a row. Half precision rounds off far less than the next seed would change."""
        (states, books), f = network, self.factors
        books = books[:-1] + books[-1]  # [n_books, 2 f + k]
        tables = {
            "state_vectors": states[:-1].reshape(len(books), -1, f),  # W [n_books, states, f]
            "constant": states[-1],  # c [f]
            "book_vectors": books[:, : 2 * f].reshape(-1, 2, f),  # V, U [n_books, 2, f]
            "levels": books[:, 2 * f :],  # l [n_books, k]
        }
        return {"center": center, **{name: table.astype(np.float16) for name, table in tables.items()}}

    @property
    def _tables(self) -> Tables:
        return self.derived(lambda arrays: _tables(arrays, self.scale))

    def _expect(self, readers: Readers) -> Floats:
        tables = self._tables
        stars = np.empty((len(readers), len(tables.levels)))
        size = max(BLOCK_CELLS // max(len(tables.levels), 1), 1)
        for start in range(0, len(readers), size):
            some = readers.take(np.arange(start, min(start + size, len(readers))))
            hidden = tables.hidden(*tables.taken(some))  # [b, f]
            located, narrowed = hidden @ tables.vectors[:, 0].T, hidden @ tables.vectors[:, 1].T  # [b, n_books]
            stars[start : start + size] = tables.moments(tables.levels, located, narrowed)[0]
        return stars

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        stars, variance = _pairs(self._tables, readers, reader, book_index)
        return Forecast(stars, np.sqrt(variance))

    def _left_out(self, readers: Readers) -> Floats:
        """No book has a part in its own stars: the forecast of a rated row is the one without it."""
        rated = readers.rated
        return self._forecast(readers, readers.owner[rated], readers.book_index[rated].astype(np.int64)).stars

    def _explain(self, reader: Readers, book_index: Positions) -> Explanation:
        tables, rated = self._tables, reader.rated
        stars, variance = _pairs(tables, reader, np.zeros(len(book_index), np.int64), book_index)
        rows = tables.states[reader.book_index, state_of(reader, tables.scale)]  # [m, f]
        others = (reader.book_index != book_index[:, None]).astype(np.float64)  # [n, m]
        others /= np.sqrt(others.sum(axis=1) + 1)[:, None]
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        way = [(1 + node) / 2 * (others @ rows) for node in nodes.tolist()]  # [n, f] each
        slope = sum(weight / 2 * tables.slope(book_index, told) for weight, told in zip(weights.tolist(), way, strict=True))
        shares = others * (slope @ rows.T)  # [n, m]
        base, shelves = stars - shares.sum(axis=1), shares[:, ~rated].sum(axis=1)
        return Explanation(base, shelves, reader.book_index[rated], shares[:, rated], np.sqrt(variance))


class Tables(NamedTuple):
    """W [n_books, states, f], c [f], V and U [n_books, 2, f], l [n_books, k], in float64; and the star values."""

    states: Floats
    constant: Floats
    vectors: Floats
    levels: Floats
    scale: Scale

    def taken(self, readers: Readers) -> tuple[Floats, Floats]:
        """Of each reader the sum over N of W [n_readers, f], and |N|."""
        total, n = np.zeros((len(readers), len(self.constant))), np.diff(readers.indptr)
        rows = self.states[readers.book_index, state_of(readers, self.scale)]  # [m, f]
        if len(rows):
            total[n > 0] = np.add.reduceat(rows, readers.indptr[:-1][n > 0], axis=0)
        return total, n.astype(np.float64)

    def hidden(self, total: Floats, n: Floats) -> Floats:
        """h [b, f]."""
        return np.asarray(np.tanh(self.constant + total / np.sqrt(n + 1)[:, None]))

    def moments(self, levels: Floats, located: Floats, narrowed: Floats) -> tuple[Floats, Floats]:
        """E[r] and Var[r] from V . h and U . h of any shape, and the levels of their books [.., k]."""
        chances = self.chances(levels, located, narrowed)
        first, second = (
            sum(value**power * chance for value, chance in zip(self.scale.values.tolist(), chances, strict=True))
            for power in (1, 2)
        )
        return np.asarray(first), np.maximum(second - first**2, LEAST_VARIANCE)

    def chances(self, levels: Floats, located: Floats, narrowed: Floats) -> Floats:
        """P(r) of each star value [k, ..]."""
        places = places_of(self.scale).tolist()
        chances = np.stack([levels[..., k] + t * located - 0.5 * t**2 * narrowed for k, t in enumerate(places)])
        np.exp(chances - chances.max(axis=0), out=chances)
        return np.asarray(chances / chances.sum(axis=0))

    def slope(self, book: Positions, told: Floats) -> Floats:
        """dE[r] / dtold of each book, where h = tanh(c + told) [n, f].

        By V . h it grows by Cov(r, t), by U . h by -1/2 Cov(r, t^2).
        """
        hidden, (v, u) = np.tanh(self.constant + told), np.moveaxis(self.vectors[book], 1, 0)  # [n, f]
        t, values = places_of(self.scale), self.scale.values
        located, narrowed = (np.einsum("nf,nf->n", hidden, one) for one in (v, u))  # [n]
        chances = self.chances(self.levels[book], located, narrowed)  # [k, n]
        off = chances * (values[:, None] - values @ chances)  # [k, n]
        return np.asarray(((t @ off)[:, None] * v - 0.5 * (t**2 @ off)[:, None] * u) * (1 - hidden**2))


def places_of(scale: Scale) -> Floats:
    """t: the star values, moved to between -2 and 2 [k]."""
    return np.linspace(-2.0, 2.0, len(scale.values))


def state_of(readers: Readers, scale: Scale) -> Indices:
    """What each row is to the network: the step of its stars, or after all of those read, or to be read [m]."""
    step = np.rint((np.nan_to_num(readers.stars, nan=scale.min) - scale.min) / scale.step)
    return np.where(readers.rated, step, len(scale.values) + readers.shelf).astype(np.int32)


def _tables(arrays: dict[str, AnyArray], scale: Scale) -> Tables:
    names = ("state_vectors", "constant", "book_vectors", "levels")
    return Tables._make([*(arrays[name].astype(np.float64) for name in names), scale])


def _pairs(tables: Tables, readers: Readers, reader: Positions, book: Positions) -> tuple[Floats, Floats]:
    """E[r] and Var[r] of pairs [p]; what the reader has of the book itself is taken out."""
    total, n = tables.taken(readers)
    state = state_of(readers, tables.scale)
    stars, variance = np.empty(len(reader)), np.empty(len(reader))
    for part in _slices(len(reader), BLOCK_CELLS // max(len(tables.constant), 1)):
        who, what = reader[part], book[part]
        row, there = readers.rows_of(who, what, len(tables.levels))
        others, n_others = total[who], n[who] - there
        others[there] -= tables.states[what[there], state[row[there]]]
        hidden = tables.hidden(others, n_others)  # [p, f]
        located, narrowed = (np.einsum("pf,pf->p", hidden, tables.vectors[what, side]) for side in (0, 1))
        stars[part], variance[part] = tables.moments(tables.levels[what], located, narrowed)
    return stars, variance


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, start + max(size, 1)) for start in range(0, n, max(size, 1)))
