"""What the tests of the service ask and how they look at what comes back."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

OWN = {"Sec-Fetch-Site": "none"}
"""What a program says that is no page of another site."""


def ok(answer: Any) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def problem(answer: Any, status: int) -> str:
    """The sentence of a problem, once everything that RFC 9457 asks for is there."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert set(told) == {"type", "title", "status", "detail"}
    assert told["status"] == status
    sentence: str = told["detail"]
    return sentence


def shelf(client: TestClient, me: str) -> dict[str, tuple[float | None, str]]:
    return {one["book_id"]: (one["stars"], one["state"]) for one in ok(client.get(me))["books"]}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path of the app, its parameters filled in."""
    found = []
    for route in iter_route_contexts(app.routes):
        path = (route.path or "").replace("{book_id:path}", "1").replace("{", "").replace("}", "")
        found += [(method, path) for method in route.methods or ()]
    return [*found, ("GET", "/static/style.css"), ("GET", "/no/such/route"), ("OPTIONS", "/"), ("TRACE", "/")]
