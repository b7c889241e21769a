"""Processes that meet, as threads: all come and are alike, or all hear the same sentence."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from group import free_port
from shelfaware.training import meeting
from shelfaware.training.meeting import LostError, meet


def sentences(*each: tuple[int, dict[str, Any]]) -> list[str]:
    """What each of (number, about) hears; empty: it may go on."""
    coordinator = f"127.0.0.1:{free_port()}"

    def one(number: int, about: dict[str, Any]) -> str:
        try:
            meet(coordinator, number, about)
        except LostError as error:
            return str(error).replace(coordinator, "there")
        return ""

    with ThreadPoolExecutor(len(each)) as threads:
        return list(threads.map(lambda pair: one(*pair), each))


def test_all_there_and_alike() -> None:
    about = {"processes": 3, "shelfaware": "1"}
    assert sentences((2, about), (0, about), (1, about)) == ["", "", ""]
    assert sentences((0, {"processes": 1})) == [""]


def test_one_that_differs_is_named_to_all() -> None:
    three = {"processes": 3, "shelfaware": "1"}
    heard = sentences((0, three), (1, three), (2, three | {"shelfaware": "2"}))
    assert (
        heard
        == ["process 2 has another version or --processes than process 0 (shelfaware: 2 and 1); all of them need the same"] * 3
    )
    heard = sentences((0, {"processes": 2}), (1, {"processes": 3}))
    assert (
        heard
        == ["process 1 has another version or --processes than process 0 (processes: 3 and 2); all of them need the same"] * 2
    )


def test_one_number_twice() -> None:
    heard = sentences(*((number, {"processes": 3}) for number in (0, 1, 1)))
    assert heard == ["two processes have the same --process-id; give each a number of its own"] * 3


def test_some_do_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "MEETING_SECONDS", 3.0)
    three = {"processes": 3}
    assert sentences((0, three), (1, three)) == ["only 2 of 3 processes came to there within 3 s"] * 2
    assert sentences((1, three)) == ["process 0 did not come to there within 3 s"]


def test_the_place_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(LostError, match="process 0 cannot be reached at 127"):
        meet(f"127.0.0.1:{other.getsockname()[1]}", 0, {"processes": 2})


def test_strangers_are_not_counted() -> None:
    """Something else that connects and says what it likes."""
    coordinator = f"127.0.0.1:{free_port()}"
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(meet, coordinator, 0, {"processes": 2})
        host, port = coordinator.split(":")
        for said in (b"GET / HTTP/1.1\r\n", b"7\n", b"[1]\n", b'["a", {}]\n', b""):
            while not first.done():
                try:
                    stranger = socket.create_connection((host, int(port)))
                    break
                except OSError:
                    continue
            with stranger:
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
                assert stranger.recv(1) == b""
        meet(coordinator, 1, {"processes": 2})
        first.result()
