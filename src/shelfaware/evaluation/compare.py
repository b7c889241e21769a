"""Models side by side on one split: each fitted in a process of its own, so that its seconds and memory are its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.errors import EvaluationError
from shelfaware.evaluation.protocol import evaluate
from shelfaware.models.registry import create


def compare(
    data: Interactions,
    models: Sequence[str],
    holdout: str = "random:0.1",
    *,
    seed: int = 0,
    on_model: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """{"holdout", "models": [{"model", every figure of `evaluate`, "fit_seconds", "peak_mb"}]}, in the order given.

    `on_model` is called with each name before it is fitted. peak_mb is the whole process: interpreter, libraries, data, fit
    and evaluation. From a script, call it under `if __name__ == "__main__":`, as it starts processes.
    """
    if not models:
        raise EvaluationError("there is nothing to compare; name one model or more")
    for name in models:
        create(name)
    train, test = split(data, holdout, seed=seed)
    if not len(test):
        raise EvaluationError(
            f"the split {holdout!r} holds nothing out of {data.n_ratings:,} ratings, so nothing can be compared"
        )
    rows = []
    for name in models:
        if on_model:
            on_model(name)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            rows.append({"model": name, **fresh.submit(fit_and_evaluate, name, seed, train, test).result()})
    return {"holdout": holdout, "models": rows}


def fit_and_evaluate(name: str, seed: int, train: Interactions, test: Interactions) -> dict[str, Any]:
    """One row of the leaderboard, without the model's name."""
    model = create(name, {"seed": seed})
    started = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - started
    return {**evaluate(model, test), "fit_seconds": seconds, "peak_mb": peak_megabytes()}


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
