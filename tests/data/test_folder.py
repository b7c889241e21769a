"""Folders are whole or not there, private, and never in place of something else."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shelfaware.data import folder as module
from shelfaware.data.folder import write_file, write_folder
from shelfaware.errors import DataError


def text(content: str) -> module.Writer:
    return lambda path: path.write_text(content)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_with_its_parents(tmp_path: Path) -> None:
    write_folder(tmp_path / "a" / "b", {"x": text("1"), "own": text("2")}, owns="own")
    assert contents(tmp_path / "a" / "b") == {"x": "1", "own": "2"}
    assert names(tmp_path / "a") == ["b"]


def test_permissions_are_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_folder(tmp_path / "f", {"own": text("1")}, owns="own")
        write_file(tmp_path / "one", text("1"))
    finally:
        os.umask(old)
    modes = [permissions(tmp_path / name) for name in ("f", "f/own", "one")]
    assert modes == [0o700, 0o600, 0o600]


def test_the_older_folder_is_replaced_whole(tmp_path: Path) -> None:
    write_folder(tmp_path / "f", {"own": text("1"), "gone": text("1")}, owns="own")
    write_folder(tmp_path / "f", {"own": text("2")}, owns="own")
    assert contents(tmp_path / "f") == {"own": "2"}
    assert names(tmp_path) == ["f"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    write_folder(tmp_path / "f", {"own": text("1")}, owns="own")
    assert contents(tmp_path / "f") == {"own": "1"}


def test_two_renames_serve_where_an_exchange_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_exchange", lambda *_: False)
    for content in ("1", "2"):
        write_folder(tmp_path / "f", {"own": text(content)}, owns="own")
    assert contents(tmp_path / "f") == {"own": "2"}
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failing_writer_leaves_the_old_folder_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise error

    write_folder(tmp_path / "f", {"own": text("old")}, owns="own")
    write_file(tmp_path / "one", text("old"))
    expected = DataError if isinstance(error, OSError) else type(error)
    words = "could not write .*: No space left on device" if isinstance(error, OSError) else None
    with pytest.raises(expected, match=words):
        write_folder(tmp_path / "f", {"other": text("new"), "own": fail}, owns="own")
    with pytest.raises(expected, match=words):
        write_file(tmp_path / "one", fail)
    assert contents(tmp_path / "f") == {"own": "old"}
    assert (tmp_path / "one").read_text() == "old"
    assert names(tmp_path) == ["f", "one"]


def test_other_peoples_folders_files_and_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    refusals = {"theirs": "holds other files", "file": "in the way", "link": "in the way", "dangling": "in the way"}
    for name, sentence in refusals.items():
        with pytest.raises(DataError, match=sentence):
            write_folder(tmp_path / name, {"own": text("1")}, owns="own")
    assert contents(tmp_path / "theirs") == {"thesis": "mine"}
    assert names(tmp_path) == ["dangling", "file", "link", "theirs"]


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="could not write"):
        write_folder(tmp_path / "file" / "f", {"own": text("1")}, owns="own")


WRITE_NEW = """
import sys
from pathlib import Path
from shelfaware.data.folder import write_folder
text = lambda path: path.write_text("new")
write_folder(Path(sys.argv[1]), {"a": text, "own": text}, owns="own")
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ["write", "fsync", "chmod", "renameat2", "unlinkat"])
def test_killed_at_any_call_the_folder_is_the_old_or_the_new(tmp_path: Path, call: str) -> None:
    place, outcomes = tmp_path / "f", []
    for when in range(1, 30):
        shutil.rmtree(tmp_path)
        write_folder(place, {"a": text("old"), "own": text("old")}, owns="own")
        inject = f"inject={call}:signal=KILL:when={when}"
        traced = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
        done = subprocess.run([*traced, sys.executable, "-c", WRITE_NEW, str(place)], capture_output=True, check=False)
        outcomes.append(contents(place))
        if done.returncode == 0:
            break
    whole = [{"a": state, "own": state} for state in ("old", "new")]
    assert all(outcome in whole for outcome in outcomes)
    assert outcomes[-1] == whole[1]
    assert len(outcomes) > 1, f"{call} was never called"
