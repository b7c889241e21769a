"""The streamed import against the importer of small tables: the same dataset, the same report, the same refusals."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfaware.cli import main
from shelfaware.data import part_writer
from shelfaware.data.cleaning import Cleaning
from shelfaware.data.dataset import load
from shelfaware.data.dialects import FORMATS
from shelfaware.data.importers import InputFiles, import_files, ucsd_files
from shelfaware.data.interactions import Interactions
from shelfaware.data.parts import Parts
from shelfaware.data.report import ImportReport
from shelfaware.data.streaming import blocks, read_ids, runs
from shelfaware.data.streaming.importing import Manner, stream
from shelfaware.errors import DataError

TABLE = FORMATS["table"]


@contextmanager
def small_pieces(block: int = 40, run: int = 5, part: int = 4) -> Iterator[None]:
    """Blocks of a line or two, runs and parts of a few rows: every seam there is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        patch.setattr(blocks, "BLOCK_ROWS", 3)
        patch.setattr(runs, "RUN_ROWS", run)
        patch.setattr(part_writer, "PART_ROWS", part)
        patch.setattr(read_ids, "COUNTED_BY_NUMBER", 20)
        yield


def streamed(files: InputFiles, out: Path, **how: Any) -> tuple[Interactions, ImportReport]:
    report = stream(files, out, Manner(**how)).report
    assert report
    return load(out), report


def outcome(call: Any, *arguments: Any, **named: Any) -> tuple[Any, ...]:
    """Data and report, or that the file was refused: of several reasons for it, either importer may name another first."""
    try:
        data, report = call(*arguments, **named)
    except DataError as error:
        return ("refused", str(error).count("\n"))
    return data.fingerprint, data.books.table.to_dicts(), report


def both_ways(files: InputFiles, folder: Path, cleaning: Cleaning, **pieces: int) -> None:
    expected = outcome(import_files, files, cleaning)
    with small_pieces(**pieces):
        assert outcome(streamed, files, folder / "set", cleaning=cleaning) == expected
        if expected[0] != "refused":
            users = [(part.user_index[0], part.user_index[-1]) for part in Parts.open(folder / "set")]
            assert all(last < first for (_, last), (first, _) in pairwise(users))
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


cleanings = st.builds(
    Cleaning,
    min_book_ratings=st.integers(0, 3),
    duplicates=st.sampled_from(["error", "latest", "drop", "drop-user"]),
    min_user_ratings=st.integers(0, 3),
    max_users=st.sampled_from([0, 0, 1, 4]),
    max_books=st.sampled_from([0, 0, 1, 4]),
)
numbers = st.integers(0, 30).map(str)
names = st.sampled_from(["0", "7", "07", "12", "a", "B b", "é", '"q"', "x,y", "two\nlines", "00", " 3 "])
pieces = st.fixed_dictionaries({"block": st.integers(1, 200), "run": st.integers(1, 9), "part": st.integers(1, 9)})
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def ucsd_csv(draw: st.DrawFn) -> str:
    user = draw(st.sampled_from([numbers, numbers, names, st.sampled_from(["9007199254740993", "1"])]))
    line = st.tuples(user, draw(st.sampled_from([numbers, names])), st.booleans(), st.integers(0, 5))
    lines = draw(st.lists(line, min_size=1, max_size=25))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    rows = [",".join(csv_value(value) for value in (a, b, int(read or stars > 0), stars, 0)) for a, b, read, stars in lines]
    last = draw(st.sampled_from(["", end, end * 2]))
    return end.join(["user_id,book_id,is_read,rating,is_reviewed", *rows]) + last


def csv_value(value: object) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",\n') else text


