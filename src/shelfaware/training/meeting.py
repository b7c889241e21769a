"""Where the processes of a training meet before JAX connects them: who does not come, or differs, is a sentence on all.

JAX ends a process whose others do not come, and can say nothing of versions that do not understand each other. Here each of
them tells process 0 of itself in a line of JSON, over the port that JAX takes afterwards, and all get the same answer.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from shelfaware.errors import TrainingError

MEETING_SECONDS = 120.0
"""How long a process waits for the others to come."""
ANSWER_SECONDS = 5.0
"""How long a process that came may take to say who it is."""
HERE = "127.0.0.1"
LONGEST = 1 << 16

About = dict[str, Any]
"""What a process tells of itself: all of them need the same."""


class Arrival(NamedTuple):
    number: int
    about: About
    line: socket.socket


class LostError(TrainingError):
    """Another process of a training has ended, did not come, or is not alike."""


def meet(coordinator: str, process_id: int, about: About) -> None:
    """Returns when all are there, as many as `about` says under `processes`, and alike in all that it says.

    Raises LostError, with the same sentence on each that is there, otherwise.
    """
    deadline = time.monotonic() + MEETING_SECONDS
    refusal = _answer(coordinator, [process_id, about], deadline) if process_id else _welcomed(coordinator, about, deadline)
    if refusal:
        raise LostError(refusal)


def difference(what: str, told: Mapping[int, About]) -> str:
    """The first process that is not as process 0 says of itself, in a sentence; empty if there is none."""
    for process, other in sorted(told.items()):
        for name, first in told[0].items():
            if other.get(name) != first:
                return (
                    f"process {process} has another {what} than process 0 ({name}: {other.get(name)} and {first}); "
                    "all of them need the same"
                )
    return ""


def _welcomed(coordinator: str, about: About, deadline: float) -> str:
    """Process 0 waits for the others, and answers them what it returns."""
    host, _, port = coordinator.rpartition(":")
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server((HERE if host == HERE else "", int(port))))
        except (OSError, OverflowError) as error:
            return f"process 0 cannot be reached at {coordinator} ({error})"
        there = _arrivals(server, int(about["processes"]) - 1, deadline)
        for one in there:
            stack.enter_context(one.line)
        refusal = _refusal(coordinator, about, there)
        for one in there:
            with contextlib.suppress(OSError):
                one.line.sendall(json.dumps(refusal).encode() + b"\n")
    return refusal


def _arrivals(server: socket.socket, n: int, deadline: float) -> list[Arrival]:
    there: list[Arrival] = []
    while len(there) < n and (left := deadline - time.monotonic()) > 0:
        server.settimeout(left)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            line = stack.enter_context(server.accept()[0])
            line.settimeout(ANSWER_SECONDS)
            with contextlib.suppress(ValueError, TypeError):  # a stranger at the door
                number, about = json.loads(line.makefile("rb").readline(LONGEST))
                there.append(Arrival(int(number), dict(about), line))
                stack.pop_all()
    return there


def _refusal(coordinator: str, about: About, there: list[Arrival]) -> str:
    numbers, n = [0, *(one.number for one in there)], about["processes"]
    if len(set(numbers)) < len(numbers):
        return "two processes have the same --process-id; give each a number of its own"
    unlike = difference("version or --processes", {0: about, **{one.number: one.about for one in there}})
    if not unlike and len(numbers) < n:
        return f"only {len(numbers)} of {n} processes came to {coordinator} within {MEETING_SECONDS:.0f} s"
    return unlike


def _answer(coordinator: str, mine: list[Any], deadline: float) -> str:
    """What process 0 says."""
    host, _, port = coordinator.rpartition(":")
    while (left := deadline - time.monotonic()) > 0:
        with (
            contextlib.suppress(OSError, OverflowError),
            socket.create_connection((host, int(port)), min(left, ANSWER_SECONDS)) as line,
        ):
            line.sendall(json.dumps(mine).encode() + b"\n")
            line.settimeout(left + ANSWER_SECONDS)
            with contextlib.suppress(ValueError):
                return str(json.loads(line.makefile("rb").readline(LONGEST)))
        time.sleep(0.1)
    return f"process 0 did not come to {coordinator} within {MEETING_SECONDS:.0f} s"
