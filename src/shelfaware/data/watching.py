"""How far a long job is, told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable

Watch = Callable[[str, float, int], object]
"""Told what is being done, what share of it is done, and how many rows that is."""


def silent(_what: str, _share: float, _rows: int) -> None:
    """Watches without a word."""
