"""The face that every model shares. The public methods check, convert ids, fall back and clip; a model writes pure hooks."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import polars as pl

from shelfaware.arrays import AnyArray, Floats, Indices, Positions
from shelfaware.data.books import Books
from shelfaware.data.ids import Id, IdMap
from shelfaware.data.interactions import Interactions, Scale
from shelfaware.errors import DataError, ModelError
from shelfaware.models.readers import Readers
from shelfaware.training.history import History
from shelfaware.training.loop import Run

BLOCK_CELLS = 4_000_000
"""Cells of a dense readers x books block: memory stays bounded whatever the number of readers."""


class Forecast(NamedTuple):
    """What a model expects of pairs: unclipped stars [n], and the deviation of a new rating from them, or None."""

    stars: Floats
    deviation: Floats | None


class Explanation(NamedTuple):
    """Exact parts of an expectation, before clipping: base + shelves + the shares of the rated books.

    base [n], shelves [n], books i32 [m] (the rated books), shares [n, m]
    """

    base: Floats
    shelves: Floats
    books: Indices
    shares: Floats


@dataclass(kw_only=True, eq=False)
class Model(ABC):
    """A model is its hyper-parameters (the fields of its dataclass); what it has learned stands in `arrays`.

    name         what the command line calls it
    holds_users  whether `arrays` has anything of single users; such a model cannot answer a stranger
    """

    name: ClassVar[str]
    holds_users: ClassVar[bool] = False

    seed: int = 0

    def __post_init__(self) -> None:
        self.arrays: dict[str, AnyArray] = {}
        self.history: History | None = None
        self.books: Books | None = None
        self.scale = Scale()
        self.simulated = False
        self.users: IdMap | None = None
        self.readers: Readers | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The hyper-parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def version(self) -> str:
        """Twelve hex digits that name this model: of its settings and every fitted number."""
        digest = hashlib.sha256(json.dumps([self.name, self.config], sort_keys=True).encode())
        for name in sorted(self.arrays):
            digest.update(name.encode() + np.ascontiguousarray(self.arrays[name]).tobytes())
        return digest.hexdigest()[:12]

    def fit(self, train: Interactions, validation: Interactions | None = None, run: Run | None = None) -> Self:
        """Learns from `train`, and then knows its users. `validation` is watched, never learned from."""
        if not train.n_ratings:
            raise DataError("there is not one rating to learn from")
        if validation is not None and np.isin(validation.pair_keys, train.pair_keys).any():
            raise DataError("training and validation share a (user, book) pair")
        self.books, self.scale, self.simulated = train.books, train.scale, train.simulated
        self.arrays = self._fit(train, validation, run or Run())
        return self.know(train)

    def know(self, data: Interactions) -> Self:
        """Takes the histories of users, to answer for them by id. A saved model holds none."""
        if not self._fitted_books.ids == data.books.ids:
            raise ModelError(f"the data's books are not the {len(self._fitted_books):,} that the model was trained on")
        if self.users is not None and self.holds_users and self.users != data.users:
            raise ModelError(f"{self.name} holds a row for each user it was trained on, and the data has other users")
        self.users, self.readers = data.users, Readers.of(data)
        return self

    def reader(self, user: Id) -> Readers:
        """The history of one known user. Raises UnknownIdError."""
        users, readers = self._known
        return readers.take(np.array([users.index_of([user])[0]]))

    def similar_books(self, book: Id, n: int = 10) -> list[tuple[Id, float]]:
        """The n books most like one, by the cosine of their vectors: (book_id, cosine), best first, ties by id."""
        books = self._fitted_books
        vectors = self._vectors()
        if vectors is None:
            raise ModelError(f"{self.name} has no book vectors, so it cannot say which books are similar")
        index = books.index_of(book)
        length = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
        cosine = vectors @ vectors[index] / (length * length[index])
        order = [i for i in np.argsort(-cosine, kind="stable") if i != index][:n]
        return [(books.ids.id_of(i), float(cosine[i])) for i in order]

    @property
    def _fitted_books(self) -> Books:
        if self.books is None:
            raise ModelError(f"this {self.name} has not been fitted")
        return self.books

    @property
    def _known(self) -> tuple[IdMap, Readers]:
        if self.users is None or self.readers is None:
            raise ModelError(f"this {self.name} was loaded without its users; give it their ratings: model.know(data)")
        return self.users, self.readers

    @abstractmethod
    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        """Everything learned, by name; each array finite."""

    def _vectors(self) -> Floats | None:
        """A vector a book [n_books, width], if the model has them."""
        return None


@dataclass(kw_only=True, eq=False)
class Ranker(Model):
    """A model of what people pick up: it orders books and predicts no stars."""

    def scores(self, readers: Readers) -> Floats:
        """How likely each reader is to pick up each book, higher is likelier, on a scale of its own [n_readers, n_books]."""
        return self._scores(readers)

    @abstractmethod
    def _scores(self, readers: Readers) -> Floats: ...


@dataclass(kw_only=True, eq=False)
class RatingModel(Model):
    """A model of how people rate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ranker: Ranker | None = None
        self.star_weight = 0.0

    def predict(self, users: Sequence[Id] | pl.Series, books: Sequence[Id] | pl.Series) -> Floats:
        """Stars for pairs of ids [n], clipped to the scale.

        An unknown user is a reader without a history; an unknown book gets the mean of all stars.
        """
        known, readers = self._known
        user_index, book_index = known.find(users), self._fitted_books.ids.find(books)
        if len(user_index) != len(book_index):
            raise DataError(f"{len(user_index):,} users and {len(book_index):,} books are not pairs")
        which, reader = np.unique(user_index, return_inverse=True)
        stars = self.forecast(readers.take(which.astype(np.int64)), reader, np.maximum(book_index, 0)).stars
        return np.asarray(self.scale.clip(np.where(book_index < 0, float(self.arrays["center"][0]), stars)), np.float64)

    def forecast(self, readers: Readers, reader: Positions, book_index: Indices) -> Forecast:
        """Unclipped stars and deviation for pairs: `reader` [n] counts in `readers`, `book_index` [n] in the catalogue."""
        return self._forecast(readers, np.asarray(reader, np.int64), np.asarray(book_index, np.int64))

    def expect(self, readers: Readers) -> Floats:
        """Unclipped stars of every book for each reader [n_readers, n_books]."""
        return self._expect(readers)

    def left_out(self, readers: Readers) -> Floats | None:
        """The stars that a reader's other books say of each rated row, as if it were not rated [n rated rows].

        None where the model cannot say without a second fit.
        """
        return self._left_out(readers)

    def explain(self, reader: Readers, book_index: Indices) -> Explanation:
        """Where the unclipped stars of books come from, for one reader; the parts sum to `forecast`."""
        return self._explain(reader, np.asarray(book_index, np.int64))

    @abstractmethod
    def _expect(self, readers: Readers) -> Floats: ...

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        stars = np.empty(len(reader))
        which, place = np.unique(reader, return_inverse=True)
        size = max(BLOCK_CELLS // max(len(self._fitted_books), 1), 1)
        for start in range(0, len(which), size):
            mine = (place >= start) & (place < start + size)
            dense = self._expect(readers.take(which[start : start + size]))
            stars[mine] = dense[place[mine] - start, book_index[mine]]
        return Forecast(stars, None)

    def _left_out(self, readers: Readers) -> Floats | None:
        return None

    def _explain(self, reader: Readers, book_index: Positions) -> Explanation:
        stars = self._forecast(reader, np.zeros(len(book_index), np.int64), book_index).stars
        return Explanation(stars, np.zeros(len(stars)), np.empty(0, np.int32), np.empty((len(stars), 0)))
