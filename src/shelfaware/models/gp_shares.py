"""The GP's batches over several devices: each has its own books of a step, and some of the step's blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from shelfaware.arrays import AnyArray, Indices
from shelfaware.models.gp_batches import Batch, Steps
from shelfaware.training import devices
from shelfaware.training.devices import BY_BLOCKS, EVERYWHERE
from shelfaware.training.packing import EMPTY

LAYOUT = Steps(
    EVERYWHERE,  # type: ignore[arg-type]
    EVERYWHERE,
    Batch(**{name: EVERYWHERE if name in ("n_ratings", "n_shelved") else BY_BLOCKS for name in Batch._fields}),
)
"""`rows` are rows of a device's share of the table; `book` and `shelf_book` name places among the rows of all devices."""
FREE = {"book": EMPTY, "owner": EMPTY, "shelf_book": EMPTY, "shelf_owner": -2}
"""What an empty place holds, where that is not 0."""


def shared(steps: Steps, n_books: int, n_blocks: int) -> Steps:
    """The same steps, of n_blocks each, laid out over all devices; with one device as they are.

    Of the blocks there are all, or those of this process alone.
    """
    n = devices.count()
    if n == 1:
        return steps
    batch, own = by_owner(steps, n_books, n), devices.own_blocks(n_blocks)
    every = n_blocks + -n_blocks % n

    def placed(name: str, x: AnyArray) -> Any:
        if x.ndim < 3:
            return devices.put(x, getattr(LAYOUT.batch, name))
        mine, missing = x if x.shape[1] == len(own) else x[:, own], devices.own_share(every) - len(own)
        padded = np.pad(mine, [(0, 0), (0, missing), (0, 0)], constant_values=FREE.get(name, 0))
        return devices.put_blocks(padded, every)

    return Steps(steps.n, steps.number, Batch(**{name: placed(name, x) for name, x in batch._asdict().items()}))


def by_owner(steps: Steps, n_books: int, n: int) -> Batch:
    """The batches with their books ordered by the device that has them, as many of each: b is row b // n of device b mod n."""
    batch, n_rows = steps.batch, -(-n_books // n)
    n_steps, c = batch.rows.shape
    width = n_rows if c == n_books else _width(batch.rows[: steps.n], n)
    if 1.25 * width >= n_rows:
        width = n_rows
    rows = np.zeros((n_steps, n * width), np.int32)  # [steps, c]
    moved = [np.full_like(x, EMPTY) for x in (batch.book, batch.shelf_book)]  # [steps, blocks, places]
    counts = [np.ones((n_steps, n * width), np.float32) for _ in range(2)]  # ratings and shelf rows in the data [steps, c]
    for i in range(steps.n):
        rows[i], place = _divided(batch.rows[i], n, width, n_rows)
        for new, old in zip(counts, (batch.n_ratings, batch.n_shelved), strict=True):
            new[i, place[:-1]] = old[i]
        for new, old in zip(moved, (batch.book, batch.shelf_book), strict=True):
            new[i] = place[old[i]]
    return batch._replace(rows=rows, n_ratings=counts[0], n_shelved=counts[1], book=moved[0], shelf_book=moved[1])


def _width(rows: Indices, n: int) -> int:
    """Places for the books of one device, enough in every step; few shapes are compiled."""
    most = max(int(np.bincount(books % n, minlength=n).max()) for books in rows)
    grain = -(-rows.shape[1] // (8 * n))
    return int(-(-most // grain) * grain)


def _divided(books: Indices, n: int, width: int, n_rows: int) -> tuple[Indices, AnyArray]:
    """The rows of all devices [n width], each once, and the place there of each of `books`; the last is that of none."""
    rows, place = np.empty(n * width, np.int32), np.full(len(books) + 1, EMPTY, np.int32)
    for device in range(n):
        mine = np.flatnonzero(books % n == device)
        own = books[mine] // n
        if width == n_rows:  # then the rows are the share, in its order
            rows[device * width : (device + 1) * width], place[mine] = np.arange(n_rows), device * width + own
            continue
        free = np.ones(width, bool)  # as many as are needed at most
        free[own[own < width]] = False
        rest = np.flatnonzero(free)[: width - len(own)]
        rows[device * width : (device + 1) * width] = np.concatenate([own, rest])
        place[mine] = device * width + np.arange(len(own))
    return rows, place
