"""Whatever goes wrong is told in one sentence: as RFC 9457 problem JSON, or on a page where a browser asked."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shelfaware.errors import BusyError, ShelfawareError, StorageError, UnknownIdError, UnknownProfileError
from shelfaware.serve.looks import error_page, wants_page

PROBLEM = "application/problem+json"
STATUS: dict[type[ShelfawareError], int] = {UnknownProfileError: 404, UnknownIdError: 404, StorageError: 503, BusyError: 503}
"""By kind of error; any other is the asker's: 422."""

log = logging.getLogger("shelfaware")


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem document; its type is `about:blank`, so the status says what kind it is."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(json.dumps(content), status, headers, PROBLEM)


def answered(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A page where a browser asked for one, else a problem document."""
    if not wants_page(request):
        return problem(status, detail, headers)
    return error_page(request, status, detail, headers)


def status_of(error: ShelfawareError) -> int:
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)


def install(app: FastAPI) -> None:
    """Makes the app answer every error so."""

    @app.exception_handler(ShelfawareError)
    async def ours(request: Request, error: ShelfawareError) -> Response:
        status, sentence = status_of(error), str(error)
        if isinstance(error, StorageError):  # it names the place of the database, which is the operator's to know
            log.warning(sentence)
            sentence = "what is kept here cannot be reached now; try again in a moment"
        return answered(request, status, sentence, {"Retry-After": "1"} if status == 503 else None)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answered(request, 422, "; ".join(_sentence(one) for one in error.errors()[:3]))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        return answered(request, error.status_code, str(error.detail), dict(error.headers) if error.headers else None)


def _sentence(error: dict[str, Any] | Any) -> str:
    where = " ".join(str(part)[:40] for part in error["loc"] if part not in ("body", "query", "path"))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (400, 401, 403, 404, 413, 422, 429, 503)
}
"""For the OpenAPI document: every route can answer so."""
