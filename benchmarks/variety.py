"""What a varied list costs: nDCG of lists re-ranked by maximal marginal relevance, and how alike their books are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from results import Figure

if TYPE_CHECKING:
    from shelfaware import GP, Interactions
    from shelfaware.arrays import Floats, Positions

DIVERSITIES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
SPLIT_SEED = 1
MOST_USERS = 3000
N = 10


class Asked(NamedTuple):
    """A user's scores [n_books], -inf where a book is no candidate, and the loved books that were held out."""

    score: Floats
    loved: Positions


def variety(dataset: Path) -> list[Figure]:
    """Protocol A (candidates: books not rated in training) on a random tenth, users with a loved book held out."""
    import shelfaware

    train, test = shelfaware.split(shelfaware.load(dataset), "random:0.1", seed=SPLIT_SEED)
    model = shelfaware.GP(seed=0).fit(train)
    people = list(asked(model, test))
    lists = {diversity: [listed(model, one, diversity) for one in people] for diversity in DIVERSITIES}
    figures = []
    for diversity, chosen in lists.items():
        gains = [ndcg(books, one.loved) for books, one in zip(chosen, people, strict=True)]
        figures.append(Figure(f"diversity {diversity:g}: nDCG@{N}, A", [float(np.mean(gains))]))
        alike = [likeness(model, books) for books in chosen]
        figures.append(Figure(f"diversity {diversity:g}: mean cosine of two books on a list", [float(np.mean(alike))]))
    return figures


def asked(model: GP, test: Interactions) -> Iterator[Asked]:
    from shelfaware.models.picking import scores

    loved = test.take(test.stars >= test.scale.loved)
    for user in np.unique(loved.user_index)[:MOST_USERS]:
        reader = model.known_readers.take(np.array([user]))
        score = scores(model, reader)[0]
        score[reader.book_index[reader.rated]] = -np.inf
        yield Asked(score, loved.book_index[loved.user_index == user].astype(np.int64))


def listed(model: GP, one: Asked, diversity: float) -> Positions:
    from shelfaware.recommending.choosing import choose
    from shelfaware.recommending.wishes import Wishes

    return choose(model.catalogue, one.score, N, Wishes(diversity=diversity, per_author=0), model.vectors)


def ndcg(books: Positions, loved: Positions) -> float:
    discount = 1 / np.log2(np.arange(N) + 2)
    return float(np.isin(books, loved) @ discount[: len(books)] / discount[: len(loved)].sum())


def likeness(model: GP, books: Positions) -> float:
    vectors = model.vectors()[books]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    return float((cosine.sum() - len(books)) / (len(books) * (len(books) - 1)))
