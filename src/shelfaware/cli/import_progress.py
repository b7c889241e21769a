"""A long import or simulation shown on a terminal: what, how far, rate, time left. Silent where stderr is not a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shelfaware.data.watching import Watch


@contextlib.contextmanager
def shown() -> Iterator[Watch]:
    """Yields what is told how far the job is."""
    from shelfaware.data.watching import silent

    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:10}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, stage, started, first = bar.add_task("", total=1.0, rate=""), "", 0.0, 0

        def watch(what: str, share: float, rows: int) -> None:
            nonlocal stage, started, first
            if what != stage:
                stage, started, first = what, time.perf_counter(), rows
                bar.reset(task, description=what, total=1.0, rate="")
            seconds = time.perf_counter() - started
            rate = f", {(rows - first) / seconds / 1e6:.2f} M rows/s" if seconds > 1 else ""
            bar.update(task, completed=share, rate=f"{rows / 1e6:.1f} M rows{rate}")

        yield watch
