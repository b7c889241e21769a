"""The whole service is killed at random moments while people rate: every change that was acknowledged is there afterwards."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import httpx2
import pytest
from services import Service

WRITERS = 3


class Writer(threading.Thread):
    """Rates books one after another, each with a number that grows, and keeps what was acknowledged."""

    def __init__(self, service: Service, profile: str, start: int) -> None:
        super().__init__()
        self.service, self.me, self.number = service, f"/v1/profiles/{profile}", start
        self.acknowledged: dict[str, float] = {}
        self.sent: dict[str, float] = {}

    def run(self) -> None:
        with self.service.client() as client:
            while True:
                book, stars = str(1 + self.number % 5), 1 + self.number % 4000 / 1000
                self.sent[book] = stars
                try:
                    answer = client.put(f"{self.me}/books/{book}", json={"stars": stars})
                except httpx2.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                self.acknowledged[book] = stars
                self.number += 1


def survive(model: Path, url: str, times: int) -> None:
    """A book holds what was acknowledged last, or what was sent after that and whose answer was lost."""
    rng = random.Random(7)
    with Service(model, url) as service:
        with service.client() as client:
            profiles = [client.post("/v1/profiles").json()["profile"] for _ in range(WRITERS)]
        known: list[dict[str, float]] = [{} for _ in profiles]
        number = 0
        for _ in range(times):
            writers = [Writer(service, profile, number) for profile in profiles]
            for writer in writers:
                writer.start()
            while not all(writer.acknowledged for writer in writers):
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.2))
            service.kill()
            for writer in writers:
                writer.join()
            number = max(writer.number for writer in writers) + 1
            service.start()
            known = [was | writer.acknowledged for was, writer in zip(known, writers, strict=True)]
            for i, writer in enumerate(writers):
                known[i] = check(service, writer, known[i])


def check(service: Service, writer: Writer, known: dict[str, float]) -> dict[str, float]:
    """What is there."""
    with service.client() as client:
        shelf = {one["book_id"]: one["stars"] for one in client.get(writer.me).json()["books"]}
    for book, stars in known.items():
        assert shelf[book] in (stars, writer.sent.get(book)), (book, shelf[book], stars)
    assert set(shelf) <= set(known) | set(writer.sent)
    return shelf


def test_a_killed_service_loses_nothing(model_folder: Path, url: str) -> None:
    survive(model_folder, url, 3 if url.startswith("sqlite") else 2)


@pytest.mark.slow
def test_a_service_killed_at_50_moments_loses_nothing(model_folder: Path, url: str) -> None:
    survive(model_folder, url, 50)
