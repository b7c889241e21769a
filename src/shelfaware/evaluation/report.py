"""What a report says: the comparison, and with it how the better models fare with less data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shelfaware.data.interactions import Interactions
from shelfaware.errors import DataError, EvaluationError
from shelfaware.evaluation import curves
from shelfaware.evaluation.compare import Compared, Outcome, outcomes
from shelfaware.evaluation.curves import Curve
from shelfaware.evaluation.plan import Plan, Round
from shelfaware.evaluation.protocol import Held

MOST_CURVES = 4
"""Lines that can be told apart in one plot."""


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that the page is written from.

    curves  by name, `ratings`, `users`, `cold users`, `cold books`, those that could be drawn: of each model
    """

    data: Interactions
    compared: Compared
    board: dict[str, Any]
    curves: dict[str, dict[str, Curve]] = field(default_factory=dict)

    @property
    def first(self) -> Round:
        """The round whose ratings the details are about."""
        return self.compared.rounds[0]

    def outcome(self, model: str) -> Outcome:
        """Of a model in that round."""
        return self.compared.outcomes[model][0]

    def held(self, model: str) -> Held:
        """Forecasts of a rating model in that round."""
        held = self.outcome(model).judged.held
        assert held is not None
        return held

    @property
    def raters(self) -> list[str]:
        """The models that predict stars, the best first."""
        rows = [row for row in self.board["models"] if row["mse"] is not None]
        return [row["model"] for row in sorted(rows, key=lambda row: float(row["mse"]))]

    @property
    def told(self) -> list[str]:
        """The raters that plots have room for: the best ones, and the last to compare them with."""
        raters = self.raters
        return raters if len(raters) <= MOST_CURVES else [*raters[: MOST_CURVES - 1], _plainest(raters)]

    def row(self, model: str) -> dict[str, Any]:
        return next(row for row in self.board["models"] if row["model"] == model)


def _plainest(raters: Sequence[str]) -> str:
    """`bias`, which every model should beat, or else the last."""
    return "bias" if "bias" in raters[MOST_CURVES - 1 :] else raters[-1]


def gather(
    data: Interactions,
    models: Sequence[str],
    plan: Plan,
    *,
    with_curves: bool = True,
    on_step: Callable[[str], object] | None = None,
) -> Findings:
    """Fits everything. Raises EvaluationError where no model predicts stars."""
    say = on_step or (lambda _: None)
    compared = outcomes(data, models, plan, on_model=lambda name: say(f"fitting {name}"))
    findings = Findings(data, compared, compared.board())
    if not findings.raters:
        raise EvaluationError("a report needs a model that predicts stars, such as bias")
    if with_curves:
        findings.curves.update({name: drawn for name, drawn in _curves(findings, say) if drawn})
    return findings


def _curves(findings: Findings, say: Callable[[str], object]) -> Sequence[tuple[str, dict[str, Curve]]]:
    """Each curve with the models that have it; a model that cannot answer strangers lacks some, as do data that are too few."""
    part, seed = findings.first, findings.first.seed
    draw: dict[str, Callable[[str], Curve]] = {
        "ratings": lambda name: curves.by_size(name, part),
        "users": lambda name: curves.by_size(name, part, of="users"),
        "cold users": lambda name: curves.cold_users(name, curves.cold(findings.data, "user", seed=seed), seed=seed),
        "cold books": lambda name: curves.cold_books(name, curves.cold(findings.data, "book", seed=seed), seed=seed),
    }
    found = []
    for what, of in draw.items():
        drawn: dict[str, Curve] = {}
        for name in findings.told:
            say(f"{name}: {what}")
            try:
                drawn[name] = of(name)
            except (EvaluationError, DataError):  # too few ratings in a part for this model
                continue
        found.append((what, drawn))
    return found


def share_of_top(counts: Sequence[int], top: float = 0.1) -> float:
    """The share of all ratings that the most rated `top` of the books have."""
    ordered = np.sort(np.asarray(counts))[::-1]
    return float(ordered[: max(int(np.ceil(top * len(ordered))), 1)].sum() / max(int(ordered.sum()), 1))
