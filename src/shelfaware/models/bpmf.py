"""BPMF: Bayesian matrix factorisation, for tables in which many books have few ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Indices, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.models import bpmf_posterior
from shelfaware.models.base import Explanation, Forecast, RatingModel, star_counts
from shelfaware.models.bpmf_posterior import Pairs, Posterior, Table
from shelfaware.models.gp_posterior import pairs_by_chunk
from shelfaware.models.ordinal import StarSteps
from shelfaware.models.readers import Readers
from shelfaware.training.history import Scores
from shelfaware.training.loop import Run, train

if TYPE_CHECKING:
    from shelfaware.models.bpmf_chain import Chain, Kept

MOST_NUMBERS = 16_000_000
"""Numbers of two bytes in the samples of a model: of many books fewer samples are kept."""


@dataclass(kw_only=True, eq=False)
class BPMF(RatingModel):
    """gp with its books uncertain and its stars as steps: nothing is fitted, all is drawn from its posterior, `samples` times.

        z_ui = p_u . v_i + b_u + c_i + N(0, s_i^2)        r_ui = value_k where cut_k-1 < z_ui <= cut_k
        (p_u, b_u) ~ N(m_P + |N|^-1/2 sum over b in N of Y_b, Sigma_P)
        (v_i, c_i) ~ N(m_V + |A|^-1/2 sum over a in A of X_a, Sigma_V)

    N are the books that a user has taken up, rated or not, each with a Y for read and one for to-read; A are the authors,
    series, genres and decade of a book, so that a book that nobody rated has a vector and a mean too. The cuts are those
    between which a standard normal falls as often as each star value was given (`ordinal`). A Gibbs sweep draws all of it,
    latent stars, priors and noise too (`bpmf_chain`), so there is no decay to choose. Only the book side of a sample is kept:
    given it and latent stars a reader's weights are Gaussian in closed form (`bpmf_posterior`), for a stranger as for a known
    user. Latent stars and reasons are means over samples; reasons are in stars once the step from what everybody would be
    expected to give to what this reader is, E[r] - E[r | base], is shared out in their proportion.

    factors    width of p and v
    epochs     Gibbs sweeps; the first quarter is thrown away
    samples    sweeps that are kept, evenly spread over the rest; fewer where there are very many books (MOST_NUMBERS)
    shelves    whether shelf states without stars are used; None: where the data has them

    Sources: Salakhutdinov & Mnih 2008; Albert & Chib 1993 (latent stars); Simm et al. 2017 ("Macau", features of the prior
    mean); Koren 2008.
    """

    name: ClassVar[str] = "bpmf"
    in_epochs: ClassVar[bool] = True
    own_differs: ClassVar[bool] = True

    factors: int = 20
    epochs: int = 200
    samples: int = 100
    shelves: bool | None = None

    def _fit(self, train_data: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        from shelfaware.models.bpmf_chain import Chain

        readers, n_books = Readers.of(train_data), train_data.n_books
        steps = StarSteps.of_counts(self.scale, star_counts(train_data).sum(axis=0))
        watch = _Watch(readers, validation, self, steps)
        samples = min(self.samples, max(MOST_NUMBERS // (n_books * (self.factors + 3)), 1))
        chain = Chain(readers, train_data.books, self.factors, self.epochs, samples, self.seed, steps, watch.scores)
        watch.row = chain.shelf_rows
        identity = f"{self.name} {self.config} {train_data.fingerprint} {validation.fingerprint if validation else None}"
        state, self.history = train(chain, run, identity=identity, patience=None, max_redraws=0)
        return self._named(state.kept, int(state.n_kept), chain)

    def _named(self, kept: Kept, n: int, chain: Chain) -> dict[str, AnyArray]:
        """A book a row, its samples beside each other. What half precision rounds off is far below their spread."""
        by_book = [np.moveaxis(array[:n], 0, 1) for array in kept]  # [n_books, samples, ...]
        names = ("book_vectors", "book_means", "noise", "shelf_vectors")
        arrays = {name: array.astype(np.float16) for name, array in zip(names, by_book, strict=True)}
        center = np.array([float(chain.readers.stars[chain.readers.rated].mean())])
        return {"center": center, "cuts": chain.steps.cuts, "shelf_rows": chain.shelf_rows, **arrays}

    @property
    def uses_shelves(self) -> bool:
        return self.shelves is not False

    @property
    def _posterior(self) -> Posterior:
        return self.derived(self._rebuilt)

    def _rebuilt(self, arrays: dict[str, AnyArray]) -> Posterior:
        phi, mu, noise, y = (
            np.ascontiguousarray(np.moveaxis(arrays[name], 1, 0), np.float64)
            for name in ("book_vectors", "book_means", "noise", "shelf_vectors")
        )
        row = arrays["shelf_rows"]
        tables = [Table(*one, row) for one in zip(phi, mu, noise, y, strict=True)]
        return Posterior(tables, StarSteps(self.scale.values, arrays["cuts"]))

    def _expect(self, readers: Readers) -> Floats:
        return bpmf_posterior.expect(self._posterior, readers)

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        mean, deviation = _latent(self._posterior, readers, (reader, book_index))
        stars, variance = self._posterior.steps.moments(mean, deviation)
        return Forecast(stars, np.sqrt(variance))

    def _left_out(self, readers: Readers) -> Floats:
        return bpmf_posterior.left_out(self._posterior, readers)

    def _explain(self, reader: Readers, book_index: Positions) -> Explanation:
        parts, steps = bpmf_posterior.explain(self._posterior, reader, book_index), self._posterior.steps
        stars, variance = steps.moments(parts.mean, parts.deviation)
        base, moved = steps.moments(parts.base, parts.deviation)[0], parts.mean - parts.base
        # Stars for a unit of latent stars; where nothing moved there is nothing to share out.
        worth = np.divide(stars - base, moved, out=np.zeros(len(moved)), where=np.abs(moved) > 1e-12)
        books = reader.book_index[reader.rated]
        return Explanation(base, worth * parts.shelves, books, worth[:, None] * parts.shares, np.sqrt(variance))

    def _vectors(self) -> Floats:
        """The samples' vectors one after another: their products are the mean, over samples, of what two books share."""
        vectors = self.arrays["book_vectors"][..., :-1].astype(np.float64)  # [n_books, samples, factors]
        return np.asarray(vectors.reshape(len(vectors), -1) / np.sqrt(vectors.shape[1]))


