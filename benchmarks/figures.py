"""Measures what the project promises, group by group, into results.json: `python benchmarks/figures.py GROUP...` or `all`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import first_model
import leaderboard
import library
import quality
import questions
import ranking
import results
import scale_import
import scale_processes
import scale_training
import service
import timings
import variety

GROUPS = {
    "accuracy": quality.accuracy,
    "leaderboard": leaderboard.leaderboard,
    "few-readers": leaderboard.few_readers,
    "networks": quality.networks,
    "sample": quality.sample,
    "rivals": timings.rivals,
    "speed": timings.speed,
    "memory": timings.memory,
    "demo": timings.demo,
    "matching": lambda _: library.matching(DATA),
    "first-model": lambda _: first_model.first_model(DATA / "goodbooks-10k" / "books.csv"),
    "ranking": ranking.ranking,
    "variety": variety.variety,
    "scale-import": lambda _: scale_import.scale_import(),
    "scale-training": lambda _: scale_training.scale_training(),
    "scale-processes": lambda _: scale_processes.scale_processes(),
    "questions": questions.questions,
    "service": lambda _: service.service(DATA / "goodbooks-10k" / "books.csv"),
}
DATA = Path(os.environ.get("SHELFAWARE_DATA", timings.ROOT / "../shared/data")).resolve()


def main() -> None:
    names = list(GROUPS) if sys.argv[1:] == ["all"] else sys.argv[1:]
    if not names or not set(names) <= set(GROUPS):
        raise SystemExit(f"usage: figures.py all | GROUP..., of {', '.join(GROUPS)}")
    with TemporaryDirectory() as folder:
        dataset = imported(Path(folder) / "dataset")
        for name in names:
            print(f"\n{name}", flush=True)
            machine = results.machine()
            figures = GROUPS[name](dataset)
            print(*figures, sep="\n", flush=True)
            rivals = timings.rival("versions") if name == "rivals" else None
            results.keep(name, figures, machine, rivals, order=list(GROUPS))


def imported(dataset: Path) -> Path:
    """The original study's matrices as a dataset folder."""
    kinds = {"--ratings": "rating", "--read": "isRead", "--shelved": "shelved"}
    files = [
        part for flag, kind in kinds.items() for part in (flag, str(DATA / "goodreads-fantasy" / f"{kind}_matrix_shrunk.npz"))
    ]
    timings.run([timings.SHELFAWARE, "import", "matrix", *files, "--out", str(dataset)])
    return dataset


if __name__ == "__main__":
    main()
