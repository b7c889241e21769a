"""What stands before every route: hosts, forged requests, sizes, tokens, rates, and what no log and no metric may hold."""

from __future__ import annotations

import asyncio
import io
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from answers import OWN, problem, routes
from fastapi import FastAPI
from starlette.testclient import TestClient

from shelfaware.errors import DataError
from shelfaware.serve import accounts
from shelfaware.serve.app import create_app
from shelfaware.serve.limits import UPLOADS, WRITES
from shelfaware.serve.safety import FOREIGN as FOREIGN_HOST
from shelfaware.serve.settings import MAX_BODY, Settings

OURS = ("127.0.0.1", "localhost", "[::1]", "127.0.0.1:8000", "LocalHost:65535", "[::1]:8000")
FOREIGN = (
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "evil.example.127.0.0.1",
    "localhost.evil.example",
    "xlocalhost",
    "127.0.0.2",
    "127.0.0.10",
    "127.1",
    "2130706433",
    "0.0.0.0",
    "[::]",
    "::1",
    "[::1].evil.example",
    "localhost.",
    "localhost@evil.example",
    "evil.example#localhost",
    "localhost, evil.example",
    "*",
    "",
)

HEADERS = {
    "content-security-policy": "default-src 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def test_every_route_is_looked_at(app: FastAPI) -> None:
    found = routes(app)
    assert {("GET", "/healthz"), ("GET", "/metrics"), ("GET", "/readyz"), ("POST", "/v1/profiles")} <= set(found)
    assert ("GET", "/v1/openapi.json") in found
    assert len(found) > 25


def test_a_foreign_host_answers_400_on_every_route(app: FastAPI, client: TestClient) -> None:
    assert len(FOREIGN) == 20
    for (method, path), host in product(routes(app), FOREIGN):
        answer = client.request(method, path, headers={"Host": host})
        assert answer.status_code == 400, (method, path, host)
        assert method == "HEAD" or problem(answer, 400) == FOREIGN_HOST
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_a_browser_at_a_foreign_host_is_told_the_same_on_a_page(app: FastAPI, client: TestClient) -> None:
    for method, path in (one for one in routes(app) if one[0] != "HEAD"):
        answer = client.request(method, path, headers={"Host": "evil.example", "Accept": "text/html"})
        if path.startswith("/v1/"):
            assert problem(answer, 400) == FOREIGN_HOST
            continue
        assert answer.status_code == 400, (method, path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert FOREIGN_HOST[1:] in answer.text
        assert "evil.example" not in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", OURS)
def test_this_machine_s_own_names_pass(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_name_that_was_given_passes_and_only_that(model_folder: Path, folder: Path) -> None:
    settings = Settings(str(model_folder), f"sqlite:///{folder}/a.db", "127.0.0.2", names=("books.example.org",))
    client = TestClient(create_app(settings))
    for host, status in (
        ("books.example.org", 200),
        ("127.0.0.2:8000", 200),
        ("example.org", 400),
        ("a.books.example.org", 400),
    ):
        assert client.get("/healthz", headers={"Host": host}).status_code == status


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
SITES = (None, "same-origin", "none", "same-site", "cross-site")
ORIGINS = (None, "http://127.0.0.1:8000", "http://evil.example", "null")
AUTHORIZATIONS = (None, "Bearer abc")


def may(method: str, site: str | None, origin: str | None, authorization: str | None) -> bool:
    """The rule as it is promised: unsafe methods need Sec-Fetch-Site same-origin or none, or a matching Origin, or a token.

    What a browser says outright, that another site asks, is believed first.
    """
    if method in ("GET", "HEAD"):
        return True
    if site in ("same-site", "cross-site"):
        return False
    if site in ("same-origin", "none"):
        return True
    return origin == "http://127.0.0.1:8000" or (origin is None and authorization is not None)


CELLS = list(product(METHODS, SITES, ORIGINS, AUTHORIZATIONS))


def test_200_cells_of_forged_and_honest_requests(app: FastAPI) -> None:
    client, wrong = TestClient(app, "http://127.0.0.1:8000"), []
    assert len(CELLS) == 200
    for method, *given in CELLS:
        names = ("Sec-Fetch-Site", "Origin", "Authorization")
        headers = {name: value for name, value in zip(names, given, strict=True) if value is not None}
        status = client.request(method, f"/v1/profiles/{'0' * 32}", headers=headers).status_code
        if (status != 403) != may(method, *given):
            wrong.append((method, *given, status))
    assert not wrong


@pytest.mark.parametrize(
    "origin",
    [
        "http://[::1",
        "http://127.0.0.1:8000@evil.example",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1",
        "127.0.0.1:8000",
        "",
    ],
)
def test_an_origin_that_only_looks_like_ours(app: FastAPI, origin: str) -> None:
    client = TestClient(app, "http://127.0.0.1:8000")
    assert client.post("/v1/profiles", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "BREW"])
def test_no_method_slips_by(app: FastAPI, method: str) -> None:
    assert TestClient(app, "http://127.0.0.1").request(method, "/v1/profiles").status_code in (403, 405)


def test_no_other_site_is_let_read(client: TestClient) -> None:
    answer = client.options("/v1/profiles", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_headers_stand_on_every_answer(app: FastAPI, client: TestClient) -> None:
    answers = [client.request(method, path) for method, path in routes(app)]
    answers.append(client.get("/healthz", headers={"Host": "evil.example"}))
    answers.append(TestClient(app, "http://127.0.0.1").post("/v1/profiles"))
    answers.append(client.put("/v1/profiles", content=b"x" * (MAX_BODY + 2**17)))
    assert {answer.status_code for answer in answers} >= {200, 400, 403, 404, 405, 413, 422}
    for answer in answers:
        for name, value in HEADERS.items():
            assert value in answer.headers[name]
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "cache-control" in answer.headers
        assert "server" not in answer.headers


def test_what_nobody_foresaw_is_a_500_with_headers_and_no_secret(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Lady Chatterley's Lover")

    monkeypatch.setattr(app.state.desk.store, "create_profile", broken)
    answer = client.post("/v1/profiles")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Chatterley" not in answer.text + caplog.text
    assert "unforeseen RuntimeError at test_safety.py" in caplog.text


async def send(app: FastAPI, path: str, chunks: list[bytes], headers: dict[str, str]) -> tuple[int, int]:
    """The status, and how many of the chunks were asked for."""
    told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": told, "query_string": b"", "http_version": "1.1"}
    scope |= {
        "client": ("10.1.1.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "root_path": "",
        "raw_path": path.encode(),
    }
    asked, statuses = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return {"type": "http.request", "body": chunks[asked - 1], "more_body": asked < len(chunks)}

    async def take(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, take)
    (status,) = statuses
    return status, asked


FORM = {"Host": "127.0.0.1", "Sec-Fetch-Site": "none", "Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def test_a_body_too_long_is_refused_before_it_is_read(app: FastAPI, client: TestClient) -> None:
    path = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}/library"
    for length in (MAX_BODY + 2**17, 10**30):
        status, asked = asyncio.run(send(app, path, [b"x"], {**FORM, "Content-Length": str(length)}))
        assert (status, asked) == (413, 0)


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/json"])
def test_a_body_without_a_length_is_counted_as_it_comes(app: FastAPI, client: TestClient, kind: str) -> None:
    me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"
    path = f"{me}/library" if "multipart" in kind else "/v1/recommendations"
    chunks = [PART, *[b"x" * 2**20] * 50]
    status, asked = asyncio.run(send(app, path, chunks, {**FORM, "Content-Type": kind}))
    assert status == 413
    assert asked == 12
    status, _ = asyncio.run(send(app, path, chunks, {**FORM, "Content-Type": kind, "Content-Length": "5"}))
    assert status == 413


def test_the_largest_file_still_comes_through(app: FastAPI, client: TestClient) -> None:
    me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"
    raw = b"title,author,rating\nZzzz Qqqq,Nobody,4\n" + b"\n" * (MAX_BODY - 100)
    assert client.post(f"{me}/library", files={"file": ("list.csv", raw)}).status_code == 201


ELSEWHERE = (
    "0.0.0.0",
    "::",
    "",
    "0",
    "books.example.org",
    "192.168.1.2",
    "127.1",
    "2130706433",
    "::ffff:10.0.0.1",
    "LOCALHOST",
)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_no_address_but_the_loopback_without_a_token(host: str) -> None:
    with pytest.raises(DataError, match="needs --token-file"):
        Settings("m", "d", host, names=("a.example",))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.53"])
def test_the_loopback_needs_no_token(host: str) -> None:
    assert Settings("m", "d", host).is_local


def test_every_address_needs_a_name() -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(DataError, match="say with --name HOST"):
            Settings("m", "d", host, token_file="t")
    for name in ("*", "*.example.org", "http://example.org", "example.org:80", "", "a b"):
        with pytest.raises(DataError, match="is no host name"):
            Settings("m", "d", names=(name,))


@pytest.mark.parametrize(("limit", "what"), [(WRITES, "profiles"), (UPLOADS, "files")])
def test_a_rate_is_counted_across_workers(model_folder: Path, url: str, limit: Any, what: str) -> None:
    settings = Settings(str(model_folder), url)
    apps = [create_app(settings) for _ in range(2)]
    here = [TestClient(app, "http://127.0.0.1", headers=OWN, client=("10.9.9.9", 1)) for app in apps]
    path = "/v1/profiles" if what == "profiles" else f"/v1/profiles/{'0' * 32}/library"
    files: Any = None if what == "profiles" else {"file": ("a.csv", b"title\n")}
    answers = [here[turn % 2].post(path, files=files) for turn in range(limit.burst + 8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 1 <= len(refused) <= 8
    assert refused[-1].json()["detail"] == "that was too often; wait a moment"
    assert 1 <= int(refused[-1].headers["retry-after"]) <= 3
    other = TestClient(apps[0], "http://127.0.0.1", headers=OWN, client=("10.9.9.10", 1))
    assert other.post(path, files=files).status_code != 429
    for app in apps:
        app.state.desk.store.close()


def test_a_database_that_does_not_answer_is_a_503_that_names_no_place(
    model_folder: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(str(model_folder), f"sqlite:///{folder}/deep/a.db"))
    client = TestClient(app, "http://127.0.0.1", headers=OWN)
    assert client.get("/readyz").status_code == 200
    app.state.desk.store.close()
    (folder / "deep/a.db").write_bytes(b"no database" * 500)
    for answer in (client.post("/v1/profiles"), client.get("/readyz")):
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert str(folder) not in answer.text
    assert "is no SQLite database" in caplog.text
    assert client.get("/healthz").status_code == 200


def test_too_many_files_at_once_are_a_503(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "WAITING", 0)
    me = f"/v1/profiles/{client.post('/v1/profiles').json()['profile']}"
    answer = client.post(f"{me}/library", files={"file": ("a.csv", io.BytesIO(b"title\nDune\n"))})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "bring yours again" in answer.json()["detail"]
