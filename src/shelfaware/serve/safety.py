"""What stands before every route: hosts, forged requests, sizes, tokens, and the headers of every answer."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shelfaware.serve.problems import answered, problem
from shelfaware.serve.tokens import Tokens

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
UNFORESEEN = "something went wrong here; try again, and tell whoever runs this"
FOREIGN = "this service does not go by that name; open it at the address that whoever runs it gave you"
"""The name is not repeated: somebody else chose it."""
log = logging.getLogger("shelfaware")

PASSED = "shelfaware.host"
STATIC = "/static/"
OPEN_PATHS = frozenset(
    {"/healthz", "/readyz", "/enter", *(f"{STATIC}{name}" for name in ("style.css", "icon.svg", "shelfaware.js"))}
)
"""What is answered without a token."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class HeadersOnEverything:
    """Adds HEADERS to every answer. What is static may be kept and asked for anew; nothing else may be kept."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith(STATIC) else "no-store")
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class NothingEscapes:
    """An error that nobody foresaw becomes a 500; the log names its kind and its place, and nothing that it says."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            places = [f"{Path(at.filename).name}:{at.lineno}" for at in traceback.extract_tb(error.__traceback__)]
            log.error("unforeseen %s at %s", type(error).__name__, " < ".join(reversed(places[-5:])))
            if scope["type"] == "http" and not begun:
                await answered(Request(scope), 500, UNFORESEEN)(scope, receive, send)


class KnownHost:
    """Lets pass what TrustedHostMiddleware does: requests whose Host is one of `names`. Whoever else asks is told so."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self.app = app
        self.judge = TrustedHostMiddleware(self._passed, allowed_hosts=names, www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def if_passed(message: Message) -> None:
            if PASSED in scope:
                await send(message)

        await self.judge(scope, receive, if_passed)
        if PASSED not in scope and scope["type"] == "http":
            await answered(Request(scope), 400, FOREIGN)(scope, receive, send)

    async def _passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PASSED] = True
        await self.app(scope, receive, send)


class SameOrigin:
    """A request that changes something comes from our own pages, or from a program that says it is no page.

    An unsafe method needs `Sec-Fetch-Site: same-origin` or `none`, or an Origin that is this very host, or a bearer token,
    which no foreign page can send. There is no CORS.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE or is_own(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        refusal = answered(Request(scope), 403, "this request does not come from this site's own pages, so nothing was changed")
        await refusal(scope, receive, send)


def is_own(headers: Headers) -> bool:
    """Whether the headers of an unsafe request say that no foreign page sent it."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    if origin is not None:
        return origin in (f"http://{headers.get('host')}", f"https://{headers.get('host')}")
    return headers.get("authorization", "").startswith("Bearer ")


class BodyLimit:
    """Bodies of at most `most` bytes, counted as they come, however they are sent."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isascii() and told.isdigit() and int(told[:20]) > self.most:
            await self._refuse(scope, receive, send)
            return
        taken, begun = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most:
                raise _TooLargeError
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            if taken <= self.most or begun:
                begun = True
                await send(message)

        try:
            await self.app(scope, counted, watched)
        except Exception:
            if taken <= self.most:
                raise
        if taken > self.most and not begun:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        sentence = f"more than {self.most / 2**20:.0f} MiB cannot be taken; export fewer columns or rows"
        await answered(Request(scope), 413, sentence)(scope, receive, send)


class _TooLargeError(Exception):
    """Ends the reading of a body; what the app makes of it is not sent."""


class TokenNeeded:
    """With tokens, every route but OPEN_PATHS needs one: as a bearer token, or in the cookie that `/enter` sets."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self.app, self.tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._may(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        await _enter_first(scope)(scope, receive, send)

    def _may(self, headers: Headers) -> bool:
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        cookies: Sequence[str] = headers.get("cookie", "").split("; ")
        token = bearer if kind == "Bearer" else next((c.removeprefix("token=") for c in cookies if c.startswith("token=")), "")
        return self.tokens.holds(token)


def _enter_first(scope: Scope) -> ASGIApp:
    from starlette.responses import RedirectResponse

    if scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", ""):
        return RedirectResponse("/enter", 303)
    return problem(401, "a token is needed: send it as Authorization: Bearer ...", {"WWW-Authenticate": "Bearer"})
