"""What a model is told of the people it predicts for: a batch of histories. A stranger is a batch of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shelfaware.arrays import Floats, Indices, Mask, Positions
from shelfaware.data.books import Books
from shelfaware.data.ids import Id
from shelfaware.data.interactions import READ, TO_READ, Interactions, Scale
from shelfaware.errors import DataError

STRANGER = -1


@dataclass(frozen=True, eq=False)
class Readers:
    """Histories one after another, as in a CSR matrix: reader r has the rows indptr[r] to indptr[r + 1].

    indptr      i64 [n_readers + 1]
    book_index  i32 [m]   ascending within a reader, no book twice
    stars       f64 [m]   NaN where a book is on a shelf without stars
    shelf       i8  [m]   READ or TO_READ; a rated book is read
    user_index  i64 [n_readers]   their row among the users of the data; -1 for a stranger
    """

    indptr: Positions
    book_index: Indices
    stars: Floats
    shelf: NDArray[np.int8]
    user_index: Positions

    @classmethod
    def of(cls, data: Interactions) -> Readers:
        """Every user of `data`, those without a row too: reader r is user r."""
        counts = np.bincount(data.user_index, minlength=data.n_users)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        return cls(indptr, data.book_index, data.stars.astype(np.float64), data.shelf, np.arange(data.n_users))

    @classmethod
    def joined(cls, pieces: Sequence[Readers]) -> Readers:
        """The readers of some pieces, one after another; of one piece at least."""
        counts = np.concatenate([np.diff(one.indptr) for one in pieces])
        columns = ("book_index", "stars", "shelf", "user_index")
        arrays = (np.concatenate([getattr(one, name) for one in pieces]) for name in columns)
        return cls(np.concatenate([[0], np.cumsum(counts)]), *arrays)

    @classmethod
    def stranger(
        cls,
        books: Books,
        scale: Scale,
        ratings: Mapping[Id, float],
        read: Iterable[Id] = (),
        to_read: Iterable[Id] = (),
    ) -> Readers:
        """One reader from books named by id or exact title. A rated book need not be among `read`."""
        shelves: dict[int, tuple[float, int]] = {}
        for state, names in ((TO_READ, to_read), (READ, read)):
            shelves.update({int(index): (np.nan, state) for index in books.indices_of(names)})
        named, given = list(ratings), np.array(list(ratings.values()), np.float64)
        for i in np.flatnonzero(~scale.holds(given))[:1]:
            wanted = f"{scale.min:g} to {scale.max:g} by {scale.step:g}"
            raise DataError(f"book {named[i]!r} has {given[i]:g} stars, which is not on the scale {wanted}")
        rated = books.indices_of(named)
        if len(np.unique(rated)) < len(rated):
            twice = int(np.flatnonzero(np.bincount(rated) > 1)[0])
            raise DataError(f"{books.title(twice)!r} is rated twice, by its id and by its title")
        shelves.update({int(index): (float(stars), READ) for index, stars in zip(rated, given, strict=True)})
        book_index = np.array(list(shelves), np.int32)
        stars_of, states = (np.array([row[part] for row in shelves.values()], np.float64) for part in (0, 1))
        return cls.one(book_index, stars_of, states.astype(np.int8))

    @classmethod
    def one(cls, book_index: Indices, stars: Floats, shelf: NDArray[np.int8]) -> Readers:
        """One reader from rows in any order, no book twice."""
        order = np.argsort(book_index)
        return cls(np.array([0, len(order)]), book_index[order], stars[order], shelf[order], np.array([STRANGER]))

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __repr__(self) -> str:
        return f"Readers({len(self):,} with {int(self.rated.sum()):,} ratings)"

    @cached_property
    def rated(self) -> Mask:
        return ~np.isnan(self.stars)

    @cached_property
    def owner(self) -> Positions:
        """The reader of each row [m]."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    @cached_property
    def n_ratings(self) -> Positions:
        """How many books each reader rated [n_readers]."""
        return np.bincount(self.owner[self.rated], minlength=len(self))

    def take(self, which: Positions) -> Readers:
        """The readers at the positions `which`, in that order; repeats allowed, and -1 is one who has read nothing."""
        counts = np.where(which < 0, 0, np.diff(self.indptr)[which])
        indptr = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(self.indptr[which] - indptr[:-1], counts) + np.arange(indptr[-1])
        users = np.where(which < 0, STRANGER, self.user_index[which])
        return Readers(indptr, self.book_index[rows], self.stars[rows], self.shelf[rows], users)

    def only(self, mask: Mask) -> Readers:
        """The same readers with the rows where `mask` [m] is true."""
        counts = np.bincount(self.owner[mask], minlength=len(self))
        indptr = np.concatenate([[0], np.cumsum(counts)])
        return Readers(indptr, self.book_index[mask], self.stars[mask], self.shelf[mask], self.user_index)

    def ratings(self) -> Readers:
        """The rated rows alone: the shelves are forgotten."""
        return self.only(self.rated)

    def rows_of(self, reader: Positions, book: Positions, n_books: int) -> tuple[Positions, Mask]:
        """The row of each pair (reader, book) [p], and whether there is one."""
        keys, wanted = self.owner * n_books + self.book_index, reader * n_books + book
        row = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        return row, (keys[row] == wanted if len(keys) else np.zeros(len(wanted), bool))

    def dense(self, values: Floats, n_books: int) -> Floats:
        """A value of each row [m] as a matrix, 0 where a reader does not have a book [n_readers, n_books]."""
        matrix = np.zeros((len(self), n_books))
        matrix[self.owner, self.book_index] = values
        return matrix

    def has(self, n_books: int) -> Mask:
        """Which books each reader has in their history, rated or on a shelf [n_readers, n_books]."""
        return self.dense(np.ones(len(self.book_index)), n_books) > 0
