"""What the service's tests share: databases (a SQLite file, or one in a PostgreSQL cluster of our own), a model, an app."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import polars as pl
import pytest
from answers import OWN
from clusters import BINARIES, Cluster, new_folder
from fastapi import FastAPI
from starlette.testclient import TestClient

from shelfaware.data.books import Books
from shelfaware.data.simulator import load_catalogue, simulate
from shelfaware.models.base import RatingModel
from shelfaware.models.folder import load_model
from shelfaware.models.gp import GP
from shelfaware.serve.app import create_app
from shelfaware.serve.desk import Desk
from shelfaware.serve.settings import Settings
from shelfaware.serve.storage import Store, open_store


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if not BINARIES:
        pytest.skip("no PostgreSQL here; apt-get install postgresql")
    server = Cluster(new_folder())
    yield server
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, folder: Path) -> Callable[[], str]:
    """Makes the address of an empty database, on each of the two in turn."""
    numbers = count()
    if request.param == "sqlite":
        return lambda: f"sqlite:///{folder}/data{next(numbers)}/shelfaware.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.new_database


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url, patience=0.2)
    yield store
    store.close()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small gp of simulated readers. Nobody may change it."""
    folder = tmp_path_factory.mktemp("models") / "model"
    GP(epochs=2, factors=4).fit(simulate(load_catalogue(), n_users=200).data).save(folder)
    return folder


@pytest.fixture(scope="session")
def app(model_folder: Path) -> Iterator[FastAPI]:
    """The service with a database of its own, alive: its reading process runs and the model folder is followed."""
    folder = new_folder()
    app = create_app(Settings(str(model_folder), f"sqlite:///{folder}/serve.db"))
    with TestClient(app, "http://127.0.0.1"):
        yield app
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_client(app: FastAPI) -> Callable[[], TestClient]:
    """Makes clients that are each at an address of their own, so that no rate limit is shared."""
    numbers = count()

    def make() -> TestClient:
        address = f"10.0.{next(numbers) // 256}.{next(numbers) % 256}"
        return TestClient(app, "http://127.0.0.1", headers=OWN, client=(address, 50_000), raise_server_exceptions=False)

    return make


@pytest.fixture
def client(new_client: Callable[[], TestClient]) -> TestClient:
    return new_client()


@pytest.fixture(scope="session")
def hostile_folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, of books whose titles, authors, genres and series are scripts."""
    payloads = pytest.importorskip("browsing", reason="playwright is not installed").PAYLOADS
    model = load_model(model_folder)
    n = len(model.catalogue)
    texts = pl.Series([payloads[i % len(payloads)] for i in range(n)])
    lists = pl.Series([[text] for text in texts])
    table = model.catalogue.table.with_columns(title=texts, authors=lists, genres=lists, series=texts, language=texts)
    model.books = Books.of(table)
    folder = tmp_path_factory.mktemp("models") / "hostile"
    model.save(folder)
    return folder


@pytest.fixture(scope="session")
def desk(app: FastAPI) -> Desk:
    found: Desk = app.state.desk
    return found


@pytest.fixture(scope="session")
def model(desk: Desk) -> RatingModel:
    return desk.engine.current.model


@pytest.fixture(scope="session")
def ids(model: RatingModel) -> list[str]:
    return [str(book_id) for book_id in model.catalogue.ids.ids]


@pytest.fixture
def me(client: TestClient) -> str:
    """The path of a new profile."""
    made = client.post("/v1/profiles")
    assert made.status_code == 201
    return f"/v1/profiles/{made.json()['profile']}"
