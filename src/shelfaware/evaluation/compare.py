"""Models side by side on the same splits: each fitted in a process of its own, so that its seconds and memory are its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shelfaware.data.interactions import Interactions
from shelfaware.errors import EvaluationError, TrainingError
from shelfaware.evaluation import board
from shelfaware.evaluation.beyond import beyond_accuracy
from shelfaware.evaluation.plan import Plan, Round
from shelfaware.evaluation.protocol import Judged, judge
from shelfaware.models.registry import create


@dataclass(frozen=True, eq=False)
class Outcome:
    """How one model did in one round: what it said, and what that cost."""

    judged: Judged
    cost: dict[str, Any]

    @property
    def figures(self) -> dict[str, Any]:
        return {**self.judged.figures(), **self.cost}


@dataclass(frozen=True, eq=False)
class Compared:
    """Every model in every round: `outcomes` of each, in the order of `rounds`."""

    plan: Plan
    rounds: list[Round]
    outcomes: dict[str, list[Outcome]]

    def board(self) -> dict[str, Any]:
        """The leaderboard as plain JSON (`board.leaderboard`)."""
        judged = {name: [one.judged for one in outcomes] for name, outcomes in self.outcomes.items()}
        figures = {name: [one.figures for one in outcomes] for name, outcomes in self.outcomes.items()}
        overlap = sum(len(one.test) / one.train.n_ratings for one in self.rounds) / len(self.rounds)
        about = {"holdout": str(self.plan), "seeds": self.plan.seeds, "folds": self.plan.folds}
        return {**about, **board.leaderboard(figures, judged, overlap)}


def compare(
    data: Interactions,
    models: Sequence[str],
    holdout: str | Plan = "random:0.1",
    *,
    seed: int = 0,
    on_model: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """{"holdout", "seeds", "folds", "models": [a row each, in the order given], "best", "pairs"}.

    A row has the model's name, every figure of `evaluate` and of `beyond_accuracy`, "fit_seconds", "peak_mb" (means over
    rounds, the memory a maximum) and "verdicts" against the best of each figure; "pairs" has every two models with the
    interval of their difference. `on_model` is called with each name before it is fitted. peak_mb is the whole process:
    interpreter, libraries, data, fit and evaluation. From a script, call it under `if __name__ == "__main__":`, as it
    starts processes.
    """
    plan = holdout if isinstance(holdout, Plan) else Plan(holdout, seed)
    return outcomes(data, models, plan, on_model=on_model).board()


def outcomes(
    data: Interactions, models: Sequence[str], plan: Plan, *, on_model: Callable[[str], object] | None = None
) -> Compared:
    """Fits and judges every model in every round of the plan."""
    if not models:
        raise EvaluationError("there is nothing to compare; name one model or more")
    if len(set(models)) < len(models):
        raise EvaluationError("a model is named twice; compare each once")
    for name in models:
        create(name)
    rounds, found = list(plan.rounds(data)), {name: list[Outcome]() for name in models}
    for number, part in enumerate(rounds, 1):
        for name in models:
            if on_model:
                on_model(f"{name}, round {number} of {len(rounds)}" if len(rounds) > 1 else name)
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
                try:
                    found[name].append(fresh.submit(fit_and_evaluate, name, *part).result())
                except BrokenProcessPool:
                    raise TrainingError(
                        f"the process that fitted {name} in round {number} was killed, perhaps for want of memory; "
                        "leave that model out, or free some memory"
                    ) from None
    return Compared(plan, rounds, found)


def fit_and_evaluate(name: str, seed: int, train: Interactions, test: Interactions) -> Outcome:
    """One model in one round."""
    model = create(name, {"seed": seed})
    started = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - started
    judged = judge(model, test)
    cost = {**beyond_accuracy(judged.lists, train), "fit_seconds": seconds, "peak_mb": peak_megabytes()}
    return Outcome(judged, cost)


def peak_megabytes() -> float:
    """The most memory that this process has held, in MB (10^6 bytes).

    Linux's ru_maxrss starts at the peak of the process that started this one; VmHWM is this program's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024) / 1e6
