"""What a person sees on a terminal: quiet tables of 80 columns, and a last line that says where the result is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SIMULATED = "These ratings are simulated: they show how the program works, and no person's taste."


def console() -> Console:
    from rich.console import Console

    # A pipe has no width: 80 columns, as a person would have.
    return Console(width=None if sys.stdout.isatty() else 80, highlight=False)


def put_json(value: Any) -> None:
    """JSON alone on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def note(*lines: str) -> None:
    """Lines for the person, not for the pipe."""
    sys.stderr.writelines(line + "\n" for line in lines)


def put_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A table of text as it is: no title can style it. A column whose name starts with `>` holds numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_header=any(name.strip(">") for name in columns),
    )
    for name in columns:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    console().print(table)


def number(value: float | None, decimals: int = 3) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"
