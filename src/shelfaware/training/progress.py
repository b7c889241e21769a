"""Training shown on a terminal: what, how far, rate, time left. Silent where stderr is not a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from shelfaware.training.history import EpochRecord


@contextlib.contextmanager
def shown(what: str, n_ratings: int) -> Iterator[Callable[[EpochRecord], object] | None]:
    """Yields a callback for the loop, or None where nobody is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[scores]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"training {what}", total=None, scores="compiling")

        def on_epoch(record: EpochRecord) -> None:
            scores = f"mse {record.train.mse:.3f}"
            if record.validation:
                scores += f", validation {record.validation.mse:.3f}"
            scores += f", {n_ratings / record.seconds / 1e6:.2f} M ratings/s"
            bar.update(task, completed=record.epoch, total=record.epochs, scores=scores)

        yield on_epoch
