"""BPMF: Bayesian matrix factorisation, for tables in which many books have few ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Indices, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.models import bpmf_posterior as posterior
from shelfaware.models.base import Explanation, Forecast, RatingModel
from shelfaware.models.bpmf_posterior import Pairs, Table
from shelfaware.models.gp_posterior import pairs_by_chunk
from shelfaware.models.readers import Readers
from shelfaware.training.history import Scores
from shelfaware.training.loop import Run, train

if TYPE_CHECKING:
    from shelfaware.models.bpmf_chain import Chain, Kept

MOST_NUMBERS = 16_000_000
"""Numbers of two bytes in the samples of a model: of many books fewer samples are kept."""


@dataclass(kw_only=True, eq=False)
class BPMF(RatingModel):
    """gp with its books uncertain: vectors, means and noise are not fitted but drawn from their posterior, `samples` times.

        r_ui = p_u . v_i + b_u + c_i + N(0, s_i^2)
        (p_u, b_u) ~ N(m_P + |N|^-1/2 sum over b in N of Y_b, Sigma_P)        (v_i, c_i) ~ N(m_V, Sigma_V)

    N are the books that a user has taken up, rated or not, each with a Y for read and one for to-read. A Gibbs sweep draws
    all of it, priors and noise too (`bpmf_chain`), so there is no decay to choose. Only the book side of a sample is kept: a
    reader's weights given it are Gaussian in closed form (`bpmf_posterior`), for a stranger as for a known user. Stars and
    reasons are means over samples; the variance is the mean of theirs plus the variance of their means.

    factors    width of p and v
    epochs     Gibbs sweeps; the first quarter is thrown away
    samples    sweeps that are kept, evenly spread over the rest; fewer where there are very many books (MOST_NUMBERS)
    shelves    whether shelf states without stars are used; None: where the data has them

    Sources: Salakhutdinov & Mnih 2008; Simm et al. 2017 ("Macau", features of the prior mean); Koren 2008.
    """

    name: ClassVar[str] = "bpmf"
    own_differs: ClassVar[bool] = True

    factors: int = 20
    epochs: int = 200
    samples: int = 100
    shelves: bool | None = None

    def _fit(self, train_data: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        from shelfaware.models.bpmf_chain import Chain

        readers, n_books = Readers.of(train_data), train_data.n_books
        watch = _Watch(readers, validation, self)
        samples = min(self.samples, max(MOST_NUMBERS // (n_books * (self.factors + 3)), 1))
        chain = Chain(readers, n_books, self.factors, self.epochs, samples, self.seed, watch.scores)
        watch.row = chain.shelves.row
        identity = f"{self.name} {self.config} {train_data.fingerprint} {validation.fingerprint if validation else None}"
        state, self.history = train(chain, run, identity=identity, patience=None, max_redraws=0)
        return self._named(state.kept, int(state.n_kept), chain)

    def _named(self, kept: Kept, n: int, chain: Chain) -> dict[str, AnyArray]:
        """A book a row, its samples beside each other. What half precision rounds off is far below their spread."""
        by_book = [np.moveaxis(array[:n], 0, 1) for array in kept]  # [n_books, samples, ...]
        by_book[1] = by_book[1] - chain.center
        names = ("book_vectors", "book_means", "noise", "shelf_vectors")
        arrays = {name: array.astype(np.float16) for name, array in zip(names, by_book, strict=True)}
        return {"center": np.array([chain.center]), "shelf_rows": chain.shelves.row, **arrays}

    @property
    def uses_shelves(self) -> bool:
        return self.shelves is not False

    @property
    def _tables(self) -> list[Table]:
        return self.derived(_tables)

    def _expect(self, readers: Readers) -> Floats:
        return posterior.expect(self._tables, readers)

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        stars, variance = _forecast(self._tables, readers, reader, book_index)
        return Forecast(stars, np.sqrt(variance))

    def _left_out(self, readers: Readers) -> Floats:
        return posterior.left_out(self._tables, readers)

    def _explain(self, reader: Readers, book_index: Positions) -> Explanation:
        base, shelves, shares = posterior.explain(self._tables, reader, book_index)
        deviation = self._forecast(reader, np.zeros(len(book_index), np.int64), book_index).deviation
        return Explanation(base, shelves, reader.book_index[reader.rated], shares, deviation)

    def _vectors(self) -> Floats:
        """The samples' vectors one after another: their products are the mean, over samples, of what two books share."""
        vectors = self.arrays["book_vectors"][..., :-1].astype(np.float64)  # [n_books, samples, factors]
        return np.asarray(vectors.reshape(len(vectors), -1) / np.sqrt(vectors.shape[1]))


def _tables(arrays: dict[str, AnyArray]) -> list[Table]:
    phi, mu, noise, y = (
        np.ascontiguousarray(np.moveaxis(arrays[name], 1, 0), np.float64)
        for name in ("book_vectors", "book_means", "noise", "shelf_vectors")
    )
    mu = mu + arrays["center"][0]
    row = arrays["shelf_rows"]
    return [Table(*parts, row) for parts in zip(phi, mu, noise, y, strict=True)]


def _forecast(tables: list[Table], readers: Readers, reader: Positions, book_index: Positions) -> tuple[Floats, Floats]:
    """Stars and variances of pairs, chunk by chunk of like readers."""
    stars, variance = np.empty(len(reader)), np.empty(len(reader))
    for rows, some, who, book in pairs_by_chunk(readers, (reader, book_index), tables[0].phi.shape[1]):
        stars[rows], variance[rows] = posterior.forecast(tables, some, Pairs.of(some, who, book, len(tables[0].mu)))
    return stars, variance


class _Watch:
    """Scores of the mean over the samples kept so far on validation, each asked once; of the mean of all stars before."""

    def __init__(self, readers: Readers, validation: Interactions | None, model: BPMF) -> None:
        self.readers, self.model, self.center = readers, model, float(readers.stars[readers.rated].mean())
        self.pairs = validation.ratings() if validation is not None and validation.n_ratings else None
        self.row: Indices = np.empty((0, 2), np.int32)
        self.total, self.n = np.zeros(self.pairs.n_ratings if self.pairs else 0), 0

    def scores(self, kept: Kept, n: int) -> Scores | None:
        if self.pairs is None:
            return None
        while self.n < n:
            phi, mu, noise, y = (array[self.n].astype(np.float64) for array in kept)
            table = Table(phi, mu, noise, y, self.row)
            user, book = (index.astype(np.int64) for index in (self.pairs.user_index, self.pairs.book_index))
            self.total += _forecast([table], self.readers, user, book)[0]
            self.n += 1
        stars = self.total / self.n if self.n else np.full(len(self.total), self.center)
        error = self.model.scale.clip(stars) - self.pairs.stars
        mse, mae = float(np.mean(error**2)), float(np.mean(np.abs(error)))
        return Scores(mse, mse, mae)
