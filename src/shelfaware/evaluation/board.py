"""The leaderboard: figures of models over rounds, who is best, and who cannot be told from the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shelfaware.arrays import AnyArray
from shelfaware.evaluation import metrics, ranking
from shelfaware.evaluation.metrics import Interval
from shelfaware.evaluation.protocol import Figures, Held, Judged, Lists, N
from shelfaware.evaluation.verdicts import Pair, Sampled, pairs

CRITERIA = {"mse": True, "ndcg_at_10": False, "ndcg_at_10_unshelved": False}
"""Figures that models are told apart by, and whether less is better."""

BEST = "best"

INTERVALS = ("intervals", "_interval")
"""Ends of the keys of intervals of one round, which say nothing of several."""


def leaderboard(
    figures: Mapping[str, Sequence[Figures]], judged: Mapping[str, Sequence[Judged]], overlap: float
) -> dict[str, Any]:
    """{"models": rows, "best": {figure: model}, "pairs": every two models by every figure} from each model's rounds.

    overlap  ratings tested on, for each one trained on (`verdicts`)
    """
    rows = {name: {"model": name, **_over_rounds(rounds), "verdicts": {}} for name, rounds in figures.items()}
    best, against = {}, []
    for figure, less_is_better in CRITERIA.items():
        samples = {name: of for name, rounds in judged.items() if (of := _samples(rounds, figure))}
        if not samples:
            continue
        means, told = pairs(samples, overlap, less_is_better=less_is_better)
        top = min(means, key=lambda name: means[name].mean * (1 if less_is_better else -1))
        best[figure] = top
        for name, mean in means.items():
            if len(figures[name]) > 1:
                _put_interval(rows[name], figure, mean)
        rows[top]["verdicts"][figure] = BEST
        for pair in told:
            if pair.b == top:
                rows[pair.a]["verdicts"][figure] = pair.verdict
            against.append(_plain(figure, pair))
    return {"models": list(rows.values()), "best": best, "pairs": against}


def _samples(rounds: Sequence[Judged], figure: str) -> list[Sampled] | None:
    """What `figure` is the mean of, in every round; None where the model does not have it."""
    found = [_sample(one, figure) for one in rounds]
    return None if any(one is None or np.isnan(one.values).all() for one in found) else [one for one in found if one]


def _sample(judged: Judged, figure: str) -> Sampled | None:
    if figure == "mse":
        return squares(judged.held) if judged.held else None
    lists = judged.lists
    ranked = lists.unrated if figure == "ndcg_at_10" else lists.unshelved
    return None if ranked is None else gains(ranked, lists)


def squares(held: Held) -> Sampled:
    """What the MSE is the mean of."""
    return Sampled(metrics.squared_errors(held.test.stars, held.clipped), held.test.user_index)


def gains(ranked: AnyArray, lists: Lists) -> Sampled:
    """What nDCG@10 of the lists `ranked`, A's or B's, is the mean of."""
    return Sampled(ranking.ndcg(ranked, lists.relevant, N), np.arange(len(ranked)))


def _over_rounds(rounds: Sequence[Figures]) -> Figures:
    """Means over rounds of every number, None where a round lacks it; counts add up, memory is the most."""
    if len(rounds) == 1:
        return dict(rounds[0])
    return {key: _together(key, [one.get(key) for one in rounds]) for key in rounds[0] if not key.endswith(INTERVALS)}


def _together(key: str, values: Sequence[Any]) -> Any:
    if any(value is None for value in values):
        return None
    if isinstance(values[0], dict):
        return _over_rounds(values)
    return sum(values) if key == "n" else max(values) if key == "peak_mb" else float(np.mean(values))


def _put_interval(row: Figures, figure: str, mean: Interval) -> None:
    bounds = [mean.low, mean.high] if np.isfinite([mean.low, mean.high]).all() else None
    if figure == "mse":
        row["intervals"] = {"mse": bounds}
    else:
        row[f"{figure}_interval"] = bounds


def _plain(figure: str, pair: Pair) -> Figures:
    """A pair as plain JSON; bounds that cannot be told are None."""
    apart = pair.difference
    low, high = (bound if np.isfinite(bound) else None for bound in (apart.low, apart.high))
    between = {"difference": apart.mean, "low": low, "high": high}
    return {"figure": figure, "a": pair.a, "b": pair.b, **between, "verdict": pair.verdict}
