"""GP: Gaussian-process matrix factorisation, the model that shelfaware recommends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.models.base import Explanation, Forecast, RatingModel
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
from shelfaware.models.ordinal import StarSteps
from shelfaware.models.readers import Readers
from shelfaware.models.source import Source
from shelfaware.training.loop import Run


class Decay(NamedTuple):
    """How strongly vectors are held back: `weight_decay` and `vector_deviation`."""

    weight_decay: float
    vector_deviation: float


DECAYS = (Decay(0.0, 0.058), Decay(0.1, 0.058), Decay(0.3, 0.058), Decay(1.0, 0.1))
"""The usual one, then stronger and stronger ones: what many ratings a reader, or few a book, need."""


@dataclass(kw_only=True, eq=False)
class GP(RatingModel):
    """A book has a vector q; a reader's taste is the posterior of a regression of their stars on the vectors they rated.

    For rated books O with stars r, means mu, noise s^2 and a user-bias variance a^2:

        K = Q_O Q_O^T + a^2 11^T + diag(s^2)        alpha = K^-1 (r - mu_O - prior_O)
        stars of j      mu_j + prior_j + k_j . alpha                      k_j = Q_O q_j + a^2
        variance        q_j . q_j + a^2 + s_j^2 - k_j . K^-1 k_j, of a normal that is then rounded to a step of the scale:
                        the deviation is that of the steps (`ordinal`), smaller where nearly all of it is 5 stars
        because of i    k_j[i] alpha_i

    Q_O [rated, factors], K [rated, rated]; mu, s [n_books], a and every deviation in stars.

    prior is SVD++'s sum over the books that the reader has taken up, rated or not (`gp_posterior.shelf_terms`): which books
    somebody rates says something of how they rate.
    Book tables learn by the left-out likelihood of every rating (`gp_network`); users are no parameters, so a stranger is
    as good as a known user. Where books have few ratings a point estimate of q learns noise: there the fitted table is moved
    toward that of `bias`, as far as a held-out tenth and a first fit without it say (`gp_trust`). A book that nobody rated
    has the q and mu of its authors, series, genres and decade (`gp_trust.with_unrated`).

    factors            width of q
    shelves            whether shelf states without stars are used; None: where the data has them
    vector_deviation   tau of the prior N(0, tau^2) on q, which acts as a decay lambda_1 / n_j = 1 / (2 tau^2 n_j)
    weight_decay       lambda_0, a decay of q that does not fade with the number of ratings; without either of the two both
                       are chosen by a held-out tenth, of DECAYS, where the data may need more than the first (`gp_fitting`)
    shelf_deviation, mean_deviation, noise_deviation   the same for y and z, for mu (stars), for log s_j - log s
    learning_rate      peak, of steps of up to 2,048 ratings; larger ones take sqrt(batch_size / 2,048) times as much
    block_size, batch_size   places for ratings in a packed block, and in all blocks of a step
    patience           epochs without better validation after which training stops; None: never

    Sources: Lawrence & Urtasun 2009 (GP factorisation); Sundararajan & Keerthi 2001 (leave-one-out objective); Koren 2008;
    Malladi et al. 2022 (the square root).
    """

    name: ClassVar[str] = "gp"
    in_epochs: ClassVar[bool] = True
    own_differs: ClassVar[bool] = True

    factors: int = 32
    epochs: int = 10
    learning_rate: float = 2e-2
    batch_size: int = 2048
    block_size: int = 32
    weight_decay: float | None = None
    vector_deviation: float | None = None
    shelf_deviation: float = 0.2
    mean_deviation: float = 0.35
    noise_deviation: float = 0.1
    shelves: bool | None = None
    patience: int | None = None

    def _fit(self, train_data: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        from shelfaware.models.gp_fitting import fitted

        return fitted(self, Source.of(train_data), validation, run)

    @property
    def decays(self) -> tuple[Decay, ...]:
        """Those to choose from: one, where it is given."""
        usual, decay, deviation = DECAYS[0], self.weight_decay, self.vector_deviation
        if decay is None and deviation is None:
            return DECAYS
        given = usual.weight_decay if decay is None else decay, usual.vector_deviation if deviation is None else deviation
        return (Decay._make(given),)

    @property
    def usual(self) -> dict[str, Any]:
        return {**self.config, **self.decays[0]._asdict()}

    @property
    def chosen(self) -> dict[str, float]:
        return Decay._make(self.arrays["decay"].tolist())._asdict() if "decay" in self.arrays else {}

    def named(self, books: AnyArray, scalars: AnyArray, center: float) -> dict[str, AnyArray]:
        """A learned table [n_books, width] and scalars [1, 2] as `arrays`."""
        k, (log_a, log_s) = self.factors, scalars[0]
        return {
            "center": np.array([center]),
            "user_deviation": np.array([np.exp(log_a)], np.float32),
            "book_vectors": books[:, :k].astype(np.float32),
            "book_means": books[:, k].astype(np.float32),
            "noise": np.exp(log_s + books[:, k + 1]).astype(np.float32),
            "shelf_vectors": books[:, k + 2 :].reshape(len(books), 2, k + 1).astype(np.float32),
        }

    def errors(self, table: Table, readers: Readers, held: Interactions) -> Floats:
        """Clipped stars of held-out ratings minus those that were given [n]; `readers` are all users, without them."""
        pairs = held.user_index.astype(np.int64), held.book_index.astype(np.int64)
        return np.asarray(self.scale.clip(_forecast(table, readers, *pairs)[0]) - held.stars, np.float64)

    @property
    def uses_shelves(self) -> bool:
        return self.shelves is not False

    @property
    def _table(self) -> Table:
        return self.derived(table_of)

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
        return np.asarray(np.sqrt(StarSteps.rounding(self.scale).moments(stars, np.sqrt(variance))[1]))

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


def table_of(arrays: dict[str, AnyArray]) -> Table:
    """The arrays of a fitted model as its answers need them."""
    bias = np.full((len(arrays["book_vectors"]), 1), arrays["user_deviation"][0], np.float64)
    return Table(
        np.hstack([arrays["book_vectors"], bias]),  # in float64, as `bias` is
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
