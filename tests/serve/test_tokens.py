"""Tokens, and what no log and no metric may hold."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import OWN, routes
from clusters import new_folder
from fastapi import FastAPI
from starlette.testclient import TestClient

from shelfaware.errors import DataError
from shelfaware.serve import tokens
from shelfaware.serve.app import create_app
from shelfaware.serve.settings import Settings


@pytest.fixture(scope="module")
def locked(model_folder: Path) -> Iterator[tuple[FastAPI, str]]:
    """A service that needs a token, and a token."""
    folder = new_folder()
    token = tokens.make_token(folder / "tokens")
    yield create_app(Settings(str(model_folder), f"sqlite:///{folder}/a.db", token_file=str(folder / "tokens"))), token
    shutil.rmtree(folder)


def test_nothing_without_a_token(locked: tuple[FastAPI, str]) -> None:
    app, token = locked
    client = TestClient(app, "http://127.0.0.1", headers=OWN, follow_redirects=False)
    open_paths = {"/healthz", "/readyz", "/enter", "/static/style.css"}
    for method, path in routes(app):
        if path not in open_paths:
            assert client.request(method, path).status_code == 401, (method, path)
    asked = client.get("/", headers={"Accept": "text/html"})
    assert (asked.status_code, asked.headers["location"]) == (303, "/enter")
    for wrong in (token[:-1], token + "x", token.swapcase(), "", " " + token, f"{token},{token}", "\xe9"):
        assert client.get("/v1/model", headers={"Authorization": f"Bearer {wrong}".encode("latin-1")}).status_code == 401
        assert client.get("/v1/model", headers={"Cookie": f"token={wrong}".encode("latin-1")}).status_code == 401
    assert client.get("/v1/model", headers={"Authorization": f"Basic {token}"}).status_code == 401
    assert client.get("/v1/model", headers={"Cookie": f"nottoken={token}"}).status_code == 401
    assert client.get(f"/v1/model?token={token}").status_code == 401


def test_a_token_opens_as_bearer_and_as_cookie(locked: tuple[FastAPI, str]) -> None:
    app, token = locked
    client = TestClient(app, "http://127.0.0.1")
    assert client.get("/v1/model", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.get("/v1/model", headers={"Cookie": f"a=b; token={token}; c=d"}).status_code == 200
    assert client.post("/v1/profiles", headers={"Authorization": f"Bearer {token}"}).status_code == 201
    assert client.post("/v1/profiles", headers={"Cookie": f"token={token}"}).status_code == 403


def test_a_token_is_256_bits_kept_as_a_hash_and_compared_in_constant_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "tokens"
    made = [tokens.make_token(path) for _ in range(3)]
    assert len(set(made)) == 3
    assert all(len(token) == 43 for token in made)
    assert made[-1] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    compared: list[str] = []
    monkeypatch.setattr(tokens.hmac, "compare_digest", lambda a, b: compared.append(b) or a == b)
    path.write_text("0" * 64 + "\n" + path.read_text() + "f" * 64 + "\n")
    read = tokens.read_tokens(path)
    assert read.holds(made[-1])
    assert compared == list(read.hashes)
    for bad in ("", "x\n", made[-1]):
        path.write_text(bad)
        with pytest.raises(DataError, match="is no file of tokens"):
            tokens.read_tokens(path)


SECRETS = ("Unlikely Titlewort", "Authorina Privata", "grephere", "idem-key-77")


def test_logs_and_metrics_hold_no_title_no_id_no_query_no_token(
    locked: tuple[FastAPI, str], caplog: pytest.LogCaptureFixture
) -> None:
    app, token = locked
    caplog.set_level(logging.DEBUG)
    held = {"Authorization": f"Bearer {token}", "Idempotency-Key": SECRETS[3]}
    with TestClient(app, "http://127.0.0.1", headers=held, raise_server_exceptions=False) as client:
        profile = client.post("/v1/profiles").json()["profile"]
        me, raw = f"/v1/profiles/{profile}", f"title,author,rating\n{SECRETS[0]},{SECRETS[1]},4\n".encode()
        assert client.post(f"{me}/library", files={"file": (SECRETS[0], raw)}).status_code == 201
        for path in (
            "/recommendations",
            "/library",
            "/export",
            "/books/grephere",
            "/taste?grephere=1",
            "/recommendations?n=grephere",
        ):
            client.get(me + path)
        client.get("/v1/books", params={"query": "grephere"})
        client.put(f"{me}/books/1", json={"stars": 4, "grephere": 1})
        client.put(f"{me}/books/1", json={"stars": 4})
        client.get(f"/grephere/{profile}")
        metrics = client.get("/metrics").text
        client.delete(me)
    assert 'route="/v1/profiles/{profile}/books/{book_id}"' in metrics
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]  # that one is the asker's
    records = [*map(caplog.handler.format, ours), metrics]
    for secret in (*SECRETS, token, profile):
        assert not [record for record in records if secret in record]
