"""`shelfaware sample`: of any size, the same by the same seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shelfaware.data.dataset import load
from shelfaware.data.simulator import load_catalogue, simulate


def test_without_options_it_is_the_sample(command: Callable[..., Any], tmp_path: Path) -> None:
    done = command("sample", "--out", tmp_path / "set", "--users", 300, "--seed", 4)
    simulation = simulate(load_catalogue(), n_users=300, seed=4)
    assert (done.code, done.out) == (0, "")
    assert load(tmp_path / "set").fingerprint == simulation.data.fingerprint
    assert f"{simulation.data.n_ratings:,} simulated ratings and" in done.err
    assert f"mean squared error of {simulation.truth_mse:.4f} stars^2" in done.err


def test_books_ratings_and_seed(command: Callable[..., Any], tmp_path: Path) -> None:
    fingerprints = set()
    for seed in (0, 1, 0):
        size = ("--users", 500, "--books", 2500, "--ratings", 20_000, "--seed", seed)
        assert command("sample", "--out", tmp_path / "set", *size).code == 0
        data = load(tmp_path / "set")
        assert (data.n_users, data.n_books) == (500, 2500)
        assert data.n_ratings == pytest.approx(20_000, rel=0.25)
        assert data.books.titles[122] == "Book 123"
        fingerprints.add(data.fingerprint)
    assert len(fingerprints) == 2


def test_too_few_books(command: Callable[..., Any], tmp_path: Path) -> None:
    done = command("sample", "--out", tmp_path / "set", "--books", 9)
    assert done.code == 2
    assert done.err == "shelfaware: cannot simulate 8,000 users of 9 books; use 1 user and 10 books or more\n"
    assert list(tmp_path.iterdir()) == []
