"""One leg ahead and no more, and the same whoever made it."""

from __future__ import annotations

import threading

from shelfaware.training.coming import Coming


def test_the_next_leg_is_made_beside_and_no_other() -> None:
    made: list[tuple[int, int]] = []
    elsewhere: list[bool] = []

    def make(epoch: int, leg: int) -> tuple[int, int]:
        made.append((epoch, leg))
        elsewhere.append(threading.current_thread() is not threading.main_thread())
        return epoch, leg

    coming = Coming(make, epochs=2, legs=3)
    legs = [(epoch, leg) for epoch in range(2) for leg in range(3)]
    for i, place in enumerate(legs):
        assert coming(*place) == place
        assert set(made) <= set(legs[: i + 2])
    assert made == legs
    assert elsewhere == [False, *[True] * 5]


def test_a_leg_out_of_turn_is_made_at_once() -> None:
    """As after a loss that was no number: the epochs before are gone through again."""
    coming = Coming(lambda epoch, leg: 10 * epoch + leg, epochs=3, legs=2)
    assert [coming(*place) for place in ((1, 1), (0, 0), (0, 1), (2, 1))] == [11, 0, 1, 21]
