"""The n books of the largest user . book for every user, exactly, and never a table of users x books."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import Indices, Positions, Stars
from shelfaware.errors import ModelError

USERS, BOOKS = 256, 16_384
"""Users and books of one product: the block stays near the processor."""

GROUPS = 96
"""Groups a place on the list whose largest scores bound the n-th best of a block."""

LEAST = np.finfo(np.float32).min


@dataclass(frozen=True, eq=False)
class TopN:
    """The best of each user, best first, equal scores by ascending book.

    book_index  i32 [n_users, n]   -1 where there are fewer candidates
    scores      f32 [n_users, n]   -inf there
    """

    book_index: Indices
    scores: Stars


def top_n_blocked(users: Stars, books: Stars, n: int, indptr: Positions, has: Indices) -> TopN:
    """users f32 [n_users, k], books f32 [n_books, k]; user u is never given the books has[indptr[u]:indptr[u + 1]], ascending.

    Cut into groups, a block has its n-th best score at or above the n-th largest of the groups' largest scores t: there are n
    groups with a score >= t. One pass finds t; then only the few groups that reach it are looked into, and only the scores
    that reach it are sorted. Raises ModelError for a number that is not finite.
    """
    if not (np.isfinite(users).all() and np.isfinite(books).all()):
        raise ModelError("a vector holds a number that is not finite, so nothing can be ranked by it")
    best = TopN(np.full((len(users), n), -1, np.int32), np.full((len(users), n), -np.inf, np.float32))
    buffer = np.empty(USERS * min(BOOKS, len(books)), np.float32)
    for start in range(0, len(users), USERS):
        mine = slice(start, min(start + USERS, len(users)))
        owner = np.repeat(np.arange(mine.stop - start), np.diff(indptr[start : mine.stop + 1]))
        theirs = has[indptr[start] : indptr[mine.stop]]
        for first in range(0, len(books), BOOKS):
            some = books[first : first + BOOKS]
            block = buffer[: (mine.stop - start) * len(some)].reshape(-1, len(some))  # [b, n_some]
            np.matmul(users[mine], some.T, out=block)
            inside = (theirs >= first) & (theirs < first + len(some))
            block[owner[inside], theirs[inside] - first] = -np.inf
            _enter(TopN(best.book_index[mine], best.scores[mine]), block, first)
    return best


def _enter(best: TopN, block: Stars, first: int) -> None:
    """Lets the scores of books `first` and on, `block` [b, n_some], into the best so far [b, n], in place."""
    n = best.scores.shape[1]
    cells = _largest(block, n, best.scores[:, -1])
    user, column = np.divmod(cells, block.shape[1])
    full = best.book_index >= 0
    owner = np.concatenate([np.nonzero(full)[0], user])
    book = np.concatenate([best.book_index[full], (column + first).astype(np.int32)])
    score = np.concatenate([best.scores[full], block.ravel()[cells]])
    order = np.lexsort((book, -score, owner))
    counts = np.bincount(owner, minlength=len(block))
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = order[place < n]
    to = owner[kept], place[place < n]
    best.book_index[to], best.scores[to] = book[kept], score[kept]


def _largest(block: Stars, n: int, least: Stars) -> Positions:
    """Cells, counted row by row, among which are the n largest of each row that are >= `least` [b]; never one of -inf."""
    n_groups = n * GROUPS
    width = block.shape[1] // n_groups
    if width < 2:
        least = np.maximum(least, _nth(block, n)) if block.shape[1] >= n else least
        return np.flatnonzero(block >= np.maximum(least, LEAST)[:, None])
    inside = n_groups * width
    largest = block[:, :inside].reshape(len(block), width, n_groups).max(axis=1)  # [b, n_groups]
    least = np.maximum(np.maximum(least, _nth(largest, n)), LEAST)
    row, group = np.nonzero(largest >= least[:, None])
    cells = (row * block.shape[1] + group)[:, None] + np.arange(width) * n_groups  # [n_reached, width]
    reached = cells[block.ravel()[cells] >= least[row][:, None]]
    row, rest = np.nonzero(block[:, inside:] >= least[:, None])
    return np.concatenate([reached, row * block.shape[1] + inside + rest])


def _nth(scores: Stars, n: int) -> Stars:
    """The n-th largest of each row [b]."""
    return np.asarray(np.partition(scores, scores.shape[1] - n, axis=1)[:, scores.shape[1] - n], np.float32)
