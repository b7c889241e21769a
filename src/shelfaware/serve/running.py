"""Starts the workers: one process each, one thread for the sums, a graceful stop."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from shelfaware.serve.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

SETTINGS = "SHELFAWARE_SERVE"
"""The environment variable that hands the settings to each worker."""

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "POLARS_MAX_THREADS")
"""Many small answers at once are faster so: the threads of one would wait for those of another."""

STOP_SECONDS = 10
"""Requests that are under way when the service is asked to stop may take so long."""


def serve(settings: Settings, workers: int = 1) -> None:
    """Runs until it is told to stop. Raises a ShelfawareError before it listens if model or database cannot be used."""
    import uvicorn

    os.environ[SETTINGS] = settings.to_text()
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    _check(settings)
    with _counted_together(workers):
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


@contextlib.contextmanager
def _counted_together(workers: int) -> Iterator[None]:
    """Gives several workers a folder for what each counts. A single one needs none, and SIGTERM would leave it behind."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="shelfaware-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


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
