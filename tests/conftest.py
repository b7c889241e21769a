"""What every room's tests share."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split, split
from shelfaware.models.base import Model
from shelfaware.models.registry import create

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """One core for each test process: the threads of XLA and BLAS wait busily, and on shared cores for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of data sets that are not the project's own."""
    folder = Path(os.environ.get("SHELFAWARE_DATA", ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SHELFAWARE_DATA")
    return folder


@pytest.fixture(scope="session")
def planted() -> Interactions:
    """300 users, 40 books, 2 planted dimensions of taste: 2 to 25 ratings each, and what they would love to read."""
    rng = np.random.default_rng(7)
    n_users, n_books = 300, 40
    taste, vectors = rng.normal(size=(n_users, 2)), rng.normal(size=(n_books, 2))
    liking = taste @ vectors.T + 0.3 * rng.normal(size=n_books) + 0.4 * rng.normal(size=(n_users, 1))
    stars = np.clip(np.round(3.5 + liking + 0.4 * rng.normal(size=liking.shape)), 1, 5)
    turn = rng.random(liking.shape).argsort(axis=1).argsort(axis=1)
    rated = turn < np.clip(np.round(np.exp(rng.normal(2.1, 0.6, (n_users, 1)))), 2, 25)
    to_read = ~rated & (liking > 1.5) & (rng.random(liking.shape) < 0.5)
    users, books = np.nonzero(rated | to_read)
    unrated = to_read[users, books]
    stars, shelf = np.where(unrated, np.nan, stars[users, books]), np.where(unrated, "to_read", "read")
    rows = pl.DataFrame({"user_id": users + 1000, "book_id": books + 1, "stars": stars, "shelf": shelf})
    return Interactions.from_frame(rows.with_columns(pl.col("stars").fill_nan(None)))


@pytest.fixture(scope="session")
def planted_split(planted: Interactions) -> Split:
    """A tenth of the planted ratings held out."""
    return split(planted, "random:0.1", seed=1)


SMALL: dict[str, dict[str, Any]] = {
    "gp": {"factors": 4, "block_size": 16, "batch_size": 128, "epochs": 10},
    "gmf": {"factors": 4, "epochs": 5, "batch_size": 64},
}


@pytest.fixture(scope="session")
def small(planted_split: Split) -> Callable[[str], Model]:
    """A small model by name, fitted once on the planted training data, which it knows. Nobody may change it."""
    return cache(lambda name: create(name, SMALL.get(name)).fit(planted_split[0]))
