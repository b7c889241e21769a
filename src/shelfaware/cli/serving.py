"""`shelfaware serve`: recommendations in a browser and over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from shelfaware.cli.options import ModelFolder
from shelfaware.cli.showing import note


def serve(
    model: ModelFolder,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen at; any but the loopback needs --token-file.")] = "127.0.0.1",
    names: Annotated[
        list[str] | None, typer.Option("--name", metavar="HOST", help="A host name that people use for it; can be given again.")
    ] = None,
    database: Annotated[
        str,
        typer.Option(metavar="URL", help="sqlite:///FILE or postgresql+psycopg://...; by default SQLite in your data folder."),
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="Hashes of tokens; made, with a token, where missing.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    keep_days: Annotated[
        int, typer.Option("--keep-days", min=1, max=3650, help="Unused profiles are deleted after these.")
    ] = 90,
) -> None:
    """Serve recommendations in a browser and over HTTP, for one person or many."""
    from shelfaware.errors import need

    modules = (
        "fastapi",
        "uvicorn",
        "jinja2",
        "multipart",
        "sqlalchemy",
        "alembic",
        "pebble",
        "prometheus_client",
        "language_data",
    )
    need("serve", *modules)
    from shelfaware.serve.running import serve as run
    from shelfaware.serve.settings import Settings, default_database
    from shelfaware.serve.tokens import make_token

    if token_file and not token_file.exists():
        note(f"The token, told this once: {make_token(token_file)}")
    tokens = str(token_file) if token_file else None
    settings = Settings(
        str(model.absolute()), database or default_database(), host, port, tuple(names or ()), tokens, keep_days
    )
    note(f"shelfaware listens at http://{host}:{port}; stop it with Ctrl-C")
    run(settings, workers)


VERBS = (serve,)
