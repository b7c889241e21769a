"""The Gibbs chain of bpmf, as a learner of the training loop: an epoch is one sweep, and some sweeps are kept.

With users' vectors P [n_users, f] and books' V [n_books, f], both with their bias last, f = factors + 1:

    z_ui = p_u . v_i + b_u + c_i + N(0, s_i^2)             r_ui is the star value between whose cuts z_ui lies (`ordinal`)
    (p_u, b_u) ~ N(m_P + h_u, Sigma_P)     h_u = |N|^-1/2 sum over b in N of Y_b
    (v_i, c_i) ~ N(m_V + k_i, Sigma_V)     k_i likewise of X, over the authors, series, genres and decade of book i

A sweep draws z, V, P and s^2, each given the rest, then each prior (normal-inverse-Wishart) with its Y or X, whose rows are
N(0, Sigma / precision).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Stars
from shelfaware.data.books import Books
from shelfaware.models.features import Features, of_books, of_shelves
from shelfaware.models.gibbs import Prior, Side, draw_noise, draw_prior, draw_vectors
from shelfaware.models.ordinal import StarSteps, draw_latent
from shelfaware.models.readers import Readers
from shelfaware.seeding import generator
from shelfaware.training.history import Scores, sums_of_errors

SCATTER = 0.1, 0.2
"""Of a vector's entries and of a bias, in the prior of Sigma_P and Sigma_V."""


class Kept(NamedTuple):
    """A sample of the book side, users whitened: their prior is N(0, I) once h_u is taken off, and their bias has weight a.

    phi [n_books, f] (a last), mu [n_books] and noise s^2 [n_books]; y [columns + 1, f] of the shelves' columns, the last one 0
    """

    phi: AnyArray
    mu: AnyArray
    noise: AnyArray
    y: AnyArray


class State(NamedTuple):
    """Where the chain is, and the samples that it kept, each array of Kept with one more axis in front."""

    users: Stars  # P [n_users, f]
    books: Stars  # V [n_books, f]
    prior_users: Prior
    prior_books: Prior
    noise: Floats  # [n_books]
    level: Floats  # s^2 []
    shelves: Floats  # Y [columns, f]
    features: Floats  # X [columns of books, f]
    kept: Kept
    n_kept: AnyArray  # []


