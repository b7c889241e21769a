"""Starts the workers: one process each, one thread for the sums, a graceful stop."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from shelfaware.serve.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

SETTINGS = "SHELFAWARE_SERVE"
"""The environment variable that hands the settings to each worker."""

STOP_SECONDS = 10
"""Requests that are under way when the service is asked to stop may take so long."""


def serve(settings: Settings, workers: int = 1) -> None:
    """Runs until it is told to stop. Raises a ShelfawareError before it listens if model or database cannot be used."""
    import uvicorn

    os.environ[SETTINGS] = settings.to_text()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="shelfaware-metrics-") as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        _check(settings)
        uvicorn.run(
            "shelfaware.serve.running:worker",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=workers,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
            log_level="warning",
        )


def worker() -> FastAPI:
    """What uvicorn calls in each worker."""
    from shelfaware.serve.app import create_app

    return create_app(Settings.from_text(os.environ[SETTINGS]))


def _check(settings: Settings) -> None:
    """Fails early and in one sentence, where a worker would only die."""
    from pathlib import Path

    from shelfaware.serve.engine import load
    from shelfaware.serve.storage.store import open_store
    from shelfaware.serve.tokens import read_tokens

    load(Path(settings.model))
    if settings.token_file:
        read_tokens(Path(settings.token_file))
    open_store(settings.database).close()
