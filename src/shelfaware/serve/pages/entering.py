"""The door of a service that has tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from shelfaware.serve import looks
from shelfaware.serve.limits import UPLOADS, limited

router = APIRouter()

DAYS = 30


@router.get("/enter")
def door(request: Request) -> Response:
    if request.app.state.tokens is None:
        return RedirectResponse("/", 303)
    return looks.page(request, "enter.html", problem="")


@router.post("/enter")
async def enter(request: Request, token: Annotated[str, Form(max_length=200)] = "") -> Response:
    tokens = request.app.state.tokens
    await run_in_threadpool(limited(UPLOADS), request)
    if tokens is not None and not tokens.holds(token.strip()):
        return looks.page(request, "enter.html", 401, problem="This token is not one of this service; copy it again, whole.")
    answer = RedirectResponse("/", 303)
    secure = request.url.scheme == "https"
    answer.set_cookie("token", token.strip(), DAYS * 86_400, path="/", httponly=True, samesite="strict", secure=secure)
    return answer
