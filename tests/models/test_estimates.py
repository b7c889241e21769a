"""What a training is said to take, beside what one took; and what the machine is said to have."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from shelfaware.data import dataset, part_writer
from shelfaware.data.interactions import Interactions
from shelfaware.data.parts import Parts
from shelfaware.errors import DataError, TrainingError
from shelfaware.models import estimates
from shelfaware.models.available import available_disk, available_memory
from shelfaware.models.estimates import Estimate, Size, estimate, size
from shelfaware.models.gp import GP
from shelfaware.models.gp_fitting import ENOUGH
from shelfaware.models.kept_readers import ROW_BYTES

ALL = Size(users=876_000, books=2_360_000, rows=228_600_000, ratings=104_000_000, part_rows=2_000_000)
"""All of Goodreads, in parts."""

MEASURE = """
import sys
from shelfaware.data.dataset import load
from shelfaware.data.parts import Parts
from shelfaware.evaluation.compare import peak_megabytes
from shelfaware.models.gp import GP
from shelfaware.models.gp_fitting import ENOUGH
from shelfaware.models.gp_parts import fit_parts
model, whole = GP(factors=400, epochs=1), sys.argv[1] == "whole"
model.fit_stars(load(sys.argv[2])) if whole else fit_parts(model, Parts.open(sys.argv[2]))
print(round(1e6 * peak_megabytes()))
"""


@pytest.fixture(scope="module")
def many_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 books, each rated by one of 1,000 users: the tables are most of the memory."""
    folder = tmp_path_factory.mktemp("books") / "dataset"
    book = np.random.default_rng(0).permutation(20_000)
    rows = pl.DataFrame({"user_id": np.arange(20_000) // 20, "book_id": book, "stars": 1.0 + book % 5})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_writer, "PART_ROWS", 4_000)
        dataset.save(Interactions.from_frame(rows), folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("how", ["parts", "whole"])
def test_a_measured_peak_is_met_within_a_half(many_books: Path, how: str) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE, how, many_books], capture_output=True, text=True, check=True)
    said = estimate(GP(factors=400), Size.of(Parts.open(many_books)), in_parts=how == "parts").memory_bytes
    assert 2 / 3 < int(done.stdout) / said < 3 / 2


def test_the_counts_of_a_dataset(many_books: Path) -> None:
    assert Size.of(Parts.open(many_books)) == Size(1_000, 20_000, 20_000, 20_000, 4_000)


def test_counts_that_cannot_be_read_are_an_error(many_books: Path) -> None:
    parts = Parts.open(many_books)
    for damaged in ([{}], [3], [{"rows": "many"}]):
        with pytest.raises(DataError, match=r"dataset.json is damaged: it has no rows of a part"):
            Size.of(Parts(parts.folder, parts.about | {"parts": damaged}))


def test_from_parts_memory_does_not_grow_with_rows() -> None:
    """All of Goodreads in 10 GiB: the table and its moments, one copy of the values, and two parts."""
    model = GP(factors=64)
    said = estimate(model, ALL, in_parts=True)
    assert said.memory_bytes < 10 * 2**30
    assert said.memory_bytes > 4 * 4 * ALL.books * (3 * 64 + 4)
    more = estimate(model, replace(ALL, rows=2 * ALL.rows, ratings=2 * ALL.ratings), in_parts=True)
    assert more.memory_bytes == said.memory_bytes
    assert more.disk_bytes - said.disk_bytes == ROW_BYTES * ALL.rows
    assert estimate(model, ALL, in_parts=False).memory_bytes > 2 * said.memory_bytes


def test_time_grows_with_ratings_and_with_the_fits_that_come_first() -> None:
    """One where books have few ratings, one for each decay where readers have many; of so many ratings and no more."""

    def seconds(ratings: int, users: int = 10**9, books: int = 100_000, decay: float | None = 0.0) -> float:
        size = replace(ALL, ratings=ratings, users=users, books=books, rows=ratings)
        return estimate(GP(weight_decay=decay, epochs=100), size, in_parts=True, by_popularity=True).seconds

    assert 1.8 < seconds(400_000_000) / seconds(200_000_000) < 2.1
    assert 1.7 < seconds(50 * 100_000 - 1) / seconds(50 * 100_000) < 2.1
    n = ENOUGH
    assert 4.5 < seconds(n, n // 10 - 1, decay=None) / seconds(n, n // 10, decay=None) < 5
    assert 1.8 < seconds(4 * n, n // 10, decay=None) / seconds(4 * n, n // 10) < 2


def test_a_ranker_by_popularity_takes_less() -> None:
    with_ease, without = (estimate(GP(), ALL, in_parts=True, by_popularity=plain) for plain in (False, True))
    assert with_ease.memory_bytes > without.memory_bytes
    assert with_ease.disk_bytes > without.disk_bytes
    assert with_ease.seconds > without.seconds + 1000


@pytest.mark.parametrize("counted", ["users", "books", "rows", "ratings", "part_rows"])
def test_every_count_counts(counted: str) -> None:
    more = replace(ALL, **{counted: 3 * getattr(ALL, counted)})
    said, other = (estimate(GP(), one, in_parts=counted == "part_rows") for one in (ALL, more))
    assert (said.memory_bytes, said.seconds) != (other.memory_bytes, other.seconds)


def test_processes_have_their_rows_for_themselves_and_the_tables_together() -> None:
    one, two, three = (estimate(GP(), replace(ALL, processes=n), in_parts=True).memory_bytes for n in (1, 2, 3))
    assert two - one == three - two
    assert 400_000_000 < two - one < one / 2


REFUSED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "2.0 GB of memory, and 1.5 GB is free; buy some": lambda patch: patch.setattr(
        estimates, "available_memory", lambda: 1_500_000_000
    ),
    "3.0 GB of disk, and 70 MB is free; buy some": lambda patch: patch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=70_000_000)
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_does_not_fit_is_refused_with_the_figures(sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "available_memory", lambda: 2_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3_000_000_000))
    Estimate(2_000_000_000, 3_000_000_000, 1.0).refuse(tmp_path, "buy some")
    REFUSED[sentence](monkeypatch)
    with pytest.raises(TrainingError, match=f"this training needs about {sentence}"):
        Estimate(2_000_000_000, 3_000_000_000, 1.0).refuse(tmp_path, "buy some")


def test_a_limit_of_the_process_is_less_than_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    free = available_memory()
    assert 50_000_000 < free < 1e15
    monkeypatch.setattr(resource, "getrlimit", lambda _: (40_000_000, -1))
    assert available_memory() == 40_000_000


PAGE = os.sysconf("SC_PAGE_SIZE")
GROUPS: dict[str, tuple[dict[str, str], int]] = {
    "version 2": (
        {
            "proc/self/cgroup": "0::/work/mine\n",
            "sys/fs/cgroup/work/mine/memory.max": "1000000\n",
            "sys/fs/cgroup/work/mine/memory.current": "700000\n",
            "sys/fs/cgroup/work/mine/memory.stat": "anon 400000\ninactive_file 200000\n",
        },
        500_000,
    ),
    "a group around it": (
        {
            "proc/self/cgroup": "0::/work/mine\n",
            "sys/fs/cgroup/work/mine/memory.max": "max\n",
            "sys/fs/cgroup/work/mine/memory.current": "7\n",
            "sys/fs/cgroup/work/mine/memory.stat": "inactive_file 0\n",
            "sys/fs/cgroup/work/memory.max": "300000\n",
            "sys/fs/cgroup/work/memory.current": "100000\n",
            "sys/fs/cgroup/work/memory.stat": "inactive_file 0\n",
        },
        200_000,
    ),
    "the path of a host": (
        {
            "proc/self/cgroup": "0::/docker/0123\n",
            "sys/fs/cgroup/memory.max": "300000\n",
            "sys/fs/cgroup/memory.current": "100000\n",
            "sys/fs/cgroup/memory.stat": "inactive_file 0\n",
        },
        200_000,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "5:cpu:/\n4:hugetlb,memory:/job\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "900000\n",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "500000\n",
            "sys/fs/cgroup/memory/job/memory.stat": "total_inactive_file 100000\n",
        },
        500_000,
    ),
    "more than is allowed": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "1\n",
            "sys/fs/cgroup/memory.current": "100000000\n",
            "sys/fs/cgroup/memory.stat": "inactive_file 0\n",
        },
        -3 * PAGE,
    ),
    "none": ({"proc/self/cgroup": "0::/\n1:name=systemd:/\n"}, 50_000 * 1024),
}


@pytest.mark.parametrize("which", GROUPS)
def test_a_limit_of_a_control_group(which: str, tmp_path: Path) -> None:
    """Beside what is free there, the three pages that the process has."""
    files, free = GROUPS[which]
    machine = {"proc/meminfo": "MemFree: 1 kB\nMemAvailable: 50000 kB\n", "proc/self/statm": "9 3 1 1 0 1 0\n"}
    for name, text in {**machine, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_memory(tmp_path) == free + 3 * PAGE


def test_disk_is_that_of_the_nearest_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=len(str(folder))))
    assert available_disk(tmp_path / "not" / "there") == len(str(tmp_path))


def test_said_as_a_person_would() -> None:
    assert str(Estimate(1_240_000_000, 30_400_000, 41.3)) == "about 1.2 GB of memory, 30 MB of disk and 41 s"
    assert str(Estimate(12_400_000_000, 100, 3601.0)) == "about 12.4 GB of memory, 1 MB of disk and 60 minutes"
    assert size(1_234_500_000_000) == "1,234.5 GB"