def _latent(posterior: Posterior, readers: Readers, pairs: tuple[Positions, Positions]) -> tuple[Floats, Floats]:
    """Mean and deviation of the latent stars of pairs, chunk by chunk of like readers."""
    mean, deviation = np.empty(len(pairs[0])), np.empty(len(pairs[0]))
    for rows, some, who, book in pairs_by_chunk(readers, pairs, posterior.features):
        asked = Pairs.of(some, who, book, posterior.n_books)
        mean[rows], deviation[rows] = bpmf_posterior.latent_stars(posterior, some, asked)
    return mean, deviation


class _Watch:
    """Scores of the mean over the samples kept so far on validation, each asked once; None before the first one."""

    def __init__(self, readers: Readers, validation: Interactions | None, model: BPMF, steps: StarSteps) -> None:
        self.readers, self.model, self.steps = readers, model, steps
        self.pairs = validation.ratings() if validation is not None and validation.n_ratings else None
        self.row: Indices = np.empty((0, 2), np.int32)
        self.total, self.n = np.zeros(self.pairs.n_ratings if self.pairs else 0), 0

    def scores(self, kept: Kept, n: int) -> Scores | None:
        if self.pairs is None or not n:
            return None
        while self.n < n:
            phi, mu, noise, y = (array[self.n].astype(np.float64) for array in kept)
            pairs = self.pairs.user_index.astype(np.int64), self.pairs.book_index.astype(np.int64)
            one = Posterior([Table(phi, mu, noise, y, self.row)], self.steps)
            self.total += self.steps.moments(*_latent(one, self.readers, pairs))[0]
            self.n += 1
        return Scores.of_errors(self.total / self.n - self.pairs.stars)
