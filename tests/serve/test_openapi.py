"""The OpenAPI document held against the service by requests made from it: every check of schemathesis, no failure."""

from __future__ import annotations

import gc
import re
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from shelfaware.serve.storage.records import Limit

pytestmark = pytest.mark.filterwarnings("ignore:.*MemoryObject:pytest.PytestUnraisableExceptionWarning")
"""The client of schemathesis leaves its streams to the garbage collector."""

MEANT = re.compile(
    "this catalogue does not know the|stars are not on the scale|two different ratings|takes a rated book"
    "|holds a character that is no text|waits for its book|lists no books|your file|nobody else rated|has 1 to 200 characters"
)
"""What a document cannot say, since it depends on the model, on the shelf, or on what is in a file."""

OWN = {"Sec-Fetch-Site": "none", "Host": "127.0.0.1"}


@pytest.fixture
def document(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of the living app. Rates are no matter of it: so many requests of one address would all end there."""
    allowed = app.state.desk.store.allow
    monkeypatch.setattr(app.state.desk.store, "allow", lambda key, limit, now: allowed(key, Limit(10**6, 60), now))

    async def alive(scope: Any, receive: Any, send: Any) -> None:
        """The app lives already; whoever asks is told so, and does not end its life."""
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        while True:
            told = (await receive())["type"]
            await send({"type": f"{told}.complete"})
            if told == "lifespan.shutdown":
                return

    return schemathesis.openapi.from_asgi("/v1/openapi.json", alive, headers=OWN)


def is_accepted(context: Any, response: Any, case: Any) -> None:
    """Good data is accepted, unless for a reason that is MEANT."""
    if not (response.status_code == 422 and MEANT.search(response.json()["detail"])):
        positive_data_acceptance(context, response, case)


def check(document: Any, app: FastAPI, examples: int) -> int:
    """Every operation by itself, with good requests and bad ones, on nobody's profile and on one that is there."""
    client = TestClient(app, "http://127.0.0.1", headers=OWN)
    chosen = settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
    )
    me = client.post("/v1/profiles").json()["profile"]
    client.put(f"/v1/profiles/{me}/books/3", json={"stars": 4})
    operations = [result.ok() for result in document.get_all_operations()]
    for operation in operations:

        @chosen
        @given(case=operation.as_strategy(), known=st.booleans(), book=st.integers(1, 20))
        def one(case: Any, known: bool, book: int) -> None:
            if known and "profile" in case.path_parameters and case.operation.label != "DELETE /v1/profiles/{profile}":
                case.path_parameters |= {"profile": me} | ({"book_id": str(book)} if "book_id" in case.path_parameters else {})
            case.call_and_validate(headers=OWN, excluded_checks=[positive_data_acceptance], additional_checks=[is_accepted])

        one()
        gc.collect()
    return len(operations)


def test_the_document_is_kept(document: Any, app: FastAPI) -> None:
    assert check(document, app, examples=25) == len(document) == 20


@pytest.mark.slow
def test_the_document_is_kept_for_long(document: Any, app: FastAPI) -> None:
    check(document, app, examples=200)
