"""Work done one step ahead, in a thread beside: reading and hashing leave the interpreter free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")


def ahead(items: Iterable[One]) -> Iterator[One]:
    """The same items in the same order; the next one is made while one is used. An error comes where its item would."""
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(next, source, end)
        while (one := coming.result()) is not end:
            coming = beside.submit(next, source, end)
            yield one  # type: ignore[misc]
