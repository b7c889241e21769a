"""`recommend-all`: lists for every user of a dataset, from the command line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from conftest import Command
from shelfaware import models
from shelfaware.models.base import Model
from shelfaware.models.folder import load_model
from shelfaware.scale import lists


def test_everybody_s_list_is_the_one_that_recommend_shows(command: Command, workshop: Path, tmp_path: Path) -> None:
    done = command("recommend-all", workshop / "gp", workshop / "sample", "--out", tmp_path / "lists", "-n", 4)
    assert (done.code, done.out) == (0, "")
    assert "part-00000.parquet is written" in done.err
    assert "simulated" in done.err
    lists = pl.read_parquet(tmp_path / "lists" / "part-00000.parquet")
    assert lists.columns == ["user_id", "place", "book_id", "score"]
    user = lists["user_id"][0]
    plain = ("--any-order", "--per-author", 0, "-n", 4, "--json")
    wanted = command("recommend", workshop / "gp", workshop / "sample", "--user", user, *plain).json["recommendations"]
    assert lists.filter(pl.col("user_id") == user)["book_id"].to_list() == [book["book_id"] for book in wanted]


@pytest.mark.parametrize(("model", "simulated"), [("bias", True), ("real", False)])
def test_the_model_is_read_once(
    command: Command, workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, *, simulated: bool
) -> None:
    if not simulated:
        made = load_model(workshop / "bias")
        made.simulated = False
        made.save(tmp_path / "real")
    folder, read, load = workshop / model if simulated else tmp_path / model, list[Path](), lists.load_model

    def noted(path: Path) -> Model:
        read.append(path)
        return load(path)

    lists._opened.cache_clear()
    for module in (lists, models.folder):
        monkeypatch.setattr(module, "load_model", noted)
    done = command("recommend-all", folder, workshop / "sample", "--out", tmp_path / "lists")
    assert done.code == 0
    assert len(read) == 1
    assert ("simulated" in done.err) == simulated


@pytest.mark.parametrize("missing", ["model", "dataset"])
def test_what_is_not_there_is_said(command: Command, workshop: Path, tmp_path: Path, missing: str) -> None:
    model, dataset = (tmp_path / "no", workshop / "sample") if missing == "model" else (workshop / "bias", tmp_path / "no")
    done = command("recommend-all", model, dataset, "--out", tmp_path / "lists")
    assert done.code == 2
    assert f"there is no folder {tmp_path / 'no'}" in done.err
    assert not (tmp_path / "lists").exists()


def test_the_books_of_another_dataset_are_refused(command: Command, workshop: Path, tmp_path: Path) -> None:
    table = tmp_path / "other.csv"
    table.write_text("user,book,rating\n1,1,5\n1,2,3\n")
    columns = ("--user", "user", "--book", "book", "--rating", "rating")
    assert command("import", "table", table, *columns, "--out", tmp_path / "other").code == 0
    done = command("recommend-all", workshop / "bias", tmp_path / "other", "--out", tmp_path / "lists")
    assert done.code == 2
    assert "the data's books are not the" in done.err
    assert not list((tmp_path / "lists").glob("part-*"))
