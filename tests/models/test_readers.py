"""Which row of which reader holds a book."""

from __future__ import annotations

import numpy as np

from shelfaware.models.readers import Readers

TWO = Readers(
    np.array([0, 2, 3]), np.array([1, 4, 0], np.int32), np.array([5.0, np.nan, 2.0]), np.array([0, 1, 0], np.int8), np.arange(2)
)


def test_the_row_of_a_pair_and_whether_there_is_one() -> None:
    row, there = TWO.rows_of(np.array([1, 0, 0, 1, 0]), np.array([0, 4, 1, 4, 0]), 5)
    np.testing.assert_array_equal(there, [True, True, True, False, False])
    np.testing.assert_array_equal(row[there], [2, 1, 0])


def test_of_readers_without_a_row_there_is_none() -> None:
    row, there = TWO.only(np.zeros(3, bool)).rows_of(np.array([0, 1]), np.array([0, 4]), 5)
    assert not there.any()
    assert row.shape == (2,)
