"""The other processes of a training on one machine: started beside this one, and ended with it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from shelfaware.errors import TrainingError
from shelfaware.training.interrupts import TrainingInterruptedError
from shelfaware.training.meeting import HERE, LostError
from shelfaware.training.processes import LOST, Group

LEAVING_SECONDS = 10.0
"""How long a process has to end by itself."""
PROGRAM = "from shelfaware.cli import main; main()"


class Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    said: IO[bytes]  # its standard error


@contextlib.contextmanager
def started(processes: int, arguments: Sequence[str]) -> Iterator[Group]:
    """Runs the command line `arguments` in so many processes, this one the first; yields its place among them.

    Where another one ended by itself, its own sentence is raised. None of them outlives this context.
    """
    group = Group(f"{HERE}:{free_port(HERE)}", 0, processes)
    place = ["--coordinator", group.coordinator, "--process-id"]
    with contextlib.ExitStack() as stack:
        workers = [_start([*arguments, *place, str(i)], stack) for i in range(1, processes)]
        try:
            yield group
            _wait(workers)
        except TrainingInterruptedError:
            _wait(workers)
            raise
        except LostError as error:
            raise TrainingError(_cause(workers) or str(error)) from error


def _start(arguments: Sequence[str], stack: contextlib.ExitStack) -> Worker:
    said = tempfile.TemporaryFile()  # noqa: SIM115 (the stack closes it)
    stack.callback(said.close)
    process = subprocess.Popen(command(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return Worker(process, said)


def _wait(workers: Sequence[Worker]) -> None:
    """Until all have ended, for a while."""
    for worker in workers:
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(LEAVING_SECONDS)


def _cause(workers: Sequence[Worker]) -> str | None:
    """What ended the one that did not end because of another."""
    waited = time.monotonic()
    while time.monotonic() - waited < LEAVING_SECONDS:
        for i, worker in enumerate(workers, 1):
            code = worker.process.poll()
            if code is not None and code < 0:
                return f"process {i} was ended by {signal.Signals(-code).name}; train again with --resume to go on"
            if code and (told := _said(worker)) != LOST:
                return told
        time.sleep(0.05)
    return None


def _said(worker: Worker) -> str:
    worker.said.seek(0)
    return last_words(worker.said.read())


def command(arguments: Sequence[str]) -> list[str]:
    """The command line `arguments`, for a process of its own."""
    return [sys.executable, "-c", PROGRAM, *arguments]


def last_words(standard_error: bytes) -> str:
    """The last line that a process said: its sentence, where it failed."""
    lines = standard_error.decode(errors="replace").splitlines()
    return lines[-1].removeprefix("shelfaware: ") if lines else LOST


def free_port(host: str) -> int:
    with socket.socket() as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])
