"""Runs a program in several processes that are joined, for the tests of training in company."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FREE = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "PJRT_NPROC")}


class Done(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def together(program: Path | str, processes: int, *arguments: object, **environment: str) -> list[Done]:
    """`program` with HOST:PORT, its number, the number of processes and `arguments`, so many times at once."""
    coordinator = f"127.0.0.1:{free_port()}"
    each = [[coordinator, i, processes, *arguments] for i in range(processes)]
    return at_once([[sys.executable, str(program), *map(str, one)] for one in each], environment)


def at_once(commands: Sequence[Sequence[str]], environment: dict[str, str] | None = None) -> list[Done]:
    """How each ended; none has more than five minutes."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": FREE | (environment or {})}
    running = [subprocess.Popen(command, **options) for command in commands]  # type: ignore[call-overload]
    try:
        said = [process.communicate(timeout=300) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return [Done(process.returncode, *what) for process, what in zip(running, said, strict=True)]
