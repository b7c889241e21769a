"""The same lists by a local Ray, and a worker killed in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from shelfaware import __version__
from shelfaware.errors import MissingExtraError
from shelfaware.scale import lists, ray_jobs
from shelfaware.scale.lists import Job

Tables = Callable[[Path], dict[str, bytes]]
DRIVER = Path(__file__).with_name("ray_driver.py")


@pytest.fixture(scope="module")
def driven(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What `ray_driver` says, and the folder of its lists."""
    if find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install 'shelfaware[scale]'")
    folder = tmp_path_factory.mktemp("ray")
    command = [sys.executable, str(DRIVER), str(folders / "model"), str(folders / "set"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "said.json").read_text()), folder


def test_a_killed_worker_loses_and_duplicates_nothing(driven: tuple[dict[str, Any], Path], job: Job, tables: Tables) -> None:
    said, folder = driven
    assert (folder / "died").exists()
    lists.recommend_all(job)
    assert tables(folder / "killed") == tables(job.out)
    assert sorted(said["written"][0]) == [0, 1, 2]


def test_a_second_run_has_nothing_left_to_do(driven: tuple[dict[str, Any], Path]) -> None:
    assert driven[0]["written"][1] == []


def test_what_a_part_refuses_is_said_as_it_is(driven: tuple[dict[str, Any], Path]) -> None:
    assert driven[0]["refused"] == ["DataError", "a part is damaged"]


def test_a_worker_of_another_version_is_refused(driven: tuple[dict[str, Any], Path]) -> None:
    said, folder = driven
    sentence = f"a worker has shelfaware 0.0.1 and the job is of {__version__}; install {__version__} on every machine"
    assert said["other"] == ["DataError", sentence]
    assert not list((folder / "other").glob("part-*"))


def test_a_part_whose_workers_always_die_ends_the_job(driven: tuple[dict[str, Any], Path]) -> None:
    said, folder = driven
    assert said["hopeless"][0] == "ShelfawareError"
    assert "a worker died" in said["hopeless"][1]
    assert not list((folder / "hopeless").glob("part-*"))


def test_recommending_for_everybody_never_loads_jax(driven: tuple[dict[str, Any], Path]) -> None:
    assert driven[0]["jax"] is False


def test_without_ray_it_says_what_to_install(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shelfaware.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"shelfaware\[scale\]"):
        ray_jobs.recommend_all(job)
    assert not job.out.exists()
