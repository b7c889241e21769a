"""Datasets in parts: written in any pieces, the same; read by the part or whole; damage is noticed where it is read."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfaware.data import part_writer
from shelfaware.data.dataset import load, save
from shelfaware.data.interactions import Interactions, Scale, frame_of
from shelfaware.data.part_writer import Origin, PartWriter, cuts
from shelfaware.data.parts import Parts
from shelfaware.errors import DataError

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def folder(planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(part_writer, "PART_ROWS", 500)
    save(planted, tmp_path / "set")
    return tmp_path / "set"


def test_cuts_by_hand() -> None:
    users = np.array([0, 0, 1, 1, 1, 2, 4], np.int32)
    assert cuts(users, 1) == [0, 2, 5, 6, 7]
    assert cuts(users, 3) == [0, 5, 7]
    assert cuts(users, 5) == [0, 5, 7]
    assert cuts(users, 7) == [0, 7]
    assert cuts(users[:0], 3) == [0, 0]


def test_parts_are_the_whole(planted: Interactions, folder: Path) -> None:
    parts = Parts.open(folder)
    assert len(parts) > 3
    assert (parts.n_users, parts.n_books, parts.rows, parts.ratings) == (300, 40, len(planted), planted.n_ratings)
    assert (parts.scale, parts.simulated, parts.fingerprint) == (planted.scale, False, planted.fingerprint)
    assert np.array_equal(np.concatenate([part.pair_keys for part in parts]), planted.pair_keys)
    assert np.array_equal(np.concatenate([part.stars for part in parts]), planted.stars, equal_nan=True)
    assert np.array_equal(parts.book_ratings(), planted.book_ratings())
    ends = [(part.user_index[0], part.user_index[-1]) for part in parts]
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    assert load(folder).fingerprint == planted.fingerprint
    about = json.loads((folder / "dataset.json").read_text())
    assert [(part["first_user"], part["last_user"]) for part in about["parts"]] == ends
    assert sum(part["ratings"] for part in about["parts"]) == planted.n_ratings
    assert sorted(path.name for path in folder.iterdir()) == ["books.parquet", "dataset.json", "interactions", "users.parquet"]


def test_a_small_dataset_is_one_part(planted: Interactions, tmp_path: Path) -> None:
    save(planted, tmp_path / "set")
    parts = Parts.open(tmp_path / "set")
    assert parts.names == ["interactions.parquet"]
    assert parts.part(0).fingerprint == planted.fingerprint


@QUICK
@given(full=st.integers(1, 400), edges=st.sets(st.integers(0, 3000)))
def test_the_pieces_in_which_rows_come_leave_no_trace(
    planted: Interactions, full: int, edges: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, rows = tmp_path_factory.mktemp("pieces"), planted.to_frame()
    writer, places = PartWriter(folder, full), [0, *sorted(edge for edge in edges if edge < len(rows)), len(rows)]
    for start, stop in pairwise(places):
        writer.add(rows[start:stop])
    about = writer.finish(folder / "set", planted.users, planted.books, Origin("memory", planted.scale))
    assert about.fingerprint == planted.fingerprint == load(folder / "set").fingerprint
    whole = cuts(planted.user_index, full)
    assert [part.rows for part in about.parts] == np.diff(whole).tolist()


def test_times_of_some_parts_only(tmp_path: Path) -> None:
    times = np.array(["NaT", "NaT", "2020-01-02"], "datetime64[us]")
    columns = np.array([0, 1, 2], np.int32), np.array([0, 0, 0], np.int32), np.array([1, np.nan, 5], np.float32)
    for time in (times, None):
        rows = frame_of(*columns, np.array([0, 1, 0], np.int8), time)
        whole = Interactions.from_frame(rows.rename({"user_index": "user_id", "book_index": "book_id"}))
        folder = tmp_path / str(time is None)
        folder.mkdir()
        writer = PartWriter(folder, 1)
        writer.add(rows)
        writer.finish(folder / "set", whole.users, whole.books, Origin("hand", Scale()))
        assert load(folder / "set").fingerprint == whole.fingerprint
        assert [part.time is None for part in Parts.open(folder / "set")] == [True, True, time is None]


def test_damage_is_noticed_when_a_part_is_read(folder: Path) -> None:
    path = folder / "interactions" / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    parts = Parts.open(folder)
    assert len(parts.part(0))
    for read in (lambda: parts.part(1), parts.book_ratings, lambda: load(folder)):
        with pytest.raises(DataError, match=r"part-00001\.parquet is damaged or was changed; import the dataset again"):
            read()
    path.unlink()
    with pytest.raises(DataError, match=r"has no interactions/part-00001\.parquet"):
        Parts.open(folder)


@pytest.mark.parametrize("facts", [{"parts": 3}, {"counts": None}, {"scale": [1]}, {"parts": [{}] * 2}])
def test_facts_that_are_damaged(folder: Path, facts: dict[str, object]) -> None:
    about = json.loads((folder / "dataset.json").read_text()) | facts
    (folder / "dataset.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match="import the dataset again"):
        assert Parts.open(folder).rows + load(folder).n_ratings
