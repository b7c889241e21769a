"""Readers that are decoded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.models.kept_readers import ROW_BYTES, KeptReaders
from shelfaware.models.readers import Readers
from shelfaware.models.source import Source


@pytest.fixture
def halves(planted: Interactions) -> list[Interactions]:
    """Two parts, between them a user of whom there is no row."""
    middle = planted.n_users // 2
    return [planted.take(planted.user_index < middle), planted.take(planted.user_index > middle)]


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
def test_what_was_read_comes_back_and_is_read_once(halves: list[Interactions], tmp_path: Path, *, on_disk: bool) -> None:
    asked: list[int] = []

    def read(i: int) -> Interactions:
        asked.append(i)
        return halves[i]

    kept = KeptReaders(read, tmp_path if on_disk else None)
    for i in (1, 0, 1, 0):
        whole = Readers.of(halves[i])
        some = whole.take(np.flatnonzero(np.diff(whole.indptr)))
        readers = kept(i)
        for name in ("indptr", "book_index", "stars", "shelf", "user_index"):
            array = getattr(readers, name)
            assert array.dtype == getattr(some, name).dtype, name
            np.testing.assert_array_equal(array, getattr(some, name), name)
    assert asked == [1, 0]
    assert list(tmp_path.iterdir()) == []
    row = readers.book_index.itemsize + readers.stars.itemsize + readers.shelf.itemsize
    assert row == ROW_BYTES


def test_one_part_keeps_users_without_a_row(halves: list[Interactions]) -> None:
    assert len(Source.of(halves[1]).readers()(0)) == halves[1].n_users


def test_nothing_is_left_of_it(halves: list[Interactions], tmp_path: Path) -> None:
    """The file is closed when the last one lets go, without waiting for a garbage collection."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("there is no /proc here to count open files in")
    before = len(list(descriptors.iterdir()))
    source = Source(halves.__getitem__, 2, halves[0].books, "halves", tmp_path)
    readers = source.readers()
    readers(0)
    assert len(list(descriptors.iterdir())) == before + 3
    del readers
    assert len(list(descriptors.iterdir())) == before
