"""The command line: every verb reads folders, calls one function of the library and shows what it returns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def build() -> typer.Typer:
    """The command with all its verbs."""
    import typer

    from shelfaware.cli import answering, everybody, importing, judging, looking, reporting, serving, tasting, training, tuning

    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: half the time to the first line
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Book recommendations from ratings: learns in seconds, says how sure it is, and why.",
    )
    app.add_typer(importing.app, name="import")
    for room in (looking, training, tuning, judging, reporting, answering, everybody, tasting, serving):
        for verb in room.VERBS:
            app.command(verb.__name__.replace("_", "-"))(verb)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Runs the command. Exit code 2 and one sentence for what a person can mend; 130 and 143 for signals."""
    from shelfaware.errors import ShelfawareError

    try:
        build()(arguments)
    except ShelfawareError as error:
        sys.stderr.write(f"shelfaware: {error}\n")
        _end(128 + getattr(error, "signal_number", -126))
    except KeyboardInterrupt:
        _end(130)


def _end(code: int) -> None:
    from shelfaware.training.processes import end

    end(code)
