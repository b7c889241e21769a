"""Whatever goes wrong is told in one sentence: as RFC 9457 problem JSON, or on a page where a browser asked."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from shelfaware.errors import ShelfawareError, StorageError, UnknownIdError, UnknownProfileError

PROBLEM = "application/problem+json"
STATUS: dict[type[ShelfawareError], int] = {UnknownProfileError: 404, UnknownIdError: 404, StorageError: 503}
"""By kind of error; any other is the asker's: 422."""


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document; its type is `about:blank`, so the status says what kind it is."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, PROBLEM)


def status_of(error: ShelfawareError) -> int:
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)


def install(app: FastAPI) -> None:
    """Makes the app answer every error so."""

    @app.exception_handler(ShelfawareError)
    async def ours(_request: Request, error: ShelfawareError) -> Response:
        status = status_of(error)
        return problem(status, str(error), {"Retry-After": "1"} if status == 503 else None)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return problem(422, "; ".join(_sentence(one) for one in error.errors()[:3]))

    @app.exception_handler(HTTPException)
    async def plain(_request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), dict(error.headers) if error.headers else None)

    @app.exception_handler(Exception)
    async def unforeseen(_request: Request, _error: Exception) -> Response:
        return problem(500, "something went wrong here; your books are as they were")


def _sentence(error: dict[str, Any] | Any) -> str:
    where = " ".join(str(part) for part in error["loc"] if part not in ("body", "query", "path"))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (400, 403, 404, 413, 422, 429, 503)
}
"""For the OpenAPI document: every route can answer so."""
