"""Arguments and options that several verbs share, so that one name means one thing everywhere."""

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder, as `shelfaware import` writes it.")]
ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder, as `shelfaware train` writes it.")]
Json = Annotated[bool, typer.Option("--json", help="JSON alone on stdout.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of everything random.")]
Holdout = Annotated[
    str, typer.Option("--holdout", metavar="SPLIT", help="What is held out: none, notebook, random:0.1, user:1 or time:0.1.")
]
Many = Annotated[int, typer.Option("-n", min=1, help="How many books.")]
