"""Arguments and options that several verbs share, so that one name means one thing everywhere."""

import contextlib
import functools
import gc
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

Dataset = Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder, as `shelfaware import` writes it.")]
ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder, as `shelfaware train` writes it.")]
Json = Annotated[bool, typer.Option("--json", help="JSON alone on stdout.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of everything random.")]
Holdout = Annotated[
    str, typer.Option("--holdout", metavar="SPLIT", help="What is held out: none, notebook, random:0.1, user:1 or time:0.1.")
]
Models = Annotated[str, typer.Option("--models", metavar="A,B,...", help="Models by name, such as gp:ratings,gp:shelves,bias.")]
Repeats = Annotated[
    int, typer.Option("--repeats", min=1, max=100, help="Draw a random or user holdout so often, with seeds seed + 1 and on.")
]
Folds = Annotated[int, typer.Option("--folds", min=0, max=100, help="Instead of a holdout: so many folds; 0 for none.")]
Many = Annotated[int, typer.Option("-n", min=1, help="How many books.")]

Options = Mapping[str, tuple[Any, Any]]
"""Option name -> (annotated type, default)."""


def option(kind: Any, flags: str, help_text: str, **more: Any) -> Any:
    return Annotated[kind, typer.Option(*flags.split(), help=help_text, **more)]


def bundled(name: str, options: Options) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command all `options` and hands them to it as one dict called `name`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != name]
        added = [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for option, (kind, default) in options.items()
        ]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            bundle = {option: given.pop(option, default) for option, (_, default) in options.items()}
            command(**{name: bundle}, **given)

        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *added)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


@contextlib.contextmanager
def for_one_answer() -> Iterator[None]:
    """Around a verb that answers one reader, before NumPy is loaded.

    One reader's sums are small, and the threads of BLAS would mostly wait for each other; and what lives until the answer
    need not be searched for garbage meanwhile.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
