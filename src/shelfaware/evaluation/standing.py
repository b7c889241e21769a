"""What a model folder keeps of how its model was judged: its figures, its calibration, and the baselines on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shelfaware.data.interactions import Interactions
from shelfaware.evaluation.board import BEST, gains, squares
from shelfaware.evaluation.calibration import coverage_curve, reliability
from shelfaware.evaluation.metrics import Interval
from shelfaware.evaluation.protocol import Figures, Held, Judged, forecasts, judge, ranked_lists
from shelfaware.evaluation.verdicts import Sampled, pairs
from shelfaware.models.base import Model
from shelfaware.models.baselines import Bias, Mean, Popularity

TENTHS = tuple(tenth / 10 for tenth in range(1, 10))


def standing(model: Model, test: Interactions, *, learned: Interactions, known: Interactions) -> Figures:
    """The figures of `evaluate`, and with them as plain JSON

        calibration  {"bins": [{deviation, error, low, high, n}], "coverage": [{level, share, low, high}]}; None of a model
                     without a deviation (`calibration.reliability`, `calibration.coverage_curve`)
        leaderboard  {figure: [{model, value, low, high, verdict}]}, the best first, for mse and ndcg_at_10: the model beside
                     those that know next to nothing of a reader, each judged on `test`

    learned  the rows that the model learned from; the others learn from them too
    known    the rows that it answers from: `learned` and what it watched
    Bounds are those of 95 % intervals over readers; None where one reader tells nothing of the spread.
    """
    judged = judge(model, test)
    return {
        **judged.figures(),
        "calibration": judged.held and calibrated(judged.held),
        "leaderboard": _leaderboard(model.name, judged, learned, known),
    }


def calibrated(held: Held) -> dict[str, Any] | None:
    """Promised against found, with intervals over readers; None of a model without a deviation."""
    if held.forecast.deviation is None:
        return None
    said, users = (held.test.stars, held.clipped, held.forecast.deviation), held.test.user_index
    bins, curve = reliability(*said, groups=users), coverage_curve(*said, groups=users, levels=TENTHS)
    return {
        "bins": [{"deviation": one.deviation, **_interval("error", one.error), "n": one.n} for one in bins],
        "coverage": [{"level": one.level, **_interval("share", one.share)} for one in curve],
    }


def _leaderboard(name: str, judged: Judged, learned: Interactions, known: Interactions) -> dict[str, list[Figures]]:
    """Mean and Bias beside the stars of `name`, Popularity beside its lists; no board of what it does not have."""
    test, overlap, boards = judged.test, len(judged.test) / learned.n_ratings, {}
    if judged.held:
        stars = {one.name: squares(forecasts(one.fit_stars(learned).know(known), test)) for one in (Mean(), Bias())}
        boards["mse"] = _rows({**stars, name: squares(judged.held)}, overlap, less_is_better=True)
    if len(judged.lists.users):
        popular = ranked_lists(Popularity().fit(learned).know(known), test)
        drawn = {Popularity.name: gains(popular.unrated, popular), name: gains(judged.lists.unrated, judged.lists)}
        boards["ndcg_at_10"] = _rows(drawn, overlap, less_is_better=False)
    return boards


def _rows(samples: Mapping[str, Sampled], overlap: float, *, less_is_better: bool) -> list[Figures]:
    means, told = pairs({name: [of] for name, of in samples.items()}, overlap, less_is_better=less_is_better)
    order = sorted(means, key=lambda name: means[name].mean * (1 if less_is_better else -1))
    verdicts = {pair.a: pair.verdict for pair in told if pair.b == order[0]} | {order[0]: BEST}
    return [{"model": name, **_interval("value", means[name]), "verdict": verdicts[name]} for name in order]


def _interval(name: str, interval: Interval) -> Figures:
    low, high = (bound if np.isfinite(bound) else None for bound in (interval.low, interval.high))
    return {name: interval.mean, "low": low, "high": high}
