"""Lists for every user of a dataset: a Parquet file for each of its parts, each whole or not there.

A job can be stopped at any moment and started again: a part that has its file is not computed again, and the same part
always gives the same rows.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shelfaware import __version__
from shelfaware.arrays import AnyArray, Floats, Mask, Positions
from shelfaware.data.folder import write_file
from shelfaware.data.interactions import Interactions
from shelfaware.data.parts import Parts
from shelfaware.errors import DataError
from shelfaware.evaluation.ranking import top_n
from shelfaware.models.base import BLOCK_CELLS, Model
from shelfaware.models.folder import load_model
from shelfaware.models.picking import scores

ABOUT = "lists.json"
LEFTOVERS = ".part-*"


@dataclass(frozen=True)
class Job:
    """The n best books for every user with a row in `dataset`, by the model in the folder `model`, into the folder `out`.

    version  of shelfaware; another one's lists could differ, so that it writes none of them
    """

    model: Path
    dataset: Path
    out: Path
    n: int = 10
    version: str = __version__

    def path(self, part: int) -> Path:
        return self.out / f"part-{part:05d}.parquet"


Work = Callable[[Job, int], None]
"""Writes the file of one part."""


def prepare(job: Job) -> list[int]:
    """The parts that have no file yet; makes the folder. Raises DataError if it holds anything but this job's own lists."""
    model, dataset = _opened(job.model, job.dataset)
    if job.n < 1:
        raise DataError(f"{job.n} books cannot be recommended; ask for 1 or more")
    about = {"model": model.version, "dataset": dataset.fingerprint, "n": job.n, "simulated": model.simulated}
    written = json.dumps({**about, "shelfaware": job.version}, indent=2) + "\n"
    found = {path.name for path in job.out.iterdir()} if job.out.is_dir() else set()
    if job.out.exists() and not job.out.is_dir():
        raise DataError(f"{job.out} is in the way: it is not a folder")
    if found:
        _refuse_others(job, about)
    job.out.mkdir(parents=True, exist_ok=True)
    write_file(job.out / ABOUT, lambda path: path.write_text(written, encoding="utf-8"))
    return [part for part in range(len(dataset)) if not job.path(part).exists()]


def _refuse_others(job: Job, about: dict[str, Any]) -> None:
    """Raises DataError unless the folder's lists are those that `about` says, of the same version."""
    found = _read_about(job)
    version = found.pop("shelfaware", None)
    if found != about:
        raise DataError(f"{job.out} holds something else than these lists; choose a new folder")
    if version != job.version:
        raise DataError(
            f"{job.out} was begun by shelfaware {version}, this is {job.version}; go on with that, or choose a new folder"
        )


def _read_about(job: Job) -> dict[str, Any]:
    """What the folder says of its lists; nothing where it says nothing that can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return dict(json.loads((job.out / ABOUT).read_bytes()))
    return {}


def are_simulated(job: Job) -> bool:
    """Whether the lists of a job that was prepared are by a model of simulated ratings."""
    return bool(_read_about(job)["simulated"])


def finish(job: Job) -> None:
    """Removes what killed workers left half-written."""
    for path in job.out.glob(LEFTOVERS):
        path.unlink()


def recommend_all(job: Job, on_part: Callable[[int], object] = lambda _: None) -> None:
    """One part after another, in this process. `on_part` is called after each."""
    for part in prepare(job):
        write_part(job, part)
        on_part(part)
    finish(job)


def write_part(job: Job, part: int) -> None:
    """user_id, place (from 1), book_id, score: the users of one part in their order.

    Raises DataError in a process of another version than the job's.
    """
    if job.version != __version__:
        raise DataError(
            f"a worker has shelfaware {__version__} and the job is of {job.version}; install {job.version} on every machine"
        )
    model, dataset = _opened(job.model, job.dataset)
    table = lists_for(model, dataset.part(part), job.n)
    write_file(job.path(part), table.write_parquet)


@lru_cache(maxsize=1)
def _opened(model: Path, dataset: Path) -> tuple[Model, Parts]:
    return load_model(model), Parts.open(dataset)


def lists_for(model: Model, data: Interactions, n: int) -> pl.DataFrame:
    """The best books of every user with a row in `data`.

    As `recommend` chooses them without wishes: by the combined score, never a book that they have in any edition, and one
    edition of a work; of series order and of authors nothing is asked.
    """
    model.know(data)
    users = np.unique(data.user_index).astype(np.int64)
    size, editions = max(BLOCK_CELLS // max(data.n_books, 1), 1), Editions.of(model.catalogue.works)
    blocks = [_block(model, users[start : start + size], n, editions) for start in range(0, len(users), size)]
    user, place, book, score = (np.concatenate(column) for column in zip(*blocks, strict=True)) if blocks else _NOBODY
    ids = data.users.ids.gather(user).alias("user_id"), data.books.ids.ids.gather(book).alias("book_id")
    return pl.DataFrame([ids[0], pl.Series("place", place + 1, pl.Int32), ids[1], pl.Series("score", score, pl.Float64)])


_NOBODY = tuple(np.empty(0, np.int64) for _ in range(4))


def _block(model: Model, users: Positions, n: int, editions: Editions) -> tuple[AnyArray, ...]:
    """User, place, book and score of each place on the lists of some users."""
    readers = model.known_readers.take(users)
    score = scores(model, readers, own=False)  # [b, n_books]
    score[editions.spread(readers.has(score.shape[1]))] = -np.inf
    editions.keep_best(score)
    ranked = top_n(score, np.isfinite(score), n)  # [b, n]
    row, place = np.nonzero(ranked >= 0)
    book = ranked[row, place].astype(np.int64)
    return users[row], place, book, score[row, book]


@dataclass(frozen=True, eq=False)
class Editions:
    """The books whose work has several: columns in the order of works, and where each work starts among them."""

    columns: Positions
    starts: Positions

    @classmethod
    def of(cls, works: AnyArray) -> Editions:
        _, work, counts = np.unique(works, return_inverse=True, return_counts=True)
        columns = np.flatnonzero(counts[work] > 1)
        columns = columns[np.argsort(work[columns], kind="stable")]
        return cls(columns, np.flatnonzero(np.diff(work[columns], prepend=-1)))

    def spread(self, has: Mask) -> Mask:
        """Whoever has one edition has them all [b, n_books]."""
        if len(self.columns):
            has[:, self.columns] = self._of_work(np.logical_or, has[:, self.columns])
        return has

    def keep_best(self, score: Floats) -> None:
        """Leaves -inf in all editions of a work but the best, the first of equals."""
        if not len(self.columns):
            return
        inside = score[:, self.columns]
        best = inside == self._of_work(np.maximum, inside)
        place = np.where(best, np.arange(len(self.columns)), len(self.columns))
        score[:, self.columns] = np.where(place == self._of_work(np.minimum, place), inside, -np.inf)

    def _of_work(self, of: np.ufunc, inside: AnyArray) -> AnyArray:
        counts = np.diff(np.append(self.starts, len(self.columns)))
        return np.repeat(of.reduceat(inside, self.starts, axis=1), counts, axis=1)
