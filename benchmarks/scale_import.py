"""The streamed import of made CSV files of growing size: rows a second, peak memory, and that twice the rows cost twice."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from results import Figure
from scale_tables import write_interactions
from timings import in_fresh_process, peak_megabytes

MILLIONS = (5, 10, 20, 55)


def scale_import() -> list[Figure]:
    """Needs 8 GB of disk under TMPDIR."""
    measured = {}
    with TemporaryDirectory() as folder:
        for millions in MILLIONS:
            path = Path(folder) / "interactions.csv"
            in_fresh_process(write_interactions, path, millions * 1_000_000)
            measured[millions] = in_fresh_process(timed, path, Path(folder) / "dataset")
            path.unlink()
    most = MILLIONS[-1]
    figures = [
        Figure(f"import of {most} M rows of CSV", [most / measured[most][0]], 1.5, None, "M rows/s"),
        Figure(f"import of {most} M rows of CSV: peak memory", [measured[most][2] / 1073.741824], None, 4, "GiB"),
    ]
    for what, i, unit in (("seconds", 0, "s"), ("seconds of all cores", 1, "s"), ("peak memory", 2, "MB")):
        figures += [Figure(f"import of {n} M rows of CSV: {what}", [measured[n][i]], unit=unit) for n in MILLIONS]
    return figures


def timed(path: Path, out: Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of all cores, and the peak in MB of an import with everything that belongs to it."""
    from shelfaware.data.importers import ucsd_files
    from shelfaware.data.streaming.importing import stream

    started = time.perf_counter()
    stream(ucsd_files([path]), out)
    seconds = time.perf_counter() - started
    shutil.rmtree(out)
    return seconds, sum(os.times()[:2]), peak_megabytes()
