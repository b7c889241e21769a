"""A model and its dataset cut into parts, on disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shelfaware.data.about import About, Part, write_dataset
from shelfaware.data.interactions import Interactions
from shelfaware.models.base import Model
from shelfaware.scale.lists import Job

CUTS = (0, 90, 180, 300)


def parts_of(data: Interactions) -> list[Interactions]:
    """Its rows in three parts of whole users."""
    pairs = itertools.pairwise(CUTS)
    return [data.take((data.user_index >= first) & (data.user_index < last)) for first, last in pairs]


def write_parts(data: Interactions, folder: Path) -> Path:
    parts = parts_of(data)
    facts = [Part(len(one), one.n_ratings, int(one.user_index[0]), int(one.user_index[-1])) for one in parts]
    about = About("made", data.simulated, data.scale, data.fingerprint, data.n_users, data.n_books, tuple(facts))
    writers = [one.to_frame().write_parquet for one in parts]
    write_dataset(folder, about, writers, data.books.table.write_parquet, data.users.ids.to_frame().write_parquet)
    return folder


@pytest.fixture(scope="session")
def with_editions(planted: Interactions) -> Interactions:
    """The planted data, where books 1 to 12 are six works of two editions."""
    table = planted.books.table
    works = np.where(np.arange(40) < 12, np.arange(40) // 2, np.arange(40) + 100)
    books = type(planted.books).of(table.with_columns(work_id=works))
    return replace(planted, books=books)


@pytest.fixture(scope="session")
def folders(with_editions: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`set`, in three parts, and `model`, a `bias` with its ranker."""
    from shelfaware.models.baselines import Bias

    folder = tmp_path_factory.mktemp("scale")
    write_parts(with_editions, folder / "set")
    Bias().fit(with_editions).save(folder / "model")
    return folder


@pytest.fixture
def job(folders: Path, tmp_path: Path) -> Job:
    return Job(folders / "model", folders / "set", tmp_path / "lists", n=5)


@pytest.fixture(scope="session")
def model(folders: Path) -> Model:
    from shelfaware.models.folder import load_model

    return load_model(folders / "model")


Tables = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def tables() -> Tables:
    """The bytes of every file in a folder."""
    return lambda folder: {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
