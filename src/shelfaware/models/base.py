"""The face that every model shares. The public methods check, convert ids, fall back and clip; a model writes pure hooks."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

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

T = TypeVar("T")

AT_LEAST_ONE = frozenset({"factors", "epochs", "batch_size", "block_size", "neighbours", "patience", "samples"})
"""Hyper-parameters that count something; every other number is 0 or more."""

BLOCK_CELLS = 500_000
"""Cells of a dense readers x books block: memory stays bounded whatever the number of readers."""


class Forecast(NamedTuple):
    """What a model expects of pairs: unclipped stars [n], and the deviation of a new rating from them, or None."""

    stars: Floats
    deviation: Floats | None


@dataclass(frozen=True)
class Origin:
    """What a model was trained on.

    fingerprint  of the data: what was held out of it too, where `train` of the command line held something out
    n_ratings    learned from
    dataset     folder of the whole data, relative to the model's own, if it came from one
    holdout     the split that was held out of it, and its seed
    validation  the share of the training data that was watched, never learned from
    """

    fingerprint: str = ""
    n_ratings: int = 0
    dataset: str | None = None
    holdout: str = "none"
    holdout_seed: int = 0
    validation: float = 0.0


class Explanation(NamedTuple):
    """Exact parts of an expectation, before clipping: base + shelves + the shares of the rated books.

    base [n], shelves [n], books i32 [m] (the rated books), shares [n, m], deviation [n] as in a Forecast, or None
    """

    base: Floats
    shelves: Floats
    books: Indices
    shares: Floats
    deviation: Floats | None

    @property
    def stars(self) -> Floats:
        """The sum of the parts [n]."""
        return np.asarray(self.base + self.shelves + self.shares.sum(axis=1))


@dataclass(kw_only=True, eq=False)
class Model(ABC):
    """A model is its hyper-parameters (the fields of its dataclass); what it has learned stands in `arrays`.

    name         what the command line calls it
    holds_users  whether `arrays` has anything of single users; such a model cannot answer a stranger
    """

    name: ClassVar[str]
    in_epochs: ClassVar[bool] = False
    """Whether the training loop fits it: then ratings can be watched, and a fit stopped and gone on with."""
    holds_users: ClassVar[bool] = False

    seed: int = 0

    def __post_init__(self) -> None:
        self.arrays: dict[str, AnyArray] = {}
        self._derived: tuple[dict[str, AnyArray], Any] | None = None
        self.written_version = ""
        self.history: History | None = None
        self.books: Books | None = None
        self.scale = Scale()
        self.simulated = False
        self.origin = Origin()
        self.users: IdMap | None = None
        self.readers: Readers | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The hyper-parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def usual(self) -> dict[str, Any]:
        """The same, with what a fit tries first for those that it would choose by itself."""
        return self.config

    @property
    def chosen(self) -> dict[str, float]:
        """Hyper-parameters that a fit chose by itself, where they were left open."""
        return {}

    @property
    def version(self) -> str:
        """Twelve hex digits that name this model: of its settings and every fitted number. A verified folder tells its own."""
        if self.written_version:
            return self.written_version
        digest = hashlib.sha256(json.dumps(self._settings(), sort_keys=True).encode())
        for name, array in sorted(self.all_arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:12]

    def _settings(self) -> list[Any]:
        """Everything beside the arrays that an answer depends on, as plain JSON."""
        return [self.name, self.config, asdict(self.scale)]

    def all_arrays(self) -> dict[str, AnyArray]:
        """Everything that a model folder keeps, by name."""
        return self.arrays

    def fit(self, train: Interactions, validation: Interactions | None = None, run: Run | None = None) -> Self:
        """Learns from `train`, and then knows its users. `validation` is watched, never learned from."""
        self._check_settings()
        self.written_version = ""
        if not train.n_ratings:
            raise DataError("there is not one rating to learn from")
        if validation is not None and np.isin(validation.pair_keys, train.pair_keys).any():
            raise DataError("training and validation share a (user, book) pair")
        self.books, self.scale, self.simulated = train.books, train.scale, train.simulated
        self.origin = Origin(train.fingerprint, train.n_ratings)
        fitted = self._fit(train if self.uses_shelves else train.ratings(), validation, run or Run())
        self.arrays = {**fitted, "star_counts": star_counts(train)}
        self.users = self.readers = None
        return self.know(train)

    def _check_settings(self) -> None:
        """Raises ModelError for a number that no training could use."""
        for name, value in self.config.items():
            least = 1 if name in AT_LEAST_ONE else 0
            most = 1 - 1e-9 if name == "dropout" else 1e9
            if isinstance(value, int | float) and not least <= value <= most:
                wanted = "0 or more and below 1" if name == "dropout" else f"{least} or more"
                raise ModelError(f"{self.name} cannot be fitted with {name} {value:g}: it must be {wanted}")

    def know(self, data: Interactions) -> Self:
        """Takes the histories of users, to answer for them by id. A saved model holds none."""
        if not self.catalogue.ids == data.books.ids:
            raise ModelError(f"the data's books are not the {len(self.catalogue):,} that the model was trained on")
        if self.users is not None and self.holds_users and self.users != data.users:
            raise ModelError(f"{self.name} holds a row for each user it was trained on, and the data has other users")
        self.users, self.readers = data.users, Readers.of(data)
        return self

    def reader(self, user: Id) -> Readers:
        """The history of one known user. Raises UnknownIdError."""
        readers = self.known_readers
        assert self.users is not None
        return readers.take(self.users.index_of([user]).astype(np.int64))

    @property
    def uses_shelves(self) -> bool:
        """Whether the model is told of books on a shelf without stars."""
        return True

    def told(self, readers: Readers) -> Readers:
        """What of their histories the model is told."""
        return readers if self.uses_shelves else readers.ratings()

    def save(self, folder: Path | str, metrics: dict[str, Any] | None = None) -> None:
        """Writes the model folder (`folder.save_model`)."""
        from shelfaware.models.folder import save_model

        save_model(self, Path(folder), metrics)

    def similar_books(self, book: Id, n: int = 10) -> list[tuple[Id, float]]:
        """The n books most like one, by the cosine of their vectors: (book_id, cosine), best first, ties by id."""
        books, vectors = self.catalogue, self.vectors()
        index = books.index_of(book)
        length = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
        cosine = vectors @ vectors[index] / (length * length[index])
        order = [i for i in np.argsort(-cosine, kind="stable") if i != index][:n]
        return [(books.ids.id_of(i), float(cosine[i])) for i in order]

    def derived(self, build: Callable[[dict[str, AnyArray]], T]) -> T:
        """What the model's one `build` makes of the arrays, made once: the form that scoring needs, such as float64."""
        if self._derived is None or self._derived[0] is not self.arrays:
            self._derived = (self.arrays, build(self.arrays))
        made: T = self._derived[1]
        return made

    @property
    def catalogue(self) -> Books:
        """The books that the model was fitted on. Raises ModelError before the fit."""
        if self.books is None:
            raise ModelError(f"this {self.name} has not been fitted")
        return self.books

    @property
    def n_ratings(self) -> Positions:
        """How many of the ratings that the model learned from are of each book [n_books]."""
        return np.asarray(self.arrays["star_counts"].sum(axis=1), np.int64)

    @property
    def known_readers(self) -> Readers:
        """The histories of the users that the model knows: reader r is user r. Raises ModelError if it knows none."""
        if self.readers is None:
            raise ModelError(f"this {self.name} was loaded without its users; give it their ratings: model.know(data)")
        return self.readers

    @abstractmethod
    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        """Everything learned, by name; each array finite."""

    def vectors(self) -> Floats:
        """A vector a book [n_books, width]: alike books point alike. Raises ModelError for a model without them."""
        vectors = self._vectors()
        if vectors is None:
            raise ModelError(f"{self.name} has no book vectors, so it cannot say which books are alike")
        return vectors

    def _vectors(self) -> Floats | None:
        """What `vectors` gives, if the model has them."""
        return None


