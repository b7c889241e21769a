"""Ctrl-C and SIGTERM ask a run to stop at the end of its epoch, or of a part of it; a second one stops it at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Self

from shelfaware.errors import TrainingError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterruptedError(TrainingError):
    """A signal ended the run; what it had learned is in the checkpoint, if it was given one."""

    def __init__(self, signal_number: int, after: str, checkpoint: Path | None) -> None:
        self.signal_number, self.after, self.checkpoint = signal_number, after, checkpoint
        kept = "; run the same command with --resume to go on" if checkpoint else " and nothing was kept"
        super().__init__(f"stopped after {after}{kept}")

    def __reduce__(self) -> tuple[type[Self], tuple[int, str, Path | None]]:
        """Errors cross processes whole."""
        return type(self), (self.signal_number, self.after, self.checkpoint)


@contextlib.contextmanager
def watching() -> Iterator[Callable[[], int | None]]:
    """Yields a function that returns the number of the signal received so far, or None.

    Signals can be caught in the main thread alone; in another one nothing is watched.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
