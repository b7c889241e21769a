"""A reader's taste in numbers: how harsh they are, where they differ from what was expected, where they stand among books."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shelfaware.arrays import Floats, Positions
from shelfaware.data.ids import Id
from shelfaware.errors import DataError
from shelfaware.models.base import Model, RatingModel, of_stars
from shelfaware.models.readers import Readers
from shelfaware.recommending.answer import Who, person_for


@dataclass(frozen=True)
class Surprise:
    """A book that the reader gave `stars`, where their other books and everybody's ratings said `expected`."""

    book_id: Id
    title: str
    stars: float
    expected: float


@dataclass(frozen=True)
class Taste:
    """A reader beside all readers.

    mean, others   mean of the reader's stars, and of all readers' stars for the same books
    share_loved    the share of their ratings that are `loved` on the scale, and the same share of all readers for these books
    surprises      the rated books whose stars were expected least, most surprising first
    """

    n_ratings: int
    mean: float
    others: float
    share_loved: float
    others_loved: float
    surprises: list[Surprise]

    @property
    def harshness(self) -> float:
        """Stars by which they rate the same books lower than others do; below 0 they are kinder."""
        return self.others - self.mean


@dataclass(frozen=True, eq=False)
class BookMap:
    """Books in two dimensions: the principal components of their vectors, which alike books share.

    book_index i64 [n] the books on the map, most rated first; place [n, 2]; spread [2] shares of the variance shown;
    mine: where on the map a reader's rated books are i64 [m], with their stars [m]; here [2]: the middle of the loved ones,
    None where they loved none.
    """

    book_index: Positions
    place: Floats
    spread: Floats
    mine: Positions
    stars: Floats
    here: Floats | None


def taste(model: Model, who: Who, n: int = 5) -> Taste:
    """What the ratings of a reader say of them, with their n most surprising. Raises DataError for one without a rating."""
    model = of_stars(model)
    reader = person_for(model, who).reader.ratings()
    if not len(reader.book_index):
        raise DataError("taste takes a rated book that the model knows, and there is none")
    counts = model.arrays["star_counts"][reader.book_index].astype(np.float64)  # [m, n_values]
    known = counts.sum(axis=1) > 0
    shares = counts[known] / counts[known].sum(axis=1, keepdims=True)
    values, stars = model.scale.values, reader.stars[known]
    if not known.any():
        raise DataError("nobody else rated any of these books")
    loved = values >= model.scale.loved
    return Taste(
        n_ratings=len(reader.stars),
        mean=float(stars.mean()),
        others=float((shares @ values).mean()),
        share_loved=float((stars >= model.scale.loved).mean()),
        others_loved=float(shares[:, loved].sum(axis=1).mean()),
        surprises=_surprises(model, person_for(model, who).reader, n),
    )


def _surprises(model: RatingModel, reader: Readers, n: int) -> list[Surprise]:
    expected = model.left_out(reader)
    if expected is None:
        return []
    books, rated = model.catalogue, reader.book_index[reader.rated]
    stars, expected = reader.stars[reader.rated], model.scale.clip(expected)
    order = np.argsort(-np.abs(stars - expected), kind="stable")[:n]
    return [Surprise(books.ids.id_of(rated[i]), books.title(rated[i]), float(stars[i]), float(expected[i])) for i in order]


def book_map(model: Model, who: Who | None = None, n: int = 1000) -> BookMap:
    """The n most rated books and all that a reader rated, in two dimensions. Raises ModelError without book vectors."""
    reader = Readers.stranger(model.catalogue, model.scale, {}) if who is None else person_for(model, who).reader.ratings()
    popular = np.argsort(-model.n_ratings, kind="stable")[:n]
    rated = reader.book_index.astype(np.int64)
    shown = np.concatenate([popular, rated[~np.isin(rated, popular)]])
    vectors = model.vectors()
    center, axes, spread = _principal(vectors[popular])
    place = (vectors[shown] - center) @ axes.T  # [n, 2]
    where = {int(book): i for i, book in enumerate(shown)}
    mine = np.array([where[int(book)] for book in rated], np.int64)
    loved = mine[reader.stars >= model.scale.loved]
    here = place[loved].mean(axis=0) if len(loved) else None
    return BookMap(shown, place, spread, mine, reader.stars, here)


def _principal(vectors: Floats) -> tuple[Floats, Floats, Floats]:
    """center [k], the two axes of most variance [2, k] and their shares of it [2]; signs such that the largest entry is +."""
    center = vectors.mean(axis=0)
    _, length, axes = np.linalg.svd(vectors - center, full_matrices=False)
    axes = axes[:2] * np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return center, axes, np.asarray(length[:2] ** 2 / max(float(np.sum(length**2)), 1e-300))
