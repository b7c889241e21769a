"""How good a model is on ratings that it never saw: stars, ranking, calibration, each with its interval.

Relevant are the held-out ratings of loved books. Protocol A: candidates are the books that a user had not rated in
training. Protocol B: books still on their shelves are no candidates either. Held-out cells have left the shelves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shelfaware.arrays import Floats, Indices, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.errors import EvaluationError
from shelfaware.evaluation import calibration, metrics, ranking
from shelfaware.models.base import BLOCK_CELLS, Forecast, Model, RatingModel
from shelfaware.models.picking import scores
from shelfaware.models.readers import Readers

N = 10
Figures = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Held:
    """Held-out ratings beside what a model forecast for them."""

    test: Interactions
    forecast: Forecast
    clipped: Floats


def evaluate(model: Model, test: Interactions) -> Figures:
    """Every figure that the model has, on held-out rows; None where it has no stars, variance or shelves.

    `model` must know its training data (it does after `fit`). Raises EvaluationError if that overlaps `test`.
    """
    return judge(model, test).figures()


def judge(model: Model, test: Interactions) -> Judged:
    """What the model says of held-out rows. Raises EvaluationError if its training data overlaps them."""
    test = test.ratings()
    _refuse_overlap(model.known_readers, test)
    return Judged(test, forecasts(model, test) if isinstance(model, RatingModel) else None, ranked_lists(model, test))


@dataclass(frozen=True, eq=False)
class Judged:
    """Held-out ratings, what a model forecast for them (None of a ranker) and what it would recommend."""

    test: Interactions
    held: Held | None
    lists: Lists

    def figures(self) -> Figures:
        stars = star_figures(self.held) if self.held else {}
        empty = dict.fromkeys(("mse", "rmse", "mae", "coverage_90", "spearman", "auc"))
        return {**empty, "n": len(self.test), **stars, **ranking_figures(self.lists, self.test.n_books)}


def forecasts(model: RatingModel, test: Interactions) -> Held:
    """Raises EvaluationError if a pair has no finite score."""
    forecast = model.forecast(model.known_readers, test.user_index, test.book_index)
    if not np.isfinite(forecast.stars).all():
        raise EvaluationError(f"{model.name} has no score for {int((~np.isfinite(forecast.stars)).sum()):,} held-out pairs")
    return Held(test, forecast, np.asarray(model.scale.clip(forecast.stars), np.float64))


def star_figures(held: Held) -> Figures:
    """MSE, RMSE, MAE and, where there is a deviation, calibration; all of clipped stars."""
    test, deviation = held.test, held.forecast.deviation
    squared = metrics.squared_errors(test.stars, held.clipped)
    absolute = metrics.absolute_errors(test.stars, held.clipped)
    mse = metrics.bootstrap_mean(squared, groups=test.user_index)
    mae = metrics.bootstrap_mean(absolute, groups=test.user_index)
    figures: Figures = {"mse": mse.mean, "rmse": mse.root().mean, "mae": mae.mean}
    figures["intervals"] = {"mse": _bounds(mse), "rmse": _bounds(mse.root()), "mae": _bounds(mae)}
    if deviation is not None:
        figures["coverage_90"] = calibration.interval_coverage(test.stars, held.clipped, deviation)
        figures["spearman"] = calibration.error_rank_correlation(absolute, deviation)
        figures["auc"] = calibration.large_error_auc(absolute, deviation)
    return figures


def deciles(held: Held, train: Readers) -> dict[str, list[metrics.Decile]]:
    """Squared error by tenths of the pairs: of how much their user rated, and of how often their book was rated."""
    squared = metrics.squared_errors(held.test.stars, held.clipped)
    users = held.test.user_index
    return {of: metrics.by_decile(squared, counts, groups=users) for of, counts in activity(train, held.test).items()}


def activity(train: Readers, test: Interactions) -> dict[str, Positions]:
    """Training ratings of the user, and of the book, of each held-out rating [n]."""
    books = np.bincount(train.book_index[train.rated], minlength=test.n_books)
    return {"user": train.n_ratings[test.user_index], "book": books[test.book_index]}


def ranking_figures(lists: Lists, n_books: int) -> Figures:
    """nDCG, recall and MRR at 10 under A, nDCG under B, and the catalogue coverage of A's lists."""
    users = lists.users
    if not len(users):
        keys = ("ndcg_at_10", "ndcg_at_10_unshelved", "recall_at_10", "mrr_at_10", "catalogue_coverage_at_10")
        return dict.fromkeys(keys)
    unrated, unshelved, relevant = lists.unrated, lists.unshelved, lists.relevant
    ndcg = metrics.bootstrap_mean(ranking.ndcg(unrated, relevant, N)[users])
    return {
        "ndcg_at_10": ndcg.mean,
        "ndcg_at_10_unshelved": None if unshelved is None else float(ranking.ndcg(unshelved, relevant, N)[users].mean()),
        "recall_at_10": float(ranking.recall(unrated, relevant, N)[users].mean()),
        "mrr_at_10": float(ranking.reciprocal_rank(unrated, relevant, N)[users].mean()),
        "catalogue_coverage_at_10": float(ranking.catalogue_coverage(unrated[users], n_books, N)),
        "ndcg_at_10_interval": _bounds(ndcg),
    }


