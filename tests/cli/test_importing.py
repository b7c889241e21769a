"""`shelfaware import`, in process."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, save_npz
from typer.testing import CliRunner, Result

from shelfaware.cli.importing import app
from shelfaware.data.dataset import load
from shelfaware.data.streaming import importing as streaming
from shelfaware.errors import DataError

real = streaming.stream


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    path = tmp_path / "my [own] ratings.csv"
    path.write_text("user_id,book_id,rating\n1,10,5\n1,10,5\n1,20,3\n2,10,4\n")
    return path


def test_report_goes_to_stderr_and_names_the_next_step(ratings: Path, tmp_path: Path) -> None:
    done = run("goodbooks", ratings, "--out", tmp_path / "a set", "--min-user-ratings", "2")
    assert done.exit_code == 0
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "my [own] ratings.csv"
    assert [" ".join(line.split()) for line in lines[2:6]] == [
        "read 4",
        "dropped: the same row again 1 my [own] ratings.csv, line 3",
        "dropped: user with fewer than 2 rows 1 my [own] ratings.csv, line 5",
        "kept 2",
    ]
    assert all(len(line) <= 80 for line in lines[:-1])
    assert lines[-1] == f"The dataset is in {tmp_path}/a set; next: shelfaware describe '{tmp_path}/a set'"
    assert len(load(tmp_path / "a set")) == 2


def test_cleaning_options_reach_the_rows(ratings: Path, tmp_path: Path) -> None:
    ratings.write_text("user,book,rating,time\n1,10,5,1\n1,10,4,2\n2,20,3,1\n3,20,3,1\n3,10,3,1\n")
    sizes = {
        "--duplicates latest": (3, 2, 4),
        "--duplicates drop": (2, 2, 3),
        "--duplicates drop-user": (2, 2, 3),
        "--duplicates latest --min-user-ratings 2": (1, 2, 2),
        "--duplicates latest --max-users 1": (1, 1, 1),
        "--duplicates latest --max-books 1": (2, 1, 2),
        "--min-book-ratings 3 --duplicates drop": (1, 1, 1),
    }
    for options, size in sizes.items():
        run("table", ratings, "--out", tmp_path / "set", *options.split())
        data = load(tmp_path / "set")
        assert (data.n_users, data.n_books, len(data)) == size, options


def test_columns_separator_and_scale(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("wer;was;wie;wann;wo\na;b;0;2001-01-01;read\na;c;7.5;2001-01-01;read\n")
    names = ("--user", "wer", "--book", "was", "--rating", "wie", "--time", "wann", "--shelf", "wo")
    run("table", path, "--out", tmp_path / "set", *names, "--separator", ";", "--zero-is-unrated", "--scale", "0.5:10:0.5")
    data = load(tmp_path / "set")
    assert (data.n_ratings, len(data), data.scale.max, data.time is not None) == (1, 2, 10, True)


def test_matrix(tmp_path: Path) -> None:
    for name, cells in {"stars": [[5, 0, 0]], "read": [[1, 1, 0]], "shelved": [[1, 1, 1]]}.items():
        save_npz(tmp_path / f"{name}.npz", csr_array(np.array(cells)))
    read, shelved = tmp_path / "read.npz", tmp_path / "shelved.npz"
    run("matrix", "--ratings", tmp_path / "stars.npz", "--read", read, "--shelved", shelved, "--out", tmp_path / "set")
    assert load(tmp_path / "set").shelf.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("movielens", "1\t2\t3\t4\n"),
        ("recbole", "user_id:token\titem_id:token\trating:float\n1\t2\t3\n"),
        ("bookcrossing", '"User-ID";"ISBN";"Book-Rating"\n"1";"2";"3"\n'),
        ("ucsd", "user_id,book_id,is_read,rating,is_reviewed\n1,2,1,3,0\n"),
    ],
)
def test_every_format_has_its_command(tmp_path: Path, command: str, text: str) -> None:
    (tmp_path / "f").write_text(text)
    run(command, tmp_path / "f", "--out", tmp_path / "set")
    assert load(tmp_path / "set").stars.tolist() == [3.0]


def test_a_bad_file_writes_nothing_and_keeps_the_old_dataset(ratings: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("user_id,book_id,rating\n1,10,6\n")
    for out in ("new", "old"):
        if out == "old":
            run("goodbooks", ratings, "--out", tmp_path / out)
        with pytest.raises(DataError, match=r"bad\.csv, line 2"):
            run("goodbooks", bad, "--out", tmp_path / out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", ratings.name, "old"]
    assert len(load(tmp_path / "old")) == 3


def test_nothing_left_says_why(ratings: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing is left of .*: 4 book with fewer than 9 rows"):
        run("goodbooks", ratings, "--out", tmp_path / "set", "--min-book-ratings", "9")


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_streamed_or_not_the_dataset_is_the_same(ratings: Path, tmp_path: Path, how: str) -> None:
    done = run("goodbooks", ratings, "--out", tmp_path / "set", "--min-user-ratings", "2", how)
    assert "dropped: user with fewer than 2 rows" in done.stderr
    run("goodbooks", ratings, "--out", tmp_path / "other", "--min-user-ratings", "2")
    assert load(tmp_path / "set").fingerprint == load(tmp_path / "other").fingerprint


def test_large_files_are_streamed_by_themselves(ratings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(streaming, "stream", lambda *how: calls.append(how) or real(*how))
    run("goodbooks", ratings, "--out", tmp_path / "set")
    assert calls == []
    monkeypatch.setattr(streaming, "STREAM_FROM", 40)
    run("goodbooks", ratings, "--out", tmp_path / "set")
    assert len(calls) == 1
    run("goodbooks", ratings, "--out", tmp_path / "set", "--no-stream")
    assert len(calls) == 1


def test_bad_lines(ratings: Path, tmp_path: Path) -> None:
    ratings.write_text(ratings.read_text() + "3,x,5\n3,10,5\n")
    with pytest.raises(DataError, match=r"ratings\.csv, line 6: book id 'x' is not a whole number"):
        run("goodbooks", ratings, "--out", tmp_path / "set", "--stream")
    done = run("goodbooks", ratings, "--out", tmp_path / "set", "--max-bad-lines", "1")
    assert "dropped: line that cannot be read" in done.stderr
    with pytest.raises(DataError, match="leave out --no-stream or --max-bad-lines"):
        run("goodbooks", ratings, "--out", tmp_path / "set", "--max-bad-lines", "1", "--no-stream")


def test_an_interrupted_import_says_how_to_go_on(ratings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(streaming, "stream", interrupted)
    done = CliRunner().invoke(app, ["goodbooks", str(ratings), "--out", str(tmp_path / "set"), "--stream"])
    assert done.exit_code == 130
    assert "the same command goes on from here" in done.stderr


def test_a_scale_that_is_none(ratings: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a star scale is written"):
        run("goodbooks", ratings, "--out", tmp_path / "set", "--scale", "five")
