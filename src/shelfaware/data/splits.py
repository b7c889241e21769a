"""What is held out, and from whom: every split is a mask over the rows, so memory grows with ratings.

A held-out cell leaves the training data whole: its stars and its shelf state. A split is named by one string, so that a
model folder can say which it was trained on: `none`, `notebook`, `random:0.1`, `user:1`, `time:0.1`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shelfaware.arrays import Mask
from shelfaware.data.interactions import Interactions
from shelfaware.errors import DataError
from shelfaware.seeding import generator

Split = tuple[Interactions, Interactions]
"""(training data, held-out ratings), over the same users and books."""


def split(data: Interactions, holdout: str, *, seed: int = 0) -> Split:
    """Splits by name.

    none         nothing is held out
    notebook     the original's 10 %: `np.random.seed(0); np.random.choice(nonzero, int(0.1 n), replace=False)` over the
                 row-major non-zero cells; the seed is part of it
    random:F     a share F of the ratings
    user:K       K ratings of each user who has more than K
    time:F       the latest share F of the ratings; unrated shelf states as late as they leave too
    """
    name, _, argument = holdout.partition(":")
    if name in ("none", "notebook") and not argument:
        held = _none(data) if name == "none" else _notebook(data)
    elif name == "random":
        held = _random(data, _share(argument, holdout), seed)
    elif name == "user":
        held = _per_user(data, _count(argument, holdout), seed)
    elif name == "time":
        return _by_time(data, _share(argument, holdout))
    else:
        raise DataError(f"no split is called {holdout!r}; there are none, notebook, random:0.1, user:1 and time:0.1")
    return data.take(~held), data.take(held)


def folds(data: Interactions, k: int, *, seed: int = 0) -> Iterator[Split]:
    """k splits that hold out every rating exactly once."""
    if not 2 <= k <= max(data.n_ratings, 2):
        raise DataError(f"{data.n_ratings:,} ratings cannot be cut into {k} folds; use from 2 to as many as there are ratings")
    fold = np.full(len(data), -1)
    fold[data.rated] = generator(seed, "folds").permutation(data.n_ratings) % k
    for i in range(k):
        yield data.take(fold != i), data.take(fold == i)


def last_books(data: Interactions, share: float) -> Split:
    """The original's validation: the last `share` of the ratings, sorted by book and then user. Its books are never trained."""
    rated = np.flatnonzero(data.rated)
    order = np.lexsort((data.user_index[rated], data.book_index[rated]))
    watched = np.zeros(len(data), bool)
    watched[rated[order[int(len(rated) * (1 - share)) :]]] = True
    return data.take(~watched), data.take(watched)


def _share(text: str, holdout: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise DataError(f"the split {holdout!r} needs a share between 0 and 1, such as random:0.1")
    return share


def _count(text: str, holdout: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) < 10**6):
        raise DataError(f"the split {holdout!r} needs a whole number of ratings a user, such as user:1")
    return int(text)


def _mask(data: Interactions, positions: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Mask:
    """Mask over all rows of the given positions among the rated rows."""
    held = np.zeros(len(data), bool)
    held[np.flatnonzero(data.rated)[positions]] = True
    return held


def _none(data: Interactions) -> Mask:
    return np.zeros(len(data), bool)


def _notebook(data: Interactions) -> Mask:
    # Rows are sorted by user, then book, so the i-th rated row is the i-th non-zero cell of the dense matrix.
    # `choice` without replacement on the cells' flat indices draws the same positions as on their ranks.
    n = data.n_ratings
    return _mask(data, np.random.RandomState(0).choice(n, int(0.1 * n), replace=False))


def _random(data: Interactions, share: float, seed: int) -> Mask:
    n = data.n_ratings
    return _mask(data, generator(seed, "split").choice(n, int(share * n), replace=False))


def _per_user(data: Interactions, count: int, seed: int) -> Mask:
    user = data.user_index[data.rated]
    order = np.lexsort((generator(seed, "split").random(len(user)), user))
    n_ratings = data.user_ratings()
    rank = np.arange(len(user)) - np.repeat(np.cumsum(n_ratings) - n_ratings, n_ratings)
    return _mask(data, order[(rank < count) & (n_ratings[user] > count)])


def _by_time(data: Interactions, share: float) -> Split:
    if data.time is None or np.isnat(data.time[data.rated]).any():
        raise DataError("a split by time needs a time for every rating, and this data has ratings without one")
    time = data.time[data.rated]
    positions = np.argsort(time, kind="stable")[len(time) - int(share * len(time)) :]
    held = _mask(data, positions)
    cut = time[positions].min() if len(positions) else np.datetime64("NaT")
    return data.take(~held & ~(~data.rated & (data.time >= cut))), data.take(held)