def of_stars(model: Model) -> RatingModel:
    """The model, if it predicts stars; ModelError for one that only ranks."""
    if not isinstance(model, RatingModel):
        raise ModelError(f"{model.name} ranks books and predicts no stars; train a gp")
    return model


def star_counts(train: Interactions) -> AnyArray:
    """How often each book was given each star value of the scale, i32 [n_books, n_values]."""
    ratings, scale = train.ratings(), train.scale
    step = np.round((ratings.stars - scale.min) / scale.step).astype(np.int64)
    shape = (train.n_books, len(scale.values))
    counts = np.bincount(ratings.book_index * shape[1] + step, minlength=shape[0] * shape[1])
    return counts.reshape(shape).astype(np.int32)


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
    """A model of how people rate.

    own_differs  whether a book that a reader has must be asked for as a pair: without its own row they are another reader
    """

    own_differs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ranker: Ranker | None = None
        self.star_weight = 0.0

    def fit(self, train: Interactions, validation: Interactions | None = None, run: Run | None = None) -> Self:
        """Learns how people rate and, beside it, what they pick up (`picking`), so that the model can recommend."""
        return self.fit_stars(train, validation, run).fit_picks(train)

    def fit_picks(self, train: Interactions) -> Self:
        """Learns what people pick up, once it is known how they rate."""
        from shelfaware.models.picking import fit_ranker, fit_star_weight

        self.ranker = fit_ranker(train if self.uses_shelves else train.ratings())
        self.star_weight = fit_star_weight(self, self.ranker, self.known_readers)
        return self

    def fit_stars(self, train: Interactions, validation: Interactions | None = None, run: Run | None = None) -> Self:
        """Learns how people rate and nothing else: enough to predict, not to recommend."""
        return super().fit(train, validation, run)

    def _settings(self) -> list[Any]:
        ranker = [self.ranker.name, self.ranker.config] if self.ranker else None
        return [*super()._settings(), ranker, self.star_weight]

    def all_arrays(self) -> dict[str, AnyArray]:
        ranker = self.ranker.arrays if self.ranker else {}
        return {**self.arrays, **{f"ranker.{name}": array for name, array in ranker.items()}}

    def predict(self, users: Sequence[Id] | pl.Series, books: Sequence[Id] | pl.Series) -> Floats:
        """Stars for pairs of ids [n], clipped to the scale.

        An unknown user is a reader without a history; an unknown book gets the mean of all stars.
        """
        readers = self.known_readers
        assert self.users is not None
        user_index, book_index = self.users.find(users), self.catalogue.ids.find(books)
        if len(user_index) != len(book_index):
            raise DataError(f"{len(user_index):,} users and {len(book_index):,} books are not pairs")
        which, reader = np.unique(user_index, return_inverse=True)
        stars = self.forecast(readers.take(which.astype(np.int64)), reader, np.maximum(book_index, 0)).stars
        return np.asarray(self.scale.clip(np.where(book_index < 0, float(self.arrays["center"][0]), stars)), np.float64)

    def forecast(self, readers: Readers, reader: AnyArray, book_index: AnyArray) -> Forecast:
        """Unclipped stars and deviation for pairs: `reader` [n] counts in `readers`, `book_index` [n] in the catalogue."""
        return self._forecast(self.told(readers), np.asarray(reader, np.int64), np.asarray(book_index, np.int64))

    def expect(self, readers: Readers, *, own: bool = True) -> Floats:
        """Unclipped stars of every book for each reader [n_readers, n_books]; without `own` only of books that they lack."""
        told = self.told(readers)
        stars = self._expect(told)
        if own and self.own_differs:
            stars[told.owner, told.book_index] = self._forecast(told, told.owner, told.book_index.astype(np.int64)).stars
        return stars

    def left_out(self, readers: Readers) -> Floats | None:
        """The stars that a reader's other books say of each rated row, as if it were not rated [n rated rows].

        None where the model cannot say without a second fit.
        """
        return self._left_out(self.told(readers))

    def explain(self, reader: Readers, book_index: AnyArray) -> Explanation:
        """Where the unclipped stars of books come from, for one reader, and their deviation; the parts sum to `forecast`."""
        return self._explain(self.told(reader), np.asarray(book_index, np.int64))

    @abstractmethod
    def _expect(self, readers: Readers) -> Floats: ...

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        stars = np.empty(len(reader))
        which, place = np.unique(reader, return_inverse=True)
        size = max(BLOCK_CELLS // max(len(self.catalogue), 1), 1)
        for start in range(0, len(which), size):
            mine = (place >= start) & (place < start + size)
            dense = self._expect(readers.take(which[start : start + size]))
            stars[mine] = dense[place[mine] - start, book_index[mine]]
        return Forecast(stars, None)

    def _left_out(self, readers: Readers) -> Floats | None:
        return None

    def _explain(self, reader: Readers, book_index: Positions) -> Explanation:
        stars, deviation = self._forecast(reader, np.zeros(len(book_index), np.int64), book_index)
        return Explanation(stars, np.zeros(len(stars)), np.empty(0, np.int32), np.empty((len(stars), 0)), deviation)