@dataclass(frozen=True, eq=False)
class Lists:
    """The best ten for every user with a loved book among the held-out ones; -1 for everybody else.

    users      who has one
    relevant   their held-out loved books
    unrated    under A, i32 [n_users, 10]
    unshelved  under B, the same; None where the model is told of no shelf states
    """

    users: Positions
    relevant: ranking.Relevant
    unrated: Indices
    unshelved: Indices | None


def ranked_lists(model: Model, test: Interactions) -> Lists:
    """What `model` would recommend to the users of `test`."""
    loved = test.stars >= test.scale.loved
    relevant = ranking.Relevant.of_pairs(test.user_index[loved], test.book_index[loved], test.n_users)
    users = np.flatnonzero(relevant.counts > 0)
    shelves = model.uses_shelves and not bool(model.known_readers.rated.all())
    unrated, unshelved = _ranked(model, users, test.n_users, shelves)
    return Lists(users, relevant, unrated, unshelved if shelves else None)


def _ranked(model: Model, users: Positions, n_users: int, shelves: bool) -> tuple[Indices, Indices]:
    """The best ten of the candidates of A and of B for `users`; -1 for everybody else [n_users, 10]."""
    lists = tuple(np.full((n_users, N), -1, np.int32) for _ in range(2))
    for some in _blocks(users, len(model.catalogue)):
        readers = model.known_readers.take(some)
        score = scores(model, readers)
        lists[0][some] = ranking.top_n(score, ~readers.ratings().has(score.shape[1]), N)
        if shelves:
            lists[1][some] = ranking.top_n(score, ~readers.has(score.shape[1]), N)
    return lists[0], lists[1]


def _blocks(users: Positions, n_books: int) -> Iterator[Positions]:
    size = max(BLOCK_CELLS // max(n_books, 1), 1)
    for start in range(0, len(users), size):
        yield users[start : start + size]


def _bounds(interval: metrics.Interval) -> list[float] | None:
    """[low, high] of an interval; None where there is but one group to resample."""
    return [interval.low, interval.high] if np.isfinite([interval.low, interval.high]).all() else None


def _refuse_overlap(train: Readers, test: Interactions) -> None:
    if not len(test):
        raise EvaluationError("nothing was held out, so there is nothing to evaluate on; train with --holdout")
    keys = train.owner * test.n_books + train.book_index
    overlap = int(np.isin(test.pair_keys, keys).sum())
    if overlap:
        raise EvaluationError(f"{overlap:,} of the {len(test):,} held-out pairs are in the training data too")


def decile_rows(parts: dict[str, list[metrics.Decile]]) -> dict[str, list[Figures]]:
    """Deciles as plain JSON."""
    return {name: [asdict(decile) for decile in rows] for name, rows in parts.items()}