@dataclass
class Chain:
    """What the loop runs. `score` judges the mean over the samples that are kept so far on validation."""

    readers: Readers
    catalogue: Books
    factors: int
    epochs: int
    samples: int
    seed: int
    steps: StarSteps
    score: Callable[[Kept, int], Scores | None]

    def __post_init__(self) -> None:
        self.legs = 1
        rated, self.n_books = self.readers.ratings(), len(self.catalogue)
        self.owner, self.book = rated.owner, rated.book_index.astype(np.int64)
        self.stars = rated.stars
        low, high = self.steps.bounds(self.steps.step_of(rated.stars))
        self.bounds = low.astype(np.float32), high.astype(np.float32)
        self.n_ratings = np.bincount(self.book, minlength=self.n_books).astype(np.float64)
        f, n_users = self.factors + 1, len(self.readers)
        self.user_side = Side.of(self.owner, n_users, (self.book, self.n_books), f)
        self.book_side = Side.of(self.book, self.n_books, (self.owner, n_users), f)
        self.shelves, self.shelf_rows = of_shelves(self.readers, self.n_books)
        self.features = Features.of(of_books(self.catalogue))
        self.scatter = np.append(np.full(self.factors, SCATTER[0]), SCATTER[1])
        first = min(self.epochs // 4, self.epochs - 1)
        self.keep = np.unique(np.linspace(first, self.epochs - 1, max(self.samples, 1) + 1)[1:].astype(np.int64))

    def start(self, draw: int) -> State:
        """Vectors of deviation 0.1 in each dimension, no bias, no Y."""
        f, rng = self.factors + 1, generator(self.seed, "initial values", draw)
        users, books = (0.1 * rng.standard_normal((n, f), np.float32) for n in (len(self.readers), self.n_books))
        users[:, -1] = books[:, -1] = 0.0
        prior = Prior(np.zeros(f), np.diag(np.append(np.full(self.factors, 0.3), 0.4)))
        shapes = ((self.n_books, f), (self.n_books,), (self.n_books,), (self.shelves.n + 1, f))
        room = Kept(*(np.zeros((len(self.keep), *shape), np.float32) for shape in shapes))
        no_shelves, no_features = (np.zeros((features.n, f)) for features in (self.shelves, self.features))
        noise = np.full(self.n_books, 0.6)
        return State(users, books, prior, prior, noise, np.array(0.6), no_shelves, no_features, room, np.array(0))

    def train_leg(self, state: State, epoch: int, leg: int, rate: float) -> tuple[State, Floats]:
        """One sweep. The sums are of the draw itself, noisier than the mean of many."""
        rng = generator(self.seed, "sweep", epoch)
        noise = state.noise[self.book].astype(np.float32)  # [m]
        taken, known = self.shelves.means(state.shelves), self.features.means(state.features)  # h [n_users, f], k [n_books, f]
        mean = self._predicted(state.users, state.books)  # [m]
        latent = draw_latent(mean, np.sqrt(noise), self.bounds, rng).astype(np.float32)  # z [m]
        told = latent - state.users[self.owner, -1]
        prior_users, prior_books = (
            Prior(prior.mean + shift, prior.root) for prior, shift in ((state.prior_users, taken), (state.prior_books, known))
        )
        books = draw_vectors(self.book_side, state.users, (told, noise), prior_books, rng)
        users = draw_vectors(self.user_side, books, (latent - books[self.book, -1], noise), prior_users, rng)
        mean = self._predicted(users, books)
        error = latent - mean
        squares = np.asarray(np.bincount(self.book, error.astype(np.float64) ** 2, self.n_books), np.float64)
        book_noise, level = draw_noise(squares, self.n_ratings, float(state.level), rng)
        prior_users, y = draw_expected(self.shelves, users, state.prior_users, self.scatter, rng)
        prior_books, x = draw_expected(self.features, books, state.prior_books, self.scatter, rng)
        priors, kept = (prior_users, prior_books), (state.kept, state.n_kept)
        drawn = State(users, books, *priors, book_noise, np.array(level), y, x, *kept)
        return self._kept(drawn, epoch), self._sums(mean, noise)

    def _predicted(self, users: Stars, books: Stars) -> Stars:
        dot = np.einsum("mf,mf->m", users[self.owner, :-1], books[self.book, :-1])
        return np.asarray(dot + users[self.owner, -1] + books[self.book, -1])

    def _sums(self, mean: Stars, noise: Stars) -> Floats:
        expected, _ = self.steps.moments(mean.astype(np.float64), np.sqrt(noise).astype(np.float64))
        return sums_of_errors(expected - self.stars)

    def _kept(self, state: State, epoch: int) -> State:
        """The state with its book side among what is kept, if it is this epoch's turn."""
        if epoch not in self.keep:
            return state
        n = int(state.n_kept)
        kept = Kept(*(array.copy() for array in state.kept))
        for room, array in zip(kept, self.sample(state), strict=True):
            room[n] = array
        return state._replace(kept=kept, n_kept=np.array(n + 1))

    def sample(self, state: State) -> Kept:
        """The book side of a state: phi = R^T (v, 1), mu = c + (v, 1) . m_P, y = R^-1 Y, where R R^T = Sigma_P."""
        mean, root = state.prior_users
        known = np.append(state.books[:, :-1], np.ones((self.n_books, 1)), axis=1)  # (v, 1) [n_books, f]
        y = np.append(np.linalg.solve(root, state.shelves.T).T, np.zeros((1, len(root))), axis=0)  # [columns + 1, f]
        return Kept(known @ root, state.books[:, -1] + known @ mean, state.noise, y)

    def validate(self, state: State) -> Scores | None:
        return self.score(state.kept, int(state.n_kept))

    def learned(self, state: State) -> State:
        """All of it: no sweep works in its place."""
        return state

    def is_dead(self, state: State) -> bool:
        """A chain has no unit that can die."""
        return False


def draw_expected(
    features: Features, vectors: AnyArray, before: Prior, scatter: Floats, rng: np.random.Generator
) -> tuple[Prior, Floats]:
    """m, Sigma and Y or X [columns, f], given the vectors [n, f] that they are the prior of, whose last one was `before`.

    Three draws: the precision of Y given m and Sigma, these given the precision, and Y given all of them. Y is integrated out
    of the first two: given Y, whose rows are N(0, Sigma / precision), Sigma hardly moves where these are many.
    """
    precision = features.draw_precision(_white(vectors, before), rng)
    columns = np.append(vectors, np.ones((len(vectors), 1)), axis=1).astype(np.float64)
    prior = draw_prior(features.products(columns, precision), len(vectors), scatter, rng)
    return prior, np.asarray(features.draw(_white(vectors, prior), precision, rng) @ prior.root.T)


def _white(vectors: AnyArray, prior: Prior) -> Floats:
    return np.asarray(np.linalg.solve(prior.root, (vectors - prior.mean).T).T)
