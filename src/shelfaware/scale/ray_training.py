"""The processes of one training on a Ray cluster: each is `shelfaware train` in a worker; the first one writes the model."""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shelfaware.errors import TrainingError
from shelfaware.scale.ray_cluster import connected
from shelfaware.training.processes import LOST
from shelfaware.training.workers import command, free_port, last_words

DIE_WITH_PARENT = 1
"""prctl's PR_SET_PDEATHSIG."""


class Ended(NamedTuple):
    code: int
    words: str  # the last line that was said


class Process:
    """One process of a training, on the machine where Ray has put it."""

    def address(self) -> str:
        """HOST:PORT at which the others can reach it."""
        import ray

        host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        return f"{host}:{free_port('')}"

    def run(self, arguments: Sequence[str], folder: Path) -> Ended:
        """The command line `arguments`, in `folder`; it does not outlive this worker."""
        libc = ctypes.CDLL(None)
        done = subprocess.run(
            command(arguments),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            preexec_fn=lambda: libc.prctl(DIE_WITH_PARENT, signal.SIGKILL),
        )
        return Ended(done.returncode, last_words(done.stderr))


def train(arguments: Sequence[str], processes: int) -> str:
    """Runs `train ... --processes n` on a cluster (`ray_cluster`), and returns what the first process says at the end.

    Dataset and model have the same path on every machine. Raises MissingExtraError without Ray, and TrainingError with the
    sentence of the process that ended the others.
    """
    with connected():
        import ray

        kind: Any = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(Process)
        workers = [kind.remote() for _ in range(processes)]
        try:
            place = ["--coordinator", ray.get(workers[0].address.remote()), "--process-id"]
            running = [one.run.remote([*arguments, *place, str(i)], Path.cwd()) for i, one in enumerate(workers)]
            return _told(ray.get(running))
        except ray.exceptions.RayActorError:
            raise TrainingError("a worker of this training was ended; train again with --resume to go on") from None


def _told(ended: Sequence[Ended]) -> str:
    failed = [one.words for one in ended if one.code]
    if failed:
        raise TrainingError(next((words for words in failed if words != LOST), LOST))
    return ended[0].words
