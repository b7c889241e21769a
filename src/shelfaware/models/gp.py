"""GP: Gaussian-process matrix factorisation, the model that shelfaware recommends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.errors import DataError
from shelfaware.models.base import Explanation, Forecast, RatingModel
from shelfaware.models.baselines import Bias, shrunken_means
from shelfaware.models.gp_posterior import (
    CELLS,
    Posterior,
    Rated,
    Table,
    chunks,
    dense_prior,
    left_out_stars,
    pairs_by_chunk,
    posterior,
    shares,
    shelf_terms,
)
from shelfaware.models.ordinal import Steps
from shelfaware.models.readers import Readers
from shelfaware.training.history import Scores
from shelfaware.training.loop import Run, train

PRIOR_COUNT = 10.0
"""Ratings of the general mean that stand before a book's own when its mean is first guessed."""

ENOUGH = 50
"""Ratings a book, on average, from which on a point estimate of its vector is trusted without being checked."""

TRUSTS = (0.0, 0.15, 0.25, 0.35, 0.5, 0.75, 1.0)
"""How much of a learned table may be kept; at 0 it is that of `bias`."""

LEAST_TRUST = 0.02
"""Where nothing is gained: next to nothing in stars, but books stay alike or different."""

LEAST_NOISE = 0.01
"""Stars, where `bias` leaves nothing to explain."""


