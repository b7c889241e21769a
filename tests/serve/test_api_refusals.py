"""What makes no sense is refused in a sentence: ids, stars, bodies, headers and queries that break other services."""

from __future__ import annotations

from typing import Any

import pytest
from answers import ok, problem, shelf
from starlette.testclient import TestClient

BAD_PROFILES = ("0" * 32, "0" * 31, "A" * 32, "%00", "..%2f..", "9" * 5000, "%ed%a0%80", "\u0660" * 32, "' OR 1=1 --")


@pytest.mark.parametrize("profile", BAD_PROFILES, ids=lambda text: text[:12])
def test_no_such_profile(client: TestClient, profile: str) -> None:
    answer = client.get(f"/v1/profiles/{profile}/recommendations")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


BAD_BOOKS = (
    "9007199254740992",
    "9223372036854775808",
    "-1",
    "1e3",
    "1_0",
    "9" * 5000,
    "%00",
    "%ed%a0%80",
    "\u0661",
    "+1",
    "01",
    "1.0",
)


@pytest.mark.parametrize("book_id", BAD_BOOKS, ids=lambda text: text[:12])
def test_no_such_book(client: TestClient, me: str, book_id: str) -> None:
    assert "no book has the id" in problem(client.get(f"/v1/books/{book_id}"), 404)
    assert "no book has the id" in problem(client.get(f"{me}/books/{book_id}"), 404)
    kept = client.put(f"{me}/books/{book_id}", json={"stars": 3})
    assert problem(kept, 422 if book_id == "%00" or len(book_id) > 200 else 404)
    assert shelf(client, me) == {}


BAD_STARS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e308",
    "1e999",
    "0",
    "5.01",
    "-1",
    '"five"',
    "[5]",
    "true1",
    "9" * 5000,
    '"\\ud800"',
)


@pytest.mark.parametrize("stars", BAD_STARS, ids=lambda text: text[:12])
def test_no_such_stars(client: TestClient, ids: list[str], me: str, stars: str) -> None:
    def send(method: str, path: str, body: str) -> Any:
        return client.request(method, path, content=body, headers={"Content-Type": "application/json"})

    kept = send("PUT", f"{me}/books/{ids[0]}", f'{{"stars": {stars}}}')
    posted = send("POST", "/v1/recommendations", f'{{"ratings": [{{"book_id": "{ids[0]}", "stars": {stars}}}]}}')
    for answer in (kept, posted):
        assert answer.status_code in (400, 422)
        assert problem(answer, answer.status_code)
    assert shelf(client, me) == {}


BAD_BODIES = {
    "none": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "an unknown name": b'{"rating": 5}',
    "a lone surrogate as a name": b'{"\\ud800": 5}',
    "NUL as a name": b'{"\\u0000": 5}',
    "a lone surrogate as a value": b'{"state": "\\udfff"}',
    "a long name": b'{"' + b"x" * 100_000 + b'": 1}',
    "no UTF-8": b'{"state": "\xff"}',
    "deep": b"[" * 100_000,
    "a huge number": b'{"stars": ' + b"1" * 100_000 + b"}",
}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_body_that_makes_no_sense(client: TestClient, ids: list[str], me: str, what: str) -> None:
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": content_type}
        answer = client.put(f"{me}/books/{ids[0]}", content=BAD_BODIES[what], headers=headers)
        assert answer.status_code in (400, 422)
        assert len(problem(answer, answer.status_code)) < 500
    assert shelf(client, me) == {}


def test_bad_ids_in_bodies_and_headers(client: TestClient, ids: list[str], me: str) -> None:
    assert "no text" in problem(client.post("/v1/recommendations", json={"read": ["\x00"]}), 422)
    for bad in ("9223372036854775808", "x" * 200):
        assert "no book" in problem(client.post("/v1/recommendations", json={"read": [bad]}), 404)
    for bad in ("", "x" * 201, 5, None):
        problem(client.post("/v1/recommendations", json={"read": [bad]}), 422)
    two = [{"book_id": ids[0], "stars": 3}, {"book_id": ids[0], "stars": 4}]
    assert "two different ratings" in problem(client.post("/v1/recommendations", json={"ratings": two}), 422)
    for key in ("", "x" * 201):
        problem(client.post(f"{me}/undo", headers={"Idempotency-Key": key}), 422)


BAD_QUERIES = (
    "n=0",
    "n=101",
    "n=1e9",
    "n=9223372036854775808",
    "adventure=nan",
    "adventure=4",
    "question=all",
    "max_pages=0",
    "x=1",
)


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_question_that_makes_no_sense(client: TestClient, me: str, query: str) -> None:
    problem(client.get(f"{me}/recommendations?{query}"), 422)


def test_other_queries_out_of_bounds(client: TestClient, me: str) -> None:
    paths = ("/v1/books?after=-1", "/v1/books?limit=101", "/v1/books?after=2147483648", f"{me}?limit=501")
    paths = (*paths, f"{me}/questions?n=21", f"{me}/library?after=9223372036854775808", f"/v1/books?query={'x' * 201}")
    for path in paths:
        problem(client.get(path), 422)
    for line in ("0", "-1", "2147483648", "x", "9" * 5000):
        problem(client.post(f"{me}/library/{line}", json={"book_id": "1"}), 422)
    assert ok(client.get(f"{me}/library?outcome=%ed%a0%80"))["rows"] == []
    problem(client.get(f"{me}/library?outcome=%00"), 422)


def test_a_list_of_the_largest_size_is_answered_soon(client: TestClient, ids: list[str]) -> None:
    """150,000 ids were looked up one by one once, which took minutes."""
    many = [ids[i % len(ids)] for i in range(50_000)]
    ratings = [{"book_id": book_id, "stars": 3} for book_id in many[:40_000]]
    found = client.post("/v1/recommendations", json={"ratings": ratings, "read": many, "to_read": many})
    assert ok(found)["recommendations"] == []
    assert found.elapsed.total_seconds() < 20
