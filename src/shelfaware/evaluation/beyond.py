"""What a list is worth beside its hits: rare books found, novelty, variety. Lists in, one number out.

`ranked` are lists as `protocol` makes them, i32 [n_lists, n], -1 where a list is short.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shelfaware.arrays import Floats, Indices, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.evaluation import ranking
from shelfaware.evaluation.metrics import equal_count_bins
from shelfaware.evaluation.protocol import Lists, N

STRATA = ("rare", "middle", "popular")
"""A third of the training ratings each: few popular books, many rare ones."""


def beyond_accuracy(lists: Lists, train: Interactions) -> dict[str, Any]:
    """Under protocol A: nDCG@10 by stratum of popularity, novelty in bits, diversity from 0 to 1; None without lists."""
    if not len(lists.users):
        return {"ndcg_at_10_by_popularity": None, "novelty_at_10": None, "diversity_at_10": None}
    shown = lists.unrated[lists.users]
    return {
        "ndcg_at_10_by_popularity": stratified_ndcg(lists, train.book_ratings()),
        "novelty_at_10": novelty(shown, train.book_ratings(), train.n_users),
        "diversity_at_10": diversity(shown, train),
    }


def strata(n_ratings: Positions) -> Indices:
    """The stratum of each book [n_books], 0 to 2 in the order of STRATA, by its share of all `n_ratings` [n_books]."""
    each = np.repeat(n_ratings, n_ratings)
    of_count = dict(zip(each.tolist(), equal_count_bins(each, len(STRATA)).tolist(), strict=True)) if len(each) else {}
    return np.array([of_count.get(count, 0) for count in n_ratings.tolist()], np.int32)


def stratified_ndcg(lists: Lists, n_ratings: Positions) -> dict[str, float | None]:
    """nDCG@10 where the books of one stratum alone are relevant, a mean over the users who have one; lists stay whole.

    A model that finds popular books alone scores well overall and 0 among the rare (Steck 2011).
    """
    of_book, relevant = strata(n_ratings), lists.relevant
    user = np.repeat(np.arange(len(relevant.counts)), relevant.counts)
    found: dict[str, float | None] = {}
    for code, name in enumerate(STRATA):
        inside = of_book[relevant.books] == code
        part = ranking.Relevant.of_pairs(user[inside], relevant.books[inside], len(relevant.counts))
        gain = ranking.ndcg(lists.unrated, part, N)[part.counts > 0]
        found[name] = float(gain.mean()) if len(gain) else None
    return found


def novelty(ranked: Indices, n_ratings: Positions, n_users: int) -> float:
    """Mean self-information of a place on a list, in bits: -log2 of the share of users who rated its book.

    A book that nobody rated counts as rated by one (Zhou et al. 2010; Vargas & Castells 2011).
    """
    shown = n_ratings[ranked[ranked >= 0]]
    return float(np.log2(n_users / np.maximum(shown, 1)).mean())


def diversity(ranked: Indices, train: Interactions) -> float | None:
    """Mean over lists of 1 - cosine of two books on it, a book being who took it up in training, rated or not.

    Intra-list diversity (Ziegler et al. 2005). None where no list has two books.
    """
    cosine, place = _likeness(np.unique(ranked[ranked >= 0]), train)
    there = ranked >= 0
    at = np.where(there, place[ranked], 0)
    total, number = np.zeros(len(ranked)), np.zeros(len(ranked))
    for i in range(ranked.shape[1]):
        for j in range(i):
            both = there[:, i] & there[:, j]
            total += both * (1 - cosine[at[:, i], at[:, j]])
            number += both
    return float((total[number > 0] / number[number > 0]).mean()) if number.any() else None


def _likeness(books: Indices, train: Interactions) -> tuple[Floats, Indices]:
    """Cosines of every two of `books` [b, b], and the row of each book of the catalogue in them."""
    from scipy.sparse import csc_array

    rows = (np.ones(len(train), np.float32), (train.user_index, train.book_index))
    taken = csc_array(rows, shape=(train.n_users, train.n_books))[:, books]
    common = (taken.T @ taken).toarray()
    length = np.sqrt(np.maximum(common.diagonal(), 1))
    place = np.zeros(train.n_books, np.int32)
    place[books] = np.arange(len(books))
    return common / length / length[:, None], place
