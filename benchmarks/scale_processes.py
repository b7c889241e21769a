"""`gp` in two processes against one, a core and a thread each: ratings a second, in turn, by the size of a batch.

Run by itself it is one of those processes: HOST:PORT, number, processes, dataset, batch size.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from results import Figure

USERS, BOOKS, RATINGS = 100_000, 14_473, 5_000_000
BATCH_SIZES = (2_048, 16_384, 65_536)
EPOCHS, ROUNDS = 3, 3


def scale_processes(users: int = USERS, ratings: int = RATINGS, sizes: Sequence[int] = BATCH_SIZES) -> list[Figure]:
    """The first epoch compiles and does not count."""
    figures = []
    with TemporaryDirectory() as folder:
        dataset = Path(folder) / "dataset"
        sample = ["sample", "--users", users, "--books", BOOKS, "--ratings", ratings, "--out", dataset]
        subprocess.run([Path(sys.executable).with_name("shelfaware"), *map(str, sample)], check=True, capture_output=True)
        for size in sizes:
            one, two = zip(*((rate(dataset, size, 1), rate(dataset, size, 2)) for _ in range(ROUNDS)), strict=True)
            times = [many / few for few, many in zip(one, two, strict=True)]
            what = f"gp, 64 factors, {BOOKS:,} books, steps of {size:,} ratings"
            goal = 1.7 if size == max(sizes) else None
            figures.append(Figure(f"{what}: 2 processes against 1", times, goal, None, "x", "median"))
            figures += [
                Figure(f"{what}: {n} process{'es' * (n > 1)}", [x / 1e6 for x in rates], unit="M ratings/s", judged="median")
                for n, rates in ((1, one), (2, two))
            ]
    return figures


def rate(dataset: Path, batch_size: int, processes: int) -> float:
    """Ratings that entered a block, a second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    commands = [
        [sys.executable, __file__, coordinator, str(i), str(processes), str(dataset), str(batch_size)] for i in range(processes)
    ]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [json.loads(process.communicate()[0]) for process in running]
    return float(told[0]["ratings"] / told[0]["seconds"])


def work(coordinator: str, number: int, processes: int, dataset: Path, batch_size: int) -> dict[str, float]:
    """What an epoch takes on this process's own core, by the clock and in processor seconds."""
    from shelfaware import GP, load
    from shelfaware.models.gp_fitting import Means, Start, learned
    from shelfaware.models.source import Source
    from shelfaware.training.loop import Run
    from shelfaware.training.processes import Group, joined

    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})
    data, clocks = load(dataset), [(0.0, 0.0)]
    model, source = GP(factors=64, epochs=EPOCHS, batch_size=batch_size), Source.of(data)
    run = Run(on_epoch=lambda _: clocks.append((time.perf_counter(), time.process_time())))
    with joined(Group(coordinator, number, processes) if processes > 1 else None):
        learned(model, source, None, run, Start(model.decays[0], Means.of(source)))
    seconds, processor = (statistics.median(np.diff([clock[i] for clock in clocks[1:]])) for i in (0, 1))
    counts = data.user_ratings()
    ratings = np.minimum(counts[counts > 1], model.block_size).sum()
    return {"ratings": float(ratings), "seconds": float(seconds), "processor_seconds": float(processor)}


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))))
