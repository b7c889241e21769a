"""`gp` over several devices and several processes: the gradient, the course and the tables of one device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from gp_in_company import measured

from group import FREE, together
from shelfaware.data import dataset, part_writer
from shelfaware.data.interactions import Interactions
from shelfaware.models.gp_batches import Batch, Steps
from shelfaware.models.gp_shares import by_owner

PROGRAM = Path(__file__).with_name("gp_in_company.py")
Found = dict[str, Any]


@pytest.fixture(scope="module", params=[701, 24])
def parted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 users of 6 to 12 of many books or of few, some unrated, in two parts."""
    rng, folder, n_books = np.random.default_rng(3), tmp_path_factory.mktemp("company"), request.param
    rows = [
        {"user_id": user, "book_id": int(book), "stars": None if rng.random() < 0.2 else float(rng.integers(1, 6))}
        for user in range(120)
        for book in rng.choice(n_books, rng.integers(6, 13), replace=False)
    ]
    every = [{"user_id": 1000, "book_id": book, "stars": None} for book in range(n_books)]
    data = Interactions.from_frame(pl.DataFrame(rows + every).with_columns(shelf=pl.lit("read")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_writer, "PART_ROWS", len(rows) // 2)
        dataset.save(data, folder / "dataset")
    return folder / "dataset"


@pytest.fixture(scope="module")
def alone(parted: Path) -> Found:
    """On the one device of this process."""
    return measured(parted)


def assert_alike(found: Found, alone: Found) -> None:
    for gradient in ("of_books", "of_scalars"):
        largest = np.abs(alone[gradient]).max()
        assert largest > 1e-3
        np.testing.assert_allclose(found[gradient], alone[gradient], rtol=0, atol=1e-6 * largest)
    np.testing.assert_allclose(found["mse"], alone["mse"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["vectors"], alone["vectors"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("n", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_several_devices_of_one_process(n: int, parted: Path, alone: Found, tmp_path: Path) -> None:
    """Three: neither the five or thirteen blocks of a step nor the 701 books can be divided by that."""
    out = tmp_path / "found.npz"
    environment = FREE | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={n}"}
    command = [sys.executable, str(PROGRAM), "nowhere", "0", "0", str(parted), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = np.load(out)
    assert found["devices"] == n
    assert_alike(found, alone)


@pytest.mark.parametrize("n", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes(n: int, parted: Path, alone: Found, tmp_path: Path) -> None:
    ended = together(PROGRAM, n, parted, tmp_path / "found.npz")
    assert [(done.code, done.out, done.err) for done in ended] == [(0, "", "")] * n
    found = np.load(tmp_path / "found.npz")
    assert found["devices"] == n
    assert_alike(found, alone)


def test_the_books_of_two_devices_by_hand() -> None:
    """Of books 0 to 9 device 0 has the even ones: book 6 is its row 3. Widths grow to the larger share, filled with others."""
    given = {
        "rows": np.array([[6, 1, 4, 2]], np.int32),
        "n_ratings": np.array([[60.0, 10, 40, 20]]),
        "n_shelved": np.array([[61.0, 11, 41, 21]]),
        "book": np.array([[[0, 1, -1]]], np.int32),
        "shelf_book": np.array([[[3, 2, -1]]], np.int32),
    }
    batch = Batch(**dict.fromkeys(Batch._fields, np.zeros((1, 1, 3), np.int32)) | given)
    moved = by_owner(Steps(1, np.array([1]), batch), 10, 2)
    assert moved.rows.tolist() == [[3, 2, 1, 0, 1, 2]]
    assert moved.book.tolist() == [[[0, 3, -1]]]
    assert moved.shelf_book.tolist() == [[[2, 1, -1]]]
    assert moved.n_ratings.tolist() == [[60, 40, 20, 10, 1, 1]]
    assert moved.n_shelved.tolist() == [[61, 41, 21, 11, 1, 1]]
