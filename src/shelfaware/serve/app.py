"""The web app: what a worker builds from the settings, and what it does while it lives."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from shelfaware import __version__
from shelfaware.serve import api, monitoring, pages, problems
from shelfaware.serve.accounts import Accountant
from shelfaware.serve.desk import Desk
from shelfaware.serve.engine import Engine
from shelfaware.serve.safety import BodyLimit, HeadersOnEverything, KnownHost, NothingEscapes, SameOrigin, TokenNeeded
from shelfaware.serve.schemas import Problem
from shelfaware.serve.settings import MAX_BODY, Settings
from shelfaware.serve.storage.store import open_store
from shelfaware.serve.tokens import read_tokens

THREADS = 4
"""Of a worker. One computes at a time, so more only wait for each other: with 40 the slowest took four times as long."""
REFRESH_SECONDS = 1.0
SWEEP_SECONDS = 3600.0

log = logging.getLogger("shelfaware")
"""Never given a title, an id or a query."""


def create_app(settings: Settings) -> FastAPI:
    """The app of one worker. Raises a ShelfawareError for a model or a database that cannot be used."""
    engine = Engine(Path(settings.model))
    desk = Desk(engine, open_store(settings.database), Accountant(engine.current))
    app = FastAPI(
        title="shelfaware",
        version=__version__,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        openapi_tags=None,
    )
    app.state.desk, app.state.settings, app.state.salt = desk, settings, bytes.fromhex(settings.salt)
    problems.install(app)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")))
    _add_health(app)
    _document_problems(app)
    tokens = read_tokens(Path(settings.token_file)) if settings.token_file else None
    app.state.tokens = tokens
    app.add_middleware(BodyLimit, most=MAX_BODY + 2**16)
    app.add_middleware(SameOrigin)
    if tokens:
        app.add_middleware(TokenNeeded, tokens=tokens)
    app.add_middleware(monitoring.Counted)
    app.add_middleware(KnownHost, names=settings.allowed_hosts)
    app.add_middleware(NothingEscapes)
    app.add_middleware(HeadersOnEverything)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> Response:
        desk: Desk = request.app.state.desk
        if await run_in_threadpool(desk.store.ready):
            return Response('{"status":"ready"}', media_type="application/json")
        return problems.problem(503, "the database does not answer")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return monitoring.exposition()


def _document_problems(app: FastAPI) -> None:
    """The schema that every route's problems refer to, which no route returns by itself."""
    plain = app.openapi

    def openapi() -> dict[str, object]:
        document = plain()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    desk: Desk = app.state.desk
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    desk.accountant.start()
    _settle()
    chores = [asyncio.create_task(_follow(desk)), asyncio.create_task(_expire(desk, app.state.settings.keep_days))]
    try:
        yield
    finally:
        for chore in chores:
            chore.cancel()
        await run_in_threadpool(desk.accountant.close)
        desk.store.close()


async def _follow(desk: Desk) -> None:
    """Takes up a new model, a second after it was written at the latest."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        started = time.perf_counter()
        if await run_in_threadpool(desk.refresh):
            log.info("model %s taken up in %.2f s", desk.engine.current.version, time.perf_counter() - started)
            await run_in_threadpool(desk.accountant.follow(desk.engine.current).join)
            await run_in_threadpool(_settle)


def _settle() -> None:
    """What is here now stays. To look through all libraries for garbage, every 2,000 answers, stops the others for 0.1 s."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def _expire(desk: Desk, keep_days: int) -> None:
    while True:
        before = (datetime.now(UTC) - timedelta(days=keep_days)).date()
        with contextlib.suppress(Exception):  # a busy database: the next hour will do
            await run_in_threadpool(desk.store.expire, before)
        await asyncio.sleep(SWEEP_SECONDS)
