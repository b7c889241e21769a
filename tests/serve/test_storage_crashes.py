"""Killed at random moments, the writer or the server: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from clusters import Cluster

from shelfaware.errors import StorageError
from shelfaware.serve.storage import Entry, Store, open_store

WRITER = Path(__file__).with_name("storage_writer.py")


def write_until(url: str, profile: str, moment: float, kill: Callable[[subprocess.Popen[str]], None]) -> int:
    """Lets a writer run for `moment` seconds after its first acknowledgement; the last number that it acknowledged."""
    command = [sys.executable, str(WRITER), url, profile]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            writer.wait(moment)
        kill(writer)
        numbers = [line for line in [first, *writer.stdout] if line.endswith("\n")]
    return int(numbers[-1])


def check(url: str, profile: str, acknowledged: int) -> None:
    """The books agree with one another, with the version, and with the step before."""
    store = open_store(url)
    shelf = store.shelf(profile)
    assert shelf.version in (acknowledged, acknowledged + 1)
    assert shelf.entries == tuple(Entry(book, float(shelf.version)) for book in "abc")
    store.put(profile, [Entry(book, float(acknowledged)) for book in "abc"], request_id=f"put {acknowledged}")
    assert store.shelf(profile) == shelf
    store.close()


def undone(store: Store, profile: str) -> list[float | None]:
    store.undo(profile, request_id="back")
    return [entry.stars for entry in store.shelf(profile).entries]


def survive(url: str, times: int, kill: Callable[[subprocess.Popen[str]], None]) -> None:
    rng, store = random.Random(5), open_store(url)
    profile = store.create_profile()
    for _ in range(times):
        acknowledged = write_until(url, profile, rng.uniform(0.0, 0.1), kill)
        check(url, profile, acknowledged)
    before = store.version(profile) - 1
    assert undone(store, profile) == ([float(before)] * 3 if before else [])
    store.close()


def test_a_killed_writer_loses_nothing(url: str) -> None:
    survive(url, 5, subprocess.Popen.kill)


@pytest.mark.slow
def test_a_writer_killed_at_50_moments_loses_nothing(url: str) -> None:
    survive(url, 50, subprocess.Popen.kill)


def killed_server(cluster: Cluster) -> Callable[[subprocess.Popen[str]], None]:
    """The server goes first; the writer sees it and stops by itself."""

    def kill(writer: subprocess.Popen[str]) -> None:
        cluster.kill()
        writer.wait(30)
        cluster.start()

    return kill


def test_a_killed_postgresql_loses_nothing(cluster: Cluster) -> None:
    survive(cluster.new_database(), 2, killed_server(cluster))


@pytest.mark.slow
def test_a_postgresql_killed_at_50_moments_loses_nothing(cluster: Cluster) -> None:
    survive(cluster.new_database(), 50, killed_server(cluster))


def test_a_server_that_is_away_is_said_and_found_again(cluster: Cluster) -> None:
    store = open_store(cluster.new_database())
    profile = store.create_profile()
    cluster.kill()
    try:
        assert not store.ready()
        with pytest.raises(StorageError, match="does not answer; see that it runs"):
            store.shelf(profile)
        with pytest.raises(StorageError, match="does not answer"):
            open_store(cluster.url("postgres"))
    finally:
        cluster.start()
    assert store.ready()
    assert store.version(profile) == 0
    store.close()


OPENER = """
import sys
from shelfaware.serve.storage import open_store
sys.stdout.write("there\\n")
sys.stdout.flush()
sys.stdin.readline()
open_store(sys.argv[1]).create_profile()
"""


def test_workers_that_start_at_once_all_find_a_schema(url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", OPENER, url]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "there\n"
    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(lambda worker: worker.communicate("now\n", timeout=60), workers))
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    store = open_store(url)
    assert store.ready()
    assert store.expire(date(9999, 1, 1)) == 3
    store.close()