@quick
@given(text=ucsd_csv(), cleaning=cleanings, small=pieces)
def test_csv_of_ucsd(text: str, cleaning: Cleaning, small: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("csv")
    (folder / "i.csv").write_bytes(text.encode())
    both_ways(ucsd_files([folder / "i.csv"]), folder, cleaning, **small)


TIMES = ["", "Fri Apr 19 08:15:15 -0700 2013", "Sat Apr 20 08:15:15 +0000 2013", "Mon Jan 01 00:00:00 +0100 2018"]
json_lines = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["a" * 32, "b" * 32, "7"]),
            "book_id": st.sampled_from(["1", "2", "10", "x"]),
            "is_read": st.booleans(),
            "rating": st.integers(0, 5),
            "date_added": st.sampled_from(TIMES),
            "date_updated": st.sampled_from(TIMES),
        }
    ),
    min_size=1,
    max_size=25,
)


@quick
@given(lines=json_lines, cleaning=cleanings, small=pieces)
def test_two_packed_files_of_json_lines(
    lines: list[dict[str, Any]], cleaning: Cleaning, small: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("json")
    half = (len(lines) + 1) // 2
    paths = []
    for i, part in enumerate((lines[:half], lines[half:])):
        if part:
            paths.append(folder / f"{i}.json.gz")
            paths[-1].write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in part).encode()))
    both_ways(ucsd_files(paths), folder, cleaning, **small)


tables = st.lists(
    st.tuples(
        st.one_of(numbers, names),
        st.one_of(numbers, names),
        st.sampled_from(["", "1", "2.5", "5", "05", "4."]),
        st.sampled_from(["", "read", "to-read", "dnf", "1"]),
        st.sampled_from(["", "0", "86400", "1e9", "2001-02-03", "2001-02-03T04:05:06Z"]),
    ),
    min_size=1,
    max_size=20,
)


