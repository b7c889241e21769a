"""The streamed import where something goes wrong: bad lines, torn files, a full disk, a kill, a file that changes."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from shelfaware.data import part_writer
from shelfaware.data.cleaning import Cleaning
from shelfaware.data.dataset import load, save
from shelfaware.data.dialects import FORMATS
from shelfaware.data.importers import InputFiles, import_ucsd, ucsd_files
from shelfaware.data.report import Drop
from shelfaware.data.streaming import blocks, runs
from shelfaware.data.streaming.importing import Manner, stream
from shelfaware.data.streaming.workshop import Workshop
from shelfaware.errors import DataError

HEADER = "user_id,book_id,is_read,rating,is_reviewed\n"


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 100)
    monkeypatch.setattr(blocks, "LONGEST_ROW", 300)
    monkeypatch.setattr(runs, "RUN_ROWS", 20)
    monkeypatch.setattr(part_writer, "PART_ROWS", 20)


def interactions(path: Path, n: int = 200) -> Path:
    """n rows of 50 users, unsorted, none twice."""
    path.write_text(HEADER + "".join(f"{i * 7 % 50},{i // 50},1,{1 + i % 5},0\n" for i in range(n)))
    return path


def with_lines(path: Path, changed: dict[int, str]) -> Path:
    """The file with some lines, counted from 1, replaced."""
    lines = interactions(path).read_text().splitlines()
    for number, line in changed.items():
        lines[number - 1] = line
    path.write_text("\n".join(lines) + "\n")
    return path


BAD = {50: "1,,1,3,0", 51: "1,2,3,9,0", 120: "1,2,1,4,0,0,0", 150: '1,"2,1,4,0'}


def test_bad_lines_are_left_out_counted_and_located(tmp_path: Path) -> None:
    path = with_lines(tmp_path / "i.csv", BAD)
    report = stream(ucsd_files([path]), tmp_path / "set", Manner(max_bad_lines=4)).report
    assert report
    assert report.drops == (Drop("line that cannot be read", 4, "i.csv, line 50"),)
    assert (report.rows_read, report.rows_kept) == (200, 196)
    good = [line for i, line in enumerate(interactions(tmp_path / "j.csv").read_text().splitlines(), 1) if i not in BAD]
    (tmp_path / "j.csv").write_text("\n".join(good))
    assert load(tmp_path / "set").fingerprint == import_ucsd([tmp_path / "j.csv"])[0].fingerprint


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        (0, r"^i\.csv, line 50: the book id is missing$"),
        (1, r"^i\.csv, line 51: 9 stars are not on the scale .* \(bad lines before it, as many as were allowed: 1\)$"),
        (3, r"^i\.csv, line 150: a quote is opened and never closed \(bad lines before it, as many as were allowed: 3"),
    ],
)
def test_more_bad_lines_than_allowed(tmp_path: Path, allowed: int, words: str) -> None:
    path = with_lines(tmp_path / "i.csv", BAD)
    with pytest.raises(DataError, match=words):
        stream(ucsd_files([path]), tmp_path / "set", Manner(max_bad_lines=allowed))
    assert [one.name for one in tmp_path.iterdir()] == ["i.csv"]


def test_a_bad_row_of_parquet(tmp_path: Path) -> None:
    rows = {"user": [1, 2, 3], "book": [1, 1, 1], "rating": [5, 17, 4]}
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    files = InputFiles([tmp_path / "t.parquet"], FORMATS["table"])
    with pytest.raises(DataError, match=r"t\.parquet, row 2: 17 stars are not on the scale"):
        stream(files, tmp_path / "set")
    report = stream(files, tmp_path / "set", Manner(max_bad_lines=1)).report
    assert report
    assert report.drops == (Drop("line that cannot be read", 1, "t.parquet, row 2"),)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_truncated_gzip_leaves_nothing_and_keeps_the_old_dataset(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress(interactions(tmp_path / "i.csv", 2000).read_bytes(), mtime=0)
    (tmp_path / "i.csv.gz").write_bytes(packed[:-cut])
    old = import_ucsd([interactions(tmp_path / "i.csv")])[0]
    save(old, tmp_path / "set")
    with pytest.raises(DataError, match=r"^i\.csv\.gz ends in the middle of its gzip stream; fetch it again$"):
        stream(ucsd_files([tmp_path / "i.csv.gz"]), tmp_path / "set")
    assert load(tmp_path / "set").fingerprint == old.fingerprint
    assert sorted(one.name for one in tmp_path.iterdir()) == ["i.csv", "i.csv.gz", "set"]


def test_damaged_gzip_and_files_without_rows(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(interactions(tmp_path / "i.csv", 2000).read_bytes(), mtime=0))
    packed[len(packed) // 2] ^= 255
    (tmp_path / "bad.gz").write_bytes(packed)
    (tmp_path / "head.csv").write_text(HEADER)
    (tmp_path / "empty.csv").write_text("\n \n")
    (tmp_path / "p.parquet").write_bytes(b"PAR1 and no more")
    for name, words in {
        "bad.gz": "is a damaged gzip file",
        "head.csv": "has no rows",
        "empty.csv": "is empty",
        "p.parquet": "is a damaged Parquet file",
        "none.csv": "there is no file",
    }.items():
        with pytest.raises(DataError, match=words):
            stream(ucsd_files([tmp_path / name]), tmp_path / "set")
    assert not (tmp_path / "set").exists()


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from shelfaware.cli import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize("limit", [100, 3000, 100_000])
def test_a_full_disk(tmp_path: Path, limit: int) -> None:
    """Which file meets the limit differs: the plan, a run, or one of the dataset itself."""
    path = interactions(tmp_path / "i.csv", 40_000)
    verb = ["import", "ucsd", str(path), "--stream", "--out", str(tmp_path / "set")]
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(limit), *verb], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    where = f"could not write {tmp_path}/"
    assert done.stderr.startswith(f"shelfaware: {where}")
    assert done.stderr.endswith(": File too large; what was there before is untouched\n")
    assert [one.name for one in tmp_path.iterdir()] == ["i.csv"]


class Killed(BaseException):
    """As a signal: nothing catches it."""


class Watcher:
    """Counts what it is told, and kills at the given call."""

    def __init__(self, kill_at: int = 0) -> None:
        self.kill_at, self.told = kill_at, [""]

    def __call__(self, what: str, share: float, rows: int) -> None:
        assert 0 < share <= 1
        assert rows > 0
        self.told.append(what)
        if len(self.told) - 1 == self.kill_at:
            raise Killed


def test_a_killed_import_goes_on_where_it_was(tmp_path: Path) -> None:
    files = ucsd_files([interactions(tmp_path / "a.csv"), with_lines(tmp_path / "b.csv", {})])
    manner = Manner(Cleaning(duplicates="drop-user", min_book_ratings=3, max_users=30))
    (tmp_path / "b.csv").write_text(HEADER + "".join(f"{i},{i % 4},1,3,0\n" for i in range(60, 200)))
    untouched = Watcher()
    expected = stream(files, tmp_path / "set", manner, untouched)
    assert [what for what in dict.fromkeys(untouched.told) if what] == ["reading", "cleaning", "writing"]
    for kill_at in range(1, len(untouched.told), 3):
        with pytest.raises(Killed):
            stream(files, tmp_path / "new", manner, Watcher(kill_at))
        assert not (tmp_path / "new").exists()
        again = Watcher()
        assert stream(files, tmp_path / "new", manner, again) == expected
        if kill_at > 12:
            assert len(again.told) < len(untouched.told) - 3
        assert sorted(one.name for one in tmp_path.iterdir()) == ["a.csv", "b.csv", "new", "set"]
        shutil.rmtree(tmp_path / "new")


KILLED = """
import os, signal, sys
from pathlib import Path
from shelfaware.data import part_writer
from shelfaware.data.streaming import blocks, runs
from shelfaware.data.importers import ucsd_files
from shelfaware.data.streaming.importing import Manner, stream
blocks.BLOCK_BYTES, runs.RUN_ROWS, part_writer.PART_ROWS = 100, 20, 20
calls = 0
def watch(*_):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
stream(ucsd_files([Path(sys.argv[1])]), Path(sys.argv[2]), Manner(), watch)
"""


def test_sigkill(tmp_path: Path) -> None:
    path, out = interactions(tmp_path / "i.csv"), tmp_path / "set"
    for calls in (15, 25):
        done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(out), str(calls)], check=False)
        assert done.returncode == -9
        assert (tmp_path / ".set.import").is_dir()
    again = Watcher()
    stream(ucsd_files([path]), out, Manner(), again)
    assert "reading" not in again.told
    assert load(out).fingerprint == import_ucsd([path])[0].fingerprint


def test_a_file_that_changed_under_a_resumed_import_is_refused_once(tmp_path: Path) -> None:
    path = interactions(tmp_path / "i.csv")
    with pytest.raises(Killed):
        stream(ucsd_files([path]), tmp_path / "set", Manner(), Watcher(12))
    state = path.stat()
    path.write_text(path.read_text().replace("1,5,0", "1,4,0", 1))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    words = r"i\.csv has changed since its import was interrupted, so what was read of it is thrown away"
    with pytest.raises(DataError, match=words):
        stream(ucsd_files([path]), tmp_path / "set")
    stream(ucsd_files([path]), tmp_path / "set")
    assert load(tmp_path / "set").fingerprint == import_ucsd([path])[0].fingerprint


def test_another_cleaning_reads_nothing_again_and_another_scale_everything(tmp_path: Path) -> None:
    path = interactions(tmp_path / "i.csv")
    for manner, read in ((Manner(Cleaning(min_user_ratings=2)), False), (Manner(max_bad_lines=1), True)):
        with pytest.raises(Killed):
            stream(ucsd_files([path]), tmp_path / "set", Manner(Cleaning()), Watcher(30 + 10))
        again = Watcher()
        stream(ucsd_files([path]), tmp_path / "set", manner, again)
        assert ("reading" in again.told) is read
        assert load(tmp_path / "set").fingerprint == import_ucsd([path], cleaning=manner.cleaning)[0].fingerprint


def test_two_imports_into_one_folder(tmp_path: Path) -> None:
    path = interactions(tmp_path / "i.csv")
    with Workshop.at(tmp_path / "set"), pytest.raises(DataError, match=r"another import is writing .*set; wait for it"):
        stream(ucsd_files([path]), tmp_path / "set")
    stream(ucsd_files([path]), tmp_path / "set")


def test_other_files_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(DataError, match=r"holds other files \(no dataset.json\)"):
        stream(ucsd_files([interactions(tmp_path / "i.csv")]), tmp_path / "thesis")


def test_nothing_left_says_why(tmp_path: Path) -> None:
    path = interactions(tmp_path / "i.csv")
    with pytest.raises(DataError, match=r"nothing is left of i\.csv: 200 book with fewer than 999 rows"):
        stream(ucsd_files([path]), tmp_path / "set", Manner(Cleaning(min_book_ratings=999)))
