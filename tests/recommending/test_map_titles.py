"""Titles on the map, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from shelfaware.recommending.map_titles import Room, in_turn, short_title
from shelfaware.recommending.taste import BookMap


def test_a_box_is_taken_once_and_inside_alone() -> None:
    room = Room((0, 0, 10, 10), [(8, 8, 9, 9)])
    assert room.take((0, 0, 4, 2))
    assert not room.take((3, 1, 6, 3))
    assert room.take((4, 0, 6, 2))  # it touches the first and covers nothing
    assert room.take((3, 2, 6, 3))  # where one was refused
    assert not room.take((7, 7, 10, 10))
    assert not any(map(room.take, [(9, 0, 11, 1), (-1, 5, 2, 6), (0, 9, 1, 11), (5, -1, 6, 1)]))
    assert room.take((0, 9, 10, 10))  # up to the edge


def test_the_reader_s_own_come_first_the_most_loved_before_the_others() -> None:
    shown = BookMap(np.arange(5) + 70, np.zeros((5, 2)), np.ones(2), np.array([3, 1, 4]), np.array([2.0, 5.0, 5.0]), None)
    assert in_turn(shown) == [1, 4, 3, 0, 2]


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("Emma", "Emma"),
        ("Dune: the whole of it", "Dune"),
        (": a colon alone", ": a colon alone"),
        ("x" * 28, "x" * 28),
        ("a title of twenty seven and more", "a title of twenty seven and…"),
        ("twenty six letters and one, then", "twenty six letters and one,…"),
    ],
)
def test_a_long_title_is_cut(title: str, short: str) -> None:
    assert short_title(title) == short
    assert len(short_title(title)) <= 28
