"""From scores to a list: the best first, not too many by one author, and as varied as asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from shelfaware.arrays import Floats, Positions
from shelfaware.data.books import Books
from shelfaware.recommending.wishes import Wishes

POOL = 20
"""A varied list of n is chosen among the POOL n of the highest score."""


def choose(books: Books, score: Floats, n: int, wishes: Wishes, vectors: Callable[[], Floats]) -> Positions:
    """The n books of a list, in its order [<= n]; a book whose `score` [n_books] is -inf is no candidate.

    Each place goes to the candidate of the largest

        (1 - diversity) relevance - diversity max over the chosen of cosine(candidate, chosen)

    with relevance the score brought to 0 .. 1 over the pool: maximal marginal relevance (Carbonell & Goldstein 1998). Without
    diversity that is the order of the score, ties by id.
    """
    order = np.argsort(-score, kind="stable")
    order = order[np.isfinite(score[order])]
    if not wishes.diversity:
        return _capped(books, order, n, wishes.per_author)
    pool = _capped(books, order, POOL * n, 0)
    relevance = _to_unit(score[pool])
    length = np.maximum(np.linalg.norm(vectors()[pool], axis=1, keepdims=True), 1e-12)
    unit = vectors()[pool] / length  # [pool, width]
    by_author: Counter[str] = Counter()
    chosen: list[int] = []
    alike = np.zeros(len(pool))
    free = np.ones(len(pool), bool)
    while len(chosen) < n and free.any():
        gain = np.where(free, (1 - wishes.diversity) * relevance - wishes.diversity * alike, -np.inf)
        best = int(np.argmax(gain))
        free[best] = False
        if not _fits(books, int(pool[best]), by_author, wishes.per_author):
            continue
        cosine = unit @ unit[best]
        alike = cosine if not chosen else np.maximum(alike, cosine)
        chosen.append(int(pool[best]))
    return np.array(chosen, np.int64)


def _capped(books: Books, order: Positions, n: int, per_author: int) -> Positions:
    """The first n of `order` with at most `per_author` by one first author."""
    if not per_author:
        return order[:n]
    chosen: list[int] = []
    by_author: Counter[str] = Counter()
    for book in order.tolist():
        if len(chosen) == n:
            break
        if _fits(books, book, by_author, per_author):
            chosen.append(book)
    return np.array(chosen, np.int64)


def _fits(books: Books, book: int, by_author: Counter[str], per_author: int) -> bool:
    """Whether one more book by its author may stand on the list; then it is counted. Nobody's books have no limit."""
    author = next(iter(books.authors(book)), "")
    if not author or not per_author:
        return True
    by_author[author] += 1
    return by_author[author] <= per_author


def _to_unit(score: Floats) -> Floats:
    span = np.ptp(score) if len(score) else 0.0
    return (score - score.min()) / span if span else np.ones(len(score))
