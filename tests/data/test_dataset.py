"""The dataset folder: what is saved comes back, and what is damaged does not."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from shelfaware.data import part_writer
from shelfaware.data.books import Books
from shelfaware.data.dataset import describe, load, save
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Interactions, Scale
from shelfaware.data.parts import Parts
from shelfaware.data.report import Drop, ImportReport
from shelfaware.errors import DataError

FILES = ("books.parquet", "dataset.json", "interactions.parquet", "users.parquet")


@pytest.fixture
def data() -> Interactions:
    """Six rows of 4 users (the last without any) and 3 books, half stars."""
    rows = pl.DataFrame(
        {
            "user_id": [7, 7, 3, 3, 10, 10],
            "book_id": ["a", "b", "a", "c", "b", "c"],
            "stars": [4.5, 1.0, 5.0, None, 4.5, None],
            "shelf": ["read", "read", "read", "to_read", "read", "read"],
            "time": [datetime(2001, 2, 3), None, datetime(2020, 12, 31, 23, 59, 59), None, None, None],
        }
    )
    titles = pl.DataFrame(
        {"book_id": ["a"], "title": ["Ä <b>"], "authors": [["X", "Y"]], "year": [-300], "series_position": [1.5]}
    )
    users = IdMap(pl.Series([3, 7, 10, 99]), "user")
    return Interactions.from_frame(rows, users=users, books=Books.of(titles), scale=Scale(0.5, 5, 0.5), source="hand")


@pytest.fixture
def folder(data: Interactions, tmp_path: Path) -> Path:
    report = ImportReport("hand", 7, (Drop("the same row again", 1, "t.csv, line 3"),), 6, 4, 3, 4)
    save(data, tmp_path / "set", report)
    return tmp_path / "set"


def test_round_trip(data: Interactions, folder: Path) -> None:
    back = load(folder)
    assert back.fingerprint == data.fingerprint
    assert (back.source, back.simulated, back.scale) == ("hand", False, Scale(0.5, 5, 0.5))
    assert back.to_frame().equals(data.to_frame())
    assert back.books.table.equals(data.books.table)
    assert back.users == data.users
    assert sorted(path.name for path in folder.iterdir()) == list(FILES)
    about = json.loads((folder / "dataset.json").read_text())
    assert about["format_version"] == 1
    assert about["fingerprint"] == data.fingerprint
    assert about["counts"] == {"users": 4, "books": 3, "rows": 6, "ratings": 4}
    assert about["report"]["drops"] == [{"reason": "the same row again", "rows": 1, "example": "t.csv, line 3"}]


def test_a_folder_with_fewer_columns_of_books_loads(data: Interactions, folder: Path) -> None:
    path = folder / "books.parquet"
    pl.read_parquet(path).drop("goodreads_ids", "original_title", "language", "pages").write_parquet(path)
    edited(lambda about: about["sha256"].update({path.name: hashlib.sha256(path.read_bytes()).hexdigest()}))(folder)
    assert load(folder).books.table.equals(data.books.table)


def test_round_trip_without_times_and_simulated(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user_id": ["u"], "book_id": [5], "stars": [3.0]})
    data = Interactions.from_frame(rows, simulated=True)
    save(data, tmp_path / "set")
    back = load(tmp_path / "set")
    assert back.simulated
    assert back.time is None
    assert back.fingerprint == data.fingerprint


def test_saving_again_replaces_the_dataset_only(data: Interactions, folder: Path, tmp_path: Path) -> None:
    save(data.ratings(), folder)
    assert len(load(folder)) == 4
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(DataError, match=r"holds other files \(no dataset.json\)"):
        save(data, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        about = json.loads((folder / "dataset.json").read_text())
        change(about)
        (folder / "dataset.json").write_text(json.dumps(about))

    return edit


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def other_table(folder: Path) -> None:
    """A readable table of other stars, with its own checksum: only the fingerprint can tell."""
    path = folder / "interactions.parquet"
    pl.read_parquet(path).with_columns(
        pl.lit(2.0, pl.Float32).alias("stars"), pl.lit("read").cast(pl.Enum(["read", "to_read"])).alias("shelf")
    ).write_parquet(path)
    edited(lambda about: about["sha256"].update({path.name: hashlib.sha256(path.read_bytes()).hexdigest()}))(folder)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no json": (lambda folder: (folder / "dataset.json").unlink(), "is no dataset: it has no dataset.json"),
    "no table": (lambda folder: (folder / "users.parquet").unlink(), "has no users.parquet"),
    "not json": (written("dataset.json", b"{"), "is not JSON"),
    "not text": (written("dataset.json", b"\xff\xfe\x00"), "is not JSON"),
    "deep json": (written("dataset.json", b"[" * 100_000), "is not JSON"),
    "a list": (written("dataset.json", b"[1]"), "of format None"),
    "older": (edited(lambda about: about.update(format_version=0)), "of format 0, this version reads 1"),
    "newer": (edited(lambda about: about.update(format_version=2)), "of format 2, this version reads 1"),
    "no checksum": (edited(lambda about: about.pop("sha256")), "has no sha256.interactions.parquet"),
    "no scale": (edited(lambda about: about.pop("scale")), "cannot be read"),
    "odd scale": (edited(lambda about: about.update(scale={"min": 5})), "needs min < max"),
    "other scale": (edited(lambda about: about["scale"].update(max=6)), "does not belong to the tables"),
    "now real": (edited(lambda about: about.update(simulated=True)), "does not belong to the tables"),
    "other fingerprint": (edited(lambda about: about.update(fingerprint="0")), "does not belong to the tables"),
    "other table": (other_table, "does not belong to the tables"),
    "empty table": (written("books.parquet", b""), "books.parquet is damaged or was changed"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_folders_are_refused(folder: Path, name: str) -> None:
    damage, words = DAMAGE[name]
    damage(folder)
    with pytest.raises(DataError, match=words) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nowhere; make one with `shelfaware import`"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is no dataset"):
        load(tmp_path / "file")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("parquet")])
def test_every_flipped_bit_and_every_cut_is_noticed(folder: Path, name: str) -> None:
    good, random = (folder / name).read_bytes(), np.random.default_rng(0)
    for place in random.choice(8 * len(good), 40, replace=False):
        flipped = bytearray(good)
        flipped[place // 8] ^= 1 << (place % 8)
        (folder / name).write_bytes(flipped)
        with pytest.raises(DataError, match="is damaged or was changed"):
            load(folder)
    for length in random.choice(len(good), 10, replace=False):
        (folder / name).write_bytes(good[:length])
        with pytest.raises(DataError, match="is damaged or was changed"):
            load(folder)
    (folder / name).write_bytes(good)
    load(folder)


def test_describe(data: Interactions) -> None:
    about = describe(data)
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    assert (about["users"], about["books"], about["ratings"]) == (4, 3, 4)
    assert about["shelves"] == {"read": 5, "to_read": 1}
    assert (about["read_unrated"], about["users_who_rated"], about["books_rated"]) == (1, 3, 2)
    assert about["density"] == pytest.approx(4 / 12)
    assert about["mean_stars"] == pytest.approx(3.75)
    shares = {f"{value:g}": 0.0 for value in np.arange(0.5, 5.5, 0.5)} | {"1": 25.0, "4.5": 50.0, "5": 25.0}
    assert about["stars_percent"] == shares
    assert about["ratings_per_user"] == {"median": 1.0, "mean": pytest.approx(4 / 3), "max": 2}
    assert about["time"] == {"first": "2001-02-03T00:00:00", "last": "2020-12-31T23:59:59"}
    assert about["scale"] == {"min": 0.5, "max": 5, "step": 0.5}


@pytest.mark.parametrize("part_rows", [1, 2, 100])
def test_a_folder_is_described_a_part_at_a_time(
    data: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_rows: int
) -> None:
    monkeypatch.setattr(part_writer, "PART_ROWS", part_rows)
    save(data, tmp_path / "set")
    read, assembled = list[int](), Parts.assembled

    def noted(self: Parts, which: Sequence[int]) -> Interactions:
        read.extend(which)
        assert len(which) == 1
        return assembled(self, which)

    monkeypatch.setattr(Parts, "assembled", noted)
    parts = Parts.open(tmp_path / "set")
    assert describe(parts) == describe(data)
    assert read == list(range(len(parts)))


def test_describe_without_ratings() -> None:
    rows = pl.DataFrame({"user_id": [1], "book_id": [2], "stars": [None], "shelf": ["to_read"]})
    about = describe(Interactions.from_frame(rows))
    json.dumps(about, allow_nan=False)
    assert (about["ratings"], about["mean_stars"], about["ratings_per_user"], about["time"]) == (0, None, None, None)
    assert set(about["stars_percent"].values()) == {0.0}
