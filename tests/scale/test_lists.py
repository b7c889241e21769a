"""Lists for everybody: those that `recommend` gives each, whole whatever stopped the job."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import shelfaware
from shelfaware.data.dataset import save
from shelfaware.data.interactions import Interactions
from shelfaware.errors import DataError
from shelfaware.models.base import Model
from shelfaware.models.ease import EASE
from shelfaware.recommending.wishes import Wishes
from shelfaware.scale import lists
from shelfaware.scale.lists import Editions, Job, lists_for, recommend_all

Tables = Callable[[Path], dict[str, bytes]]
PLAIN = Wishes(in_order=False, per_author=0)


def test_everybody_gets_the_list_that_recommend_gives(job: Job, with_editions: Interactions, model: Model) -> None:
    recommend_all(job)
    found = pl.read_parquet(job.out / "*.parquet")
    assert found["user_id"].unique().sort().to_list() == list(range(1000, 1300))
    model.know(with_editions)
    for (user,), rows in found.group_by("user_id"):
        wanted = shelfaware.recommend(model, user, 5, PLAIN)
        assert rows["book_id"].to_list() == [book.book_id for book in wanted]
        assert rows["place"].to_list() == list(range(1, len(wanted) + 1))
        np.testing.assert_allclose(rows["score"], [book.score for book in wanted], rtol=1e-6)


def test_small_blocks_change_nothing(with_editions: Interactions, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = lists_for(model, with_editions, 5)
    monkeypatch.setattr(lists, "BLOCK_CELLS", 100)
    assert_frame_equal(lists_for(model, with_editions, 5), at_once)


def test_a_dataset_in_one_part_is_one_file(job: Job, with_editions: Interactions, tmp_path: Path) -> None:
    save(with_editions, tmp_path / "whole")
    whole = replace(job, dataset=tmp_path / "whole", out=tmp_path / "one")
    recommend_all(whole)
    recommend_all(job)
    assert sorted(path.name for path in whole.out.iterdir()) == ["lists.json", "part-00000.parquet"]
    assert_frame_equal(pl.read_parquet(whole.path(0)), pl.read_parquet(job.out / "*.parquet"))


def test_a_job_goes_on_where_it_was_stopped(job: Job, tables: Tables, tmp_path: Path) -> None:
    recommend_all(replace(job, out=tmp_path / "undisturbed"))

    def stop(part: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recommend_all(job, stop)
    assert [job.path(part).exists() for part in range(3)] == [True, False, False]
    (job.out / ".part-00001.parquet.half").write_bytes(b"PAR1")
    written: list[int] = []
    recommend_all(job, written.append)
    assert written == [1, 2]
    assert tables(job.out) == tables(tmp_path / "undisturbed")


@pytest.mark.parametrize("change", ["n", "model", "foreign", "damaged"])
def test_other_files_are_refused(job: Job, tables: Tables, change: str, with_editions: Interactions, tmp_path: Path) -> None:
    if change == "foreign":
        job.out.mkdir()
        (job.out / "letter.txt").write_text("dear")
    else:
        recommend_all(job)
    if change == "damaged":
        (job.out / "lists.json").write_text("{")
    EASE().fit(with_editions).save(tmp_path / "other")
    other = {"n": {"n": 6}, "model": {"model": tmp_path / "other"}}.get(change, {})
    before = tables(job.out)
    with pytest.raises(DataError, match="holds something else than these lists; choose a new folder"):
        recommend_all(replace(job, **other))
    assert tables(job.out) == before


def test_a_job_of_another_version_is_not_gone_on_with(job: Job, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    recommend_all(job)
    before = tables(job.out)
    sentence = rf"was begun by shelfaware {lists.__version__}, this is 9.9; go on with that, or choose a new folder"
    with pytest.raises(DataError, match=sentence):
        recommend_all(replace(job, version="9.9"))
    monkeypatch.setattr(lists, "__version__", "9.8")
    with pytest.raises(DataError, match=rf"a worker has shelfaware 9.8 and the job is of {job.version}"):
        lists.write_part(job, 0)
    assert tables(job.out) == before


def test_a_file_in_the_way_and_no_book_at_all(job: Job) -> None:
    job.out.write_text("in the way")
    with pytest.raises(DataError, match="is not a folder"):
        recommend_all(job)
    with pytest.raises(DataError, match="0 books cannot be recommended"):
        recommend_all(replace(job, n=0))


def test_a_model_that_holds_users_knows_those_of_a_part(planted: Interactions, small: Callable[[str], Model]) -> None:
    model = copy(small("gmf"))
    everybody = lists_for(model, planted, 3)
    some = lists_for(model, planted.take(planted.user_index >= 200), 3)
    assert_frame_equal(some, everybody.filter(pl.col("user_id") >= 1200))


def test_nobody_with_a_row(with_editions: Interactions, model: Model) -> None:
    found = lists_for(model, with_editions.take(np.zeros(len(with_editions), bool)), 5)
    assert found.schema == lists_for(model, with_editions, 5).schema
    assert not len(found)


def test_editions_by_hand() -> None:
    """Books 0, 2 and 4 are one work, 1 and 5 another."""
    editions = Editions.of(np.array([7, 9, 7, 1, 7, 9]))
    has = np.array([[False, False, True, False, False, False], [False, False, False, True, False, True]])
    assert editions.spread(has).astype(int).tolist() == [[1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]]
    score = np.array([[1.0, 5, 3, 0, 3, 4], [2, -np.inf, 1, 9, 0, -np.inf]])
    editions.keep_best(score)
    worst = -np.inf
    assert score[0].tolist() == [worst, 5, 3, 0, worst, worst]
    assert score[1, [0, 2, 3, 4]].tolist() == [2, worst, 9, worst]