@quick
@given(rows=tables, cleaning=cleanings, small=pieces)
def test_any_table(
    rows: list[tuple[str, ...]], cleaning: Cleaning, small: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("table")
    text = "".join(";".join(f'"{value}"' if "\n" in value else value for value in row) + "\n" for row in rows)
    (folder / "t.csv").write_text("user;book;rating;shelf;time\n" + text.replace('"q"', "q"), encoding="utf-8")
    both_ways(InputFiles([folder / "t.csv"], TABLE), folder, cleaning, **small)


@quick
@given(data=st.data(), cleaning=cleanings, small=pieces)
def test_parquet(
    data: st.DataObject, cleaning: Cleaning, small: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, n = tmp_path_factory.mktemp("parquet"), data.draw(st.integers(1, 20))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return data.draw(st.lists(values, min_size=n, max_size=n))

    kinds = data.draw(st.sampled_from([st.integers(0, 9), st.sampled_from(["a", "1", "10"]), st.integers(-1, 3)]))
    stars = data.draw(st.sampled_from([st.integers(1, 5), st.sampled_from([1.0, 2.0, 2.5]), st.integers(0, 5)]))
    frame = pl.DataFrame({"user": column(kinds), "book": column(st.integers(0, 9)), "rating": column(stars)})
    frame.write_parquet(folder / "t.parquet")
    both_ways(InputFiles([folder / "t.parquet"], TABLE), folder, cleaning, **small)


def original_study(path: Path) -> Path:
    """Four books and 600 users whose cleaning is known by hand.

    book 1: users 1 to 600, and user 20 again with other stars              601 rows
    book 2: users 1 to 500, and user 30 again with the same row             501 rows
    book 3: users 1 to 498, and user 10 again with other stars              499 rows, so it leaves, and user 10 stays
    book 4: user 600 alone                                                  1 row
    """
    rows = [(user, 1, 1, 4) for user in range(1, 601)] + [(user, 2, 1, 0) for user in range(1, 501)]
    rows += [(user, 3, 0, 0) for user in range(1, 499)] + [(600, 4, 1, 5), (20, 1, 1, 3), (30, 2, 1, 0), (10, 3, 1, 5)]
    lines = [f"{user},{book},{read},{stars},0\n" for user, book, read, stars in rows]
    path.write_text("user_id,book_id,is_read,rating,is_reviewed\n" + "".join(lines))
    return path


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_the_cleaning_of_the_original_study(tmp_path: Path, stream: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = original_study(tmp_path / "i.csv")
    options = ["--min-book-ratings", "500", "--duplicates", "drop-user", stream]
    with small_pieces(block=2000, run=300, part=300), pytest.raises(SystemExit, match="0"):
        main(["import", "ucsd", str(path), "--out", str(tmp_path / "set"), *options])
    words = " ".join(capsys.readouterr().err.split())
    assert "read 1,602 dropped: book with fewer than 500 rows 500 i.csv, line 1102" in words
    assert "dropped: user who has a book twice 6 i.csv, line 21 kept 1,096" in words
    assert "598 ratings, 598 users, 2 books" in words
    data = load(tmp_path / "set")
    assert data.books.ids.ids.to_list() == [1, 2]
    assert np.bincount(data.book_index).tolist() == [598, 498]
    assert set(range(1, 601)) - set(data.users.ids.to_list()) == {20, 30}


BOOKS = """book_id,work_id,title
1,10,Dune
2,10,Dune (German)
3,20,Emma
4,,Alone
5,10,Dune (French)
6,20,Emma again
"""
RATINGS = [(1, 1, 5), (1, 5, 4), (2, 2, 3), (3, 2, 2), (4, 5, 1), (5, 6, 4), (6, 3, 3), (7, 4, 5), (2, 9, 1)]


@pytest.mark.parametrize("pieces", [{}, {"block": 20, "run": 2, "part": 2}])
def test_editions_become_the_one_in_most_rows_the_first_of_equals(tmp_path: Path, pieces: dict[str, int]) -> None:
    (tmp_path / "books.csv").write_text(BOOKS)
    (tmp_path / "ratings.csv").write_text("user_id,book_id,rating\n" + "".join(f"{u},{b},{s}\n" for u, b, s in RATINGS))
    files = InputFiles([tmp_path / "ratings.csv", tmp_path / "books.csv"], FORMATS["goodbooks"])
    cleaning = Cleaning(merge_editions=True, duplicates="drop")
    both_ways(files, tmp_path, cleaning, **pieces)
    data = load(tmp_path / "set")
    pairs = list(zip(data.users.ids[data.user_index], data.books.ids.ids[data.book_index], data.stars.tolist(), strict=True))
    assert pairs == [(2, 2, 3), (2, 9, 1), (3, 2, 2), (4, 2, 1), (5, 3, 4), (6, 3, 3), (7, 4, 5)]
    assert data.books.table["title"].to_list() == ["Dune (German)", "Emma", "Alone", "Book 9"]


def test_editions_need_works(tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text("book_id,title\n1,Dune\n")
    (tmp_path / "ratings.csv").write_text("user_id,book_id,rating\n1,1,5\n")
    for names in (["ratings.csv"], ["ratings.csv", "books.csv"]):
        files = InputFiles([tmp_path / name for name in names], FORMATS["goodbooks"])
        for importer in (import_files, lambda files, cleaning: streamed(files, tmp_path / "set", cleaning=cleaning)):
            with pytest.raises(DataError, match="name a table of books that has work ids"):
                importer(files, Cleaning(merge_editions=True))


def test_titles_of_ucsd_are_found_in_pieces_too(tmp_path: Path) -> None:
    books = [{"book_id": str(i), "work_id": str(i // 2), "title": f"Book {i} (Saga, #{i})"} for i in range(40)]
    (tmp_path / "books.json.gz").write_bytes(gzip.compress("".join(json.dumps(book) + "\n" for book in books).encode()))
    lines = "".join(f"{i % 9},{i},1,{1 + i % 5},0\n" for i in range(30))
    (tmp_path / "i.csv").write_text("user_id,book_id,is_read,rating,is_reviewed\n" + lines)
    files = ucsd_files([tmp_path / "i.csv"], tmp_path / "books.json.gz")
    for merge in (False, True):
        both_ways(files, tmp_path, Cleaning(merge_editions=merge), block=100)
    assert load(tmp_path / "set").books.table["series_position"].to_list() == [float(i) for i in range(0, 30, 2)]
