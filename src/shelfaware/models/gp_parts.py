"""`gp` trained on a dataset that does not fit: the same learner, its batches read a part at a time."""

from __future__ import annotations

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.parts import Parts
from shelfaware.errors import DataError
from shelfaware.models.base import Origin, star_counts
from shelfaware.models.baselines import Popularity
from shelfaware.models.gp import GP, PRIOR_COUNT
from shelfaware.models.picking import fit_star_weight
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run, train


def fit_parts(model: GP, parts: Parts, run: Run | None = None) -> GP:
    """Learns the book tables of `model` from a dataset folder, two of its parts in memory at a time; no ranker.

    With one part the tables are those that `fit_stars` learns, bit for bit, but where books have few ratings: there they are
    not moved toward `bias`. No rating is watched, so patience does nothing. The model knows no users afterwards: `know` gives
    it some, or all.
    """
    from shelfaware.models.gp_batches import Batches
    from shelfaware.models.gp_learner import GPLearner

    def read(i: int) -> Readers:
        part = parts.part(i)
        return Readers.of(part if model.uses_shelves else part.ratings())

    model._check_settings()
    model.written_version = ""
    model.books, model.scale, model.simulated = parts.books, parts.scale, parts.simulated
    model.origin, model.users, model.readers = Origin(parts.fingerprint, parts.ratings), None, None
    counts = sum((star_counts(part) for part in parts), np.zeros((parts.n_books, 1), np.int32))  # [n_books, n_values]
    center, means = _means(counts, parts.scale.values)
    batches = Batches(model, parts.n_books, read, len(parts))
    if not batches.n_steps:
        raise DataError("gp needs users with at least two ratings to learn from, and there is none")
    learner = GPLearner(model, batches, means, center)
    identity = f"{model.name} {model.config} {parts.fingerprint} in {len(parts)} parts"
    (books, scalars), model.history = train(learner, run or Run(), identity=identity, patience=None, max_redraws=0)
    model.arrays = {**model._named(books, scalars, center), "star_counts": counts}
    return model


def rank_by_popularity(model: GP, parts: Parts) -> GP:
    """Gives a model of `fit_parts` its ranker: the number of ratings of each book. It then knows the users of the first part.

    They say what weight stars have beside it. Popularity, because EASE needs all rows at once.
    """
    ranker = Popularity(seed=model.seed)
    ranker.books, ranker.scale, ranker.simulated, ranker.origin = model.books, model.scale, model.simulated, model.origin
    ranker.arrays = {"count": model.n_ratings.astype(np.float64), "star_counts": model.arrays["star_counts"]}
    model.know(parts.part(0))
    model.ranker, model.star_weight = ranker, fit_star_weight(model, ranker, model.known_readers)
    return model


def _means(counts: AnyArray, values: Floats) -> tuple[float, Floats]:
    """`shrunken_means` from how often each book has each star value [n_books, n_values]."""
    center = float(counts.sum(axis=0) @ values / counts.sum())
    return center, center + counts @ (values - center) / (counts.sum(axis=1) + PRIOR_COUNT)
