"""Arrays that grow, in memory and in files without a name."""

from __future__ import annotations

import errno
import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from shelfaware.errors import DataError
from shelfaware.models.spool import Spool, room


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
@pytest.mark.parametrize("pieces", [[], [[]], [[1, 2, 3]], [[1], [], [2, 3], [4] * 10_000]], ids=len)
def test_what_was_added_comes_back(tmp_path: Path, pieces: list[list[int]], *, on_disk: bool) -> None:
    spool = Spool(np.int32, tmp_path / "new" if on_disk else None)
    for piece in pieces:
        spool.add(np.array(piece, np.int64))
    whole = spool.whole()
    assert whole.dtype == np.int32
    assert whole.tolist() == list(itertools.chain(*pieces))
    assert not on_disk or list((tmp_path / "new").iterdir()) == []


def test_room_is_written_in_any_order(tmp_path: Path) -> None:
    array = room(5, np.float64, tmp_path)
    array[[4, 0]] = 1.5, 2.5
    assert array.tolist() == [2.5, 0, 0, 0, 1.5]
    assert room(0, np.int32, tmp_path).tolist() == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"could not write .*: No space left on device"):
        room(5, np.float64, tmp_path)
    with Path("/dev/full").open("r+b", buffering=8) as file:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: file)
        spool = Spool(np.int8, tmp_path)
        with pytest.raises(DataError, match="No space left"):
            spool.add(np.zeros(100))
        del spool  # closes what it could not write, without a word
