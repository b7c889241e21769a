"""Another model is written in place of the served one while people ask: they notice by the version alone."""

from __future__ import annotations

import asyncio
import copy
import gc
import itertools
import json
import shutil
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from answers import OWN
from clusters import new_folder
from fastapi import FastAPI
from starlette.testclient import TestClient

import shelfaware
from shelfaware.models.base import RatingModel
from shelfaware.models.folder import load_model
from shelfaware.serve.app import create_app
from shelfaware.serve.desk import Desk
from shelfaware.serve.settings import Settings

SWAPS = 10
RATED: dict[Any, float] = {1: 5.0, 4: 2.0, 9: 4.0}


@pytest.fixture
def served(model_folder: Path) -> Any:
    """A folder of our own with a model in it, and the app that serves from it; it is told when to look."""
    folder = new_folder()
    shutil.copytree(model_folder, folder / "model")
    app = create_app(Settings(str(folder / "model"), f"sqlite:///{folder}/a.db"))
    yield folder / "model", app
    shutil.rmtree(folder)


def variant(model: RatingModel, number: int) -> RatingModel:
    """Another model, of other arrays, whose answers differ."""
    other = copy.copy(model)
    other.written_version = ""
    name = "noise"
    other.arrays = {**model.arrays, name: model.arrays[name] * (1 + number / 10)}
    return other


def wanted(model: RatingModel) -> list[Any]:
    found: list[Any] = json.loads(json.dumps(shelfaware.recommend(model, RATED, 3).to_json()))
    return found


def test_ten_models_under_eight_askers(served: tuple[Path, FastAPI]) -> None:
    folder, app = served
    first = load_model(folder)
    assert isinstance(first, RatingModel)
    models = [first, *(variant(first, number) for number in range(1, SWAPS + 1))]
    answers = {model.version: wanted(model) for model in models}
    assert len(answers) == SWAPS + 1
    assert len({json.dumps(one) for one in answers.values()}) == SWAPS + 1
    desk: Desk = app.state.desk
    client = TestClient(app, "http://127.0.0.1", headers=OWN)
    me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"
    for book_id, stars in RATED.items():
        client.put(f"{me}/books/{book_id}", json={"stars": stars})
    told: list[tuple[int, Any]] = []
    done = threading.Event()
    asking = threading.Thread(target=lambda: asyncio.run(ask(app, me, done, told)))
    asking.start()
    try:
        for model in models[1:]:
            model.save(folder)
            assert desk.refresh()
            seen = len(told)
            while len(told) < seen + 8:
                assert asking.is_alive()
    finally:
        done.set()
        asking.join()
    assert {status for status, _ in told} == {200}
    for _, answer in told:
        assert answer["recommendations"] == answers[answer["model_version"]]
    assert len({answer["model_version"] for _, answer in told}) >= SWAPS


async def ask(app: FastAPI, me: str, done: threading.Event, told: list[tuple[int, Any]]) -> None:
    """Eight at once, in the one event loop that a worker has."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)

    async def one(client: httpx2.AsyncClient, turn: int) -> None:
        while not done.is_set():
            answer = await client.get(f"{me}/recommendations", params={"n": 3, "per_author": 3 + turn % 2})
            told.append((answer.status_code, answer.json()))

    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=OWN) as client:
        await asyncio.gather(*(one(client, turn) for turn in range(8)))


def test_a_damaged_folder_is_passed_over(served: tuple[Path, FastAPI]) -> None:
    folder, app = served
    desk: Desk = app.state.desk
    client = TestClient(app, "http://127.0.0.1", headers=OWN)
    before, arrays = client.get("/v1/model").json(), folder / "arrays.safetensors"
    whole = arrays.read_bytes()
    for damage in (whole[:-1], whole[:1000] + b"\xff" + whole[1001:], b""):
        arrays.write_bytes(damage)
        assert not desk.refresh()
        assert client.get("/v1/model").json() == before
        assert client.post("/v1/recommendations", json={}).json()["model_version"] == before["version"]
    (folder / "config.json").unlink()
    assert not desk.refresh()
    shutil.rmtree(folder)
    assert not desk.refresh()
    assert client.get("/v1/model").json() == before


def test_files_are_read_while_the_folder_is_damaged(served: tuple[Path, FastAPI]) -> None:
    folder, app = served
    (folder / "arrays.safetensors").write_bytes(b"")
    with TestClient(app, "http://127.0.0.1", headers=OWN) as client:
        me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"
        answer = client.post(f"{me}/library", files={"file": ("a.csv", b"book_id,title,rating\n1,,5\n")})
    assert (answer.status_code, answer.json()["known"]) == (201, 1)


def test_a_folder_that_is_copied_file_by_file_is_taken_up_once_whole(served: tuple[Path, FastAPI]) -> None:
    folder, app = served
    desk: Desk = app.state.desk
    first = load_model(folder)
    assert isinstance(first, RatingModel)
    other = variant(first, 3)
    other.save(folder.with_name("other"))
    files = sorted(folder.with_name("other").iterdir(), reverse=True)
    versions = []
    for file in files:
        shutil.copy(file, folder)
        desk.refresh()
        versions.append(desk.engine.current.version)
    assert versions == [first.version] * (len(files) - 1) + [other.version]
    assert not desk.refresh()


def test_two_half_models_are_never_read_as_one(served: tuple[Path, FastAPI], monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is replaced after the model was read and before its figures are."""
    from shelfaware.serve import engine

    folder, app = served
    desk: Desk = app.state.desk
    first = load_model(folder)
    assert isinstance(first, RatingModel)
    second, third = variant(first, 1), variant(first, 2)
    second.save(folder)
    honest, times = engine.read_metrics, itertools.count()

    def replaced(path: Path) -> Any:
        if next(times) == 0:
            third.save(folder)
        return honest(path)

    monkeypatch.setattr(engine, "read_metrics", replaced)
    assert not desk.refresh()
    assert desk.engine.current.version == first.version
    assert desk.refresh()
    assert desk.engine.current.version == third.version


def test_a_former_model_is_let_go(served: tuple[Path, FastAPI]) -> None:
    folder, app = served
    desk: Desk = app.state.desk
    client = TestClient(app, "http://127.0.0.1", headers=OWN)
    me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"
    client.get(f"{me}/recommendations")
    former = weakref.ref(desk.engine.current.model)
    first = load_model(folder)
    assert isinstance(first, RatingModel)
    variant(first, 1).save(folder)
    assert desk.refresh()
    desk.accountant.follow(desk.engine.current).stop()
    desk.accountant.close()
    gc.collect()
    assert former() is None


def test_suggestions_of_a_former_model_name_books_that_are_still_there(
    new_client: Callable[[], TestClient], app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading process may still hold other books than the model that answers: books go by id between the two."""

    async def former(names: list[tuple[str, str]]) -> list[list[str]]:
        return [["not any more", "7"] for _ in names]

    desk: Desk = app.state.desk
    client = new_client()
    me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"
    client.post(f"{me}/library", files={"file": ("a.csv", b"title,rating\nZzzz Qqqq,5\n")})
    monkeypatch.setattr(desk.accountant, "suggest", former)
    (row,) = client.get(f"{me}/library").json()["rows"]
    assert [one["book_id"] for one in row["suggestions"]] == [7]