@dataclass(kw_only=True, eq=False)
class GP(RatingModel):
    """A book has a vector q; a reader's taste is the posterior of a regression of their stars on the vectors they rated.

    For rated books O with stars r, means mu, noise s^2 and a user-bias variance a^2:

        K = Q_O Q_O^T + a^2 11^T + diag(s^2)        alpha = K^-1 (r - mu_O - prior_O)
        stars of j      mu_j + prior_j + k_j . alpha                      k_j = Q_O q_j + a^2
        variance        q_j . q_j + a^2 + s_j^2 - k_j . K^-1 k_j, of a normal that is then rounded to a step of the scale:
                        the deviation is that of the steps (`ordinal`), smaller where nearly all of it is 5 stars
        because of i    k_j[i] alpha_i

    prior is SVD++'s sum over the books that the reader has taken up, rated or not (`gp_posterior.shelf_terms`): which books
    somebody rates says something of how they rate.
    Book tables learn by the left-out likelihood of every rating (`gp_network`); users are no parameters, so a stranger is
    as good as a known user. Where books have few ratings a point estimate of q learns noise: there the fitted table is moved
    toward that of `bias`, as far as a held-out tenth and a first fit without it say (`toward_bias`). A book that nobody rated
    has the q and mu of its authors, series, genres and decade (`with_unrated`).

    factors            width of q
    shelves            whether shelf states without stars are used; None: where the data has them
    vector_deviation   tau of the prior N(0, tau^2) on q, which acts as a decay lambda_1 / n_j = 1 / (2 tau^2 n_j)
    weight_decay       lambda_0, a decay of q that does not fade with the number of ratings
    shelf_deviation, mean_deviation, noise_deviation   the same for y and z, for mu (stars), for log s_j - log s
    block_size, batch_size   places for ratings in a packed block, and in all blocks of a step
    patience           epochs without better validation after which training stops; None: never

    Sources: Lawrence & Urtasun 2009 (GP factorisation); Sundararajan & Keerthi 2001 (leave-one-out objective); Koren 2008.
    """

    name: ClassVar[str] = "gp"
    own_differs: ClassVar[bool] = True

    factors: int = 32
    epochs: int = 10
    learning_rate: float = 2e-2
    batch_size: int = 2048
    block_size: int = 32
    weight_decay: float = 0.0
    vector_deviation: float = 0.058
    shelf_deviation: float = 0.2
    mean_deviation: float = 0.35
    noise_deviation: float = 0.1
    shelves: bool | None = None
    patience: int | None = None

    def _fit(self, train_data: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        trust = self._trust(train_data)
        arrays = self._learned(train_data, validation, run)
        if trust < 1:
            arrays = toward_bias(arrays, Bias().fit_stars(train_data), trust)
        return with_unrated(arrays, train_data)

    def _trust(self, train_data: Interactions) -> float:
        """How much of what is learned to keep where books have few ratings (`ENOUGH`): what is best for a held-out tenth.

        No more than LEAST_TRUST unless it beats `bias` there by more than the standard error of the difference (Breiman et
        al. 1984, 3.4.3).
        """
        rated = train_data.ratings()
        if rated.n_ratings >= ENOUGH * np.count_nonzero(rated.book_ratings()):
            return 1.0
        part, held = split(train_data, "random:0.1", seed=self.seed)
        held, bias = held.ratings(), Bias().fit_stars(part)
        readers = Readers.of(part)
        if held.n_ratings < 2 or not (readers.n_ratings > 1).any():
            return LEAST_TRUST
        arrays = self._learned(part, None, Run())
        errors = [self._errors(toward_bias(arrays, bias, trust), readers, held) ** 2 for trust in TRUSTS]  # [n] each
        gains = errors[0] - np.array(errors)  # [trusts, n]
        best = int(gains.mean(axis=1).argmax())
        return TRUSTS[best] if gains[best].mean() > gains[best].std() / np.sqrt(held.n_ratings) else LEAST_TRUST

    def _learned(self, train_data: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        """The fitted table as it is."""
        from shelfaware.models.gp_batches import Batches
        from shelfaware.models.gp_learner import GPLearner

        readers = Readers.of(train_data)
        if not (readers.n_ratings > 1).any():
            raise DataError("gp needs users with at least two ratings to learn from, and there is none")
        rated = train_data.ratings()
        center, means = shrunken_means(rated.book_index, rated.stars.astype(np.float64), rated.n_books, PRIOR_COUNT)

        watched = train_data.take(np.zeros(len(train_data), bool)) if validation is None else validation.ratings()

        def score(books: Floats, scalars: Floats) -> Scores:
            return self._validation_scores(self._named(books, scalars, center), readers, watched)

        batches = Batches.of(self, train_data.n_books, readers)
        learner = GPLearner(self, batches, means, center, score if len(watched) else None)
        identity = f"{self.name} {self.config} {train_data.fingerprint} {validation.fingerprint if validation else None}"
        (books, scalars), self.history = train(learner, run, identity=identity, patience=self.patience, max_redraws=0)
        return self._named(books, scalars, center)

    def _named(self, books: AnyArray, scalars: AnyArray, center: float) -> dict[str, AnyArray]:
        k, (log_a, log_s) = self.factors, scalars[0]
        return {
            "center": np.array([center]),
            "user_deviation": np.array([np.exp(log_a)], np.float32),
            "book_vectors": books[:, :k].astype(np.float32),
            "book_means": books[:, k].astype(np.float32),
            "noise": np.exp(log_s + books[:, k + 1]).astype(np.float32),
            "shelf_vectors": books[:, k + 2 :].reshape(len(books), 2, k + 1).astype(np.float32),
        }

    def _validation_scores(self, arrays: dict[str, AnyArray], readers: Readers, watched: Interactions) -> Scores:
        error = self._errors(arrays, readers, watched)
        mse, mae = float(np.mean(error**2)), float(np.mean(np.abs(error)))
        return Scores(mse, mse, mae)

    def _errors(self, arrays: dict[str, AnyArray], readers: Readers, held: Interactions) -> Floats:
        """Clipped stars minus those that were given [n]."""
        pairs = held.user_index.astype(np.int64), held.book_index.astype(np.int64)
        return np.asarray(self.scale.clip(_forecast(_table(arrays), readers, *pairs)[0]) - held.stars, np.float64)

    @property
    def uses_shelves(self) -> bool:
        return self.shelves is not False

    @property
    def _table(self) -> Table:
        return self.derived(_table)

    def _expect(self, readers: Readers) -> Floats:
        table = self._table
        stars = np.empty((len(readers), len(table.mu)))
        for which in chunks(readers, table.phi.shape[1]):
            some = readers.take(which)
            weights = posterior(table, some)[0].weights  # [b, f]
            stars[which] = table.mu + weights @ table.phi.T + dense_prior(table, some)  # [b, n_books]
        return stars

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        stars, variance = _forecast(self._table, readers, reader, book_index)
        return Forecast(stars, self._of_steps(stars, variance))

    def _of_steps(self, stars: Floats, variance: Floats) -> Floats:
        """The deviation of what is given: N(stars, variance) rounded to a step of the scale [n]."""
        return np.asarray(np.sqrt(Steps.rounding(self.scale).moments(stars, np.sqrt(variance))[1]))

    def _left_out(self, readers: Readers) -> Floats:
        return left_out_stars(self._table, readers)

    def _explain(self, reader: Readers, book_index: Positions) -> Explanation:
        table, nobody_else = self._table, np.zeros(len(book_index), np.int64)
        parts, variance = shares(table, reader, posterior(table, reader), (nobody_else, book_index))  # [n, m]
        shelves = shelf_terms(table, reader, nobody_else, book_index).prior  # [n]
        base, books = table.mu[book_index], reader.book_index[reader.rated]
        return Explanation(base, shelves, books, parts, self._of_steps(base + shelves + parts.sum(axis=1), variance))

    def _vectors(self) -> Floats:
        return self._table.phi[:, :-1]


def toward_bias(arrays: dict[str, AnyArray], bias: Bias, trust: float) -> dict[str, AnyArray]:
    """A table between that of `bias` (trust 0), with q = y = z = 0 and its decay of users as s^2 / a^2, and `arrays` (trust 1).

    s of `bias` is its root mean square error on ratings of the users that it knows, each left out of their bias.
    mu lies between on a straight line, a and s on one of logarithms; q, y and z shrink by sqrt(trust), so that the covariance
    of two books shrinks by trust.
    """
    means = bias.arrays["center"][0] + bias.arrays["bias"]
    known = bias.known_readers
    left_out = bias.left_out(known)
    assert left_out is not None
    noise = max(np.sqrt(np.mean((known.stars[known.rated] - left_out) ** 2)), LEAST_NOISE)
    from_bias = {"user_deviation": noise / np.sqrt(max(bias.user_decay, 1e-6)), "noise": noise}
    between = {name: arrays[name] ** trust * start ** (1 - trust) for name, start in from_bias.items()}
    shrunken = {name: np.sqrt(trust) * arrays[name] for name in ("book_vectors", "shelf_vectors")}
    mixed = {**between, **shrunken, "book_means": trust * arrays["book_means"] + (1 - trust) * means}
    return {**arrays, **{name: array.astype(np.float32) for name, array in mixed.items()}}


def with_unrated(arrays: dict[str, AnyArray], data: Interactions) -> dict[str, AnyArray]:
    """Gives each book that nobody rated the q and mu that its authors, series, genres and decade have elsewhere (`features`).

    They are regressed on what is learned of rated books, each column in its deviation; of a book without them q is 0 and mu
    the mean of all stars.
    """
    from shelfaware.models.features import Features, of_books

    rated = data.book_ratings() > 0
    if rated.all():
        return arrays
    center, matrix = float(arrays["center"][0]), of_books(data.books)
    told = np.column_stack([arrays["book_vectors"], arrays["book_means"] - center]).astype(np.float64)  # [n_books, k + 1]
    spread = np.maximum(told[rated].std(axis=0), 1e-6)  # [k + 1]
    told[~rated] = matrix[~rated] @ Features.of(matrix[rated]).fit(told[rated] / spread) * spread
    vectors, means = told[:, :-1].astype(np.float32), (center + told[:, -1]).astype(np.float32)
    return {**arrays, "book_vectors": vectors, "book_means": np.where(rated, arrays["book_means"], means)}


def _table(arrays: dict[str, AnyArray]) -> Table:
    vectors = arrays["book_vectors"].astype(np.float64)
    bias = np.full((len(vectors), 1), arrays["user_deviation"][0], np.float64)
    return Table(
        np.hstack([vectors, bias]),
        arrays["book_means"].astype(np.float64),
        arrays["noise"].astype(np.float64) ** 2,
        arrays["shelf_vectors"].astype(np.float64),
    )


def _forecast(table: Table, readers: Readers, reader: Positions, book_index: Positions) -> tuple[Floats, Floats]:
    """Stars of pairs and their variance before rounding, chunk by chunk of like readers."""
    stars, variance = np.empty(len(reader)), np.empty(len(reader))
    for rows, some, who, book in pairs_by_chunk(readers, (reader, book_index), table.phi.shape[1]):
        stars[rows], variance[rows] = _pairs(table, some, posterior(table, some), who, book)
    return stars, variance


def _pairs(
    table: Table, readers: Readers, solved: tuple[Posterior, Rated], reader: Positions, book: Positions
) -> tuple[Floats, Floats]:
    """Stars and variance of pairs [p], some pairs at a time."""
    stars = table.mu[book] + shelf_terms(table, readers, reader, book).prior
    variance = np.empty(len(book))
    size = max(CELLS // max(solved[0].phi[0].size, solved[0].matrix[0].size, 1), 1)
    for start in range(0, len(book), size):
        part = slice(start, start + size)
        parts, variance[part] = shares(table, readers, solved, (reader[part], book[part]))
        stars[part] += parts.sum(axis=1)
    return stars, variance
