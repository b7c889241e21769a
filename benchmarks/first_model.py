"""From hand-downloaded files of goodbooks' size to books for somebody's export: minutes, memory, and the last wait.

The catalogue is the real one of 10,000 books; who rated what is made up, with as many users, ratings and to-read marks.
"""

from __future__ import annotations

import csv
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import polars as pl

from results import Figure
from timings import ROOT, ROUNDS, SHELFAWARE, in_fresh_process, seconds_of

N_USERS, N_BOOKS, N_RATINGS, N_TO_READ = 53_424, 10_000, 5_976_479, 912_705
BLOCK_USERS, FACTORS = 500, 8
EXPORT_ROWS = 10_000
COLUMNS = ("Book Id", "Title", "Author", "ISBN", "ISBN13", "My Rating", "Date Read", "Exclusive Shelf", "My Review")


def first_model(books: Path) -> list[Figure]:
    """Import, train and answer as whole processes; `books` is goodbooks' books.csv."""
    with TemporaryDirectory() as folder:
        here = Path(folder)
        write_ratings(here / "ratings.csv")
        write_to_read(here / "to_read.csv")
        tables = [str(here / "ratings.csv"), str(here / "to_read.csv"), str(books)]
        imported = in_fresh_process(process, [SHELFAWARE, "import", "goodbooks", *tables, "--out", str(here / "set")])
        trained = in_fresh_process(process, [SHELFAWARE, "train", str(here / "set"), "--out", str(here / "model")])
        write_export(books, here / "export.csv")
        asked = [SHELFAWARE, "recommend", str(here / "model"), "--library", str(here / "export.csv"), "--json"]
        answered = [process(asked) for _ in range(2 * ROUNDS)]
        waits = in_fresh_process(warm_answers, here / "model", here / "export.csv")
    return [
        Figure("first model: import and train", [(imported.seconds + trained.seconds) / 60], None, 10, "min"),
        Figure("first model: peak memory of import and of train", [imported.gib, trained.gib], None, 3, "GiB"),
        Figure("recommend --library, 10,000 rows: process", [one.seconds for one in answered], None, 1.5, "s", "median"),
        Figure("fold-in of 5,000 ratings and top 10", waits, None, 50, "ms", "median"),
    ]


class Process(NamedTuple):
    """What a command took."""

    seconds: float
    gib: float


def process(command: Sequence[str]) -> Process:
    """Runs a command to its end; its complaint ends the measurement.

    The memory is no less than what this process held before: for that, run it in a fresh one.
    """
    started = time.perf_counter()
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {running.returncode}")
    return Process(time.perf_counter() - started, usage.ru_maxrss / 2**20)


def warm_answers(model: Path, export: Path) -> list[float]:
    """Milliseconds of each of some answers after the first, the library read and the model loaded; one BLAS thread."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import shelfaware

    loaded = shelfaware.load_model(model)
    library = shelfaware.read_library([export], loaded.catalogue, loaded.scale)
    shelfaware.recommend(loaded, library)
    return [1000 * seconds_of(shelfaware.recommend, loaded, library) for _ in range(20)]


def write_ratings(path: Path) -> None:
    """Ratings as dense as goodbooks': 19 to 200 a user, popularity a power law, eight dimensions of taste."""
    rng = np.random.default_rng(0)
    wanted = np.clip(rng.normal(112, 27, N_USERS), 19, 200)
    counts = np.round(wanted * N_RATINGS / wanted.sum()).astype(int)
    log_popularity = -0.75 * np.log(np.arange(N_BOOKS) + 20)
    vectors, quality = 0.25 * rng.normal(size=(N_BOOKS, FACTORS)), 0.3 * rng.normal(size=N_BOOKS)
    with path.open("w") as file:
        file.write("user_id,book_id,rating\n")
        for first in range(0, N_USERS, BLOCK_USERS):
            n = counts[first : first + BLOCK_USERS]  # [b]
            liking = rng.normal(size=(len(n), FACTORS)) @ vectors.T  # [b, n_books]
            pull = log_popularity + 0.6 * liking + rng.gumbel(size=liking.shape)
            taken = _largest(pull, int(n.max()))
            noise = 0.4 * rng.normal(size=(len(n), 1)) + 0.8 * rng.normal(size=liking.shape)
            stars = np.clip(np.round(3.9 + quality + liking + noise), 1, 5).astype(int)
            rows = [(first + u + 1, book + 1, stars[u, book]) for u, m in enumerate(n) for book in taken[u, :m].tolist()]
            pl.DataFrame(rows, schema=["u", "b", "r"], orient="row").write_csv(file, include_header=False)


def _largest(pull: np.ndarray, n: int) -> np.ndarray:
    """The n books of the largest pull of each user, largest first [b, n]."""
    some = np.argpartition(-pull, n, axis=1)[:, :n]
    return np.take_along_axis(some, np.argsort(-np.take_along_axis(pull, some, 1), axis=1), 1)


def write_to_read(path: Path) -> None:
    rng = np.random.default_rng(1)
    users = rng.integers(1, N_USERS + 1, N_TO_READ)
    books = np.minimum(N_BOOKS, 1 + rng.zipf(1.3, N_TO_READ) % N_BOOKS)
    pl.DataFrame({"user_id": users, "book_id": books}).unique(maintain_order=True).write_csv(path)


def write_export(books: Path, path: Path) -> None:
    """A Goodreads export: every second row a book of the catalogue, the others unknown.

    Of the known, a quarter are there by their id and a tenth by their ISBN, the rest in other editions: by title and author.
    """
    rng = np.random.default_rng(2)
    catalogue = pl.read_csv(books, infer_schema=False).sample(EXPORT_ROWS // 2, seed=2, shuffle=True).rows(named=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for i, book in enumerate(catalogue):
            number = book["goodreads_book_id"] if i % 4 == 0 else str(10**8 + i)
            author = book["authors"].split(",")[0]
            isbn = f'="{(book["isbn"] or "").zfill(10)}"' if i % 10 == 0 else f'="{1_000_000_000 + 7 * i}"'
            stars, shelf = str(rng.integers(0, 6)), "read" if i % 5 else "to-read"
            table.writerow([number, book["title"], author, isbn, '=""', stars, "2020/01/02", shelf, "A review. " * 30])
            unknown = f"The Secret of {''.join(map(chr, rng.integers(97, 123, 9))).title()}"
            name = f"Ann {''.join(map(chr, rng.integers(97, 123, 7))).title()}"
            table.writerow([str(2 * 10**8 + i), unknown, name, '=""', f'="9780439{i:06}"', stars, "", "read", "Fine. " * 40])
