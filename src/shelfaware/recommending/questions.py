"""A dozen well-chosen books: which one to ask a newcomer about next. "I have not read it" is an answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from shelfaware.arrays import Floats, Mask, Positions
from shelfaware.data.interactions import READ
from shelfaware.errors import DataError
from shelfaware.library.library import Library
from shelfaware.models.base import Model
from shelfaware.models.gp import GP
from shelfaware.models.gp_posterior import solve
from shelfaware.models.readers import Readers
from shelfaware.recommending.answer import Who, person_for

POPULAR = 200
"""The most rated books, of which we want to become sure."""

MOST_READ = 0.5
"""The share of readers who are taken to have read the most rated book: it matters where several books are asked at once."""

LEAST = 1e-3
"""A chance lies between this and 1 - this."""


def next_question(model: Model, who: Who, asked: Collection[int] = (), n: int = 1) -> Positions:
    """Indices of the n books to ask about next, best first, ties by id [<= n]; fewer where no more are left.

    `who` holds the answers that came with stars; a book of `asked` (indices) that `who` does not hold they have not read.
    Never a book, in any edition, that was asked, that they rated or that they want to read. The next is the b of the largest

        P(b) sum over j of P(j) (phi_j . V phi_b)^2 / (phi_b . V phi_b + s_b^2)

    where P is the chance that they have read a book (`chances`), V the covariance of their weights (`models.gp_posterior`) and
    j each of the POPULAR most rated books: a rating of b would lower the variance of j by the fraction. Of several, each is
    chosen as if those before it were answered in their share of cases: V loses
    P(b) V phi_b (V phi_b)^T / (phi_b . V phi_b + s_b^2).

    The rule needs the vectors and the noise of a gp; any other model asks about the most rated books. Raises DataError for n
    below 1 or an index that is no book's.
    """
    if n < 1:
        raise DataError(f"{n} books cannot be asked about; ask about 1 or more")
    reader, told = person_for(model, who).reader, _checked(asked, len(model.catalogue))
    free, works = _free(model, who, reader, told), model.catalogue.works
    telling = Telling.of(model, reader) if isinstance(model, GP) else None
    questions: list[int] = []
    while len(questions) < n and free.any():
        value = model.n_ratings if telling is None else telling.value
        best = int(np.argmax(np.where(free, value, -np.inf)))
        free &= works != works[best]
        questions.append(best)
        if telling is not None:
            telling = telling.after(best)
    return np.array(questions, np.int64)


def chances(n_ratings: Positions) -> Floats:
    """P(b) = MOST_READ n_b / max n, the chance that somebody has read a book with n_b ratings [n_books].

    It is the same whatever they answered. Chances that follow the answers get more answers, but about books like those they
    know by then, and that somebody has not read a book says little of what they read later: such questions told less.
    """
    return np.asarray(np.clip(MOST_READ * n_ratings / max(1, n_ratings.max(initial=0)), LEAST, 1 - LEAST), np.float64)


@dataclass(frozen=True, eq=False)
class Telling:
    """How much a rating of each book would tell of a reader.

    chance [n_books] P; phi [n_books, f]; noise s^2 [n_books]; popular [f, f] the sum of P(j) phi_j phi_j^T over the POPULAR
    books; covariance V [f, f]
    """

    chance: Floats
    phi: Floats
    noise: Floats
    popular: Floats
    covariance: Floats

    @classmethod
    def of(cls, model: GP, reader: Readers) -> Telling:
        vectors = model.vectors()
        phi = np.hstack([vectors, np.full((len(vectors), 1), float(model.arrays["user_deviation"][0]))])
        noise = model.arrays["noise"].astype(np.float64) ** 2
        chance = chances(model.n_ratings)
        most = np.argsort(-model.n_ratings, kind="stable")[:POPULAR]
        popular = (phi[most].T * chance[most]) @ phi[most]
        # What stands on their shelf as read and without stars, they have read.
        chance[reader.book_index[reader.shelf == READ]] = 1 - LEAST
        rated = reader.book_index[reader.rated]
        return cls(chance, phi, noise, popular, _covariance(phi[rated], noise[rated]))

    @property
    def value(self) -> Floats:
        """P(b) sum over j of P(j) (phi_j . V phi_b)^2 / (phi_b . V phi_b + s_b^2), all j at once [n_books]."""
        spread = self.phi @ self.covariance  # [n_books, f]
        drop = np.einsum("bf,bf->b", spread @ self.popular, spread)  # [n_books]
        return np.asarray(self.chance * drop / (np.einsum("bf,bf->b", spread, self.phi) + self.noise))

    def after(self, book: int) -> Telling:
        """Once the book is asked, its answer still unknown."""
        spread = self.covariance @ self.phi[book]  # [f]
        lost = self.chance[book] * np.outer(spread, spread) / (spread @ self.phi[book] + self.noise[book])
        return replace(self, covariance=self.covariance - lost)


def _covariance(phi: Floats, noise: Floats) -> Floats:
    """V [f, f] after ratings of books phi [n, f] with noise [n], whatever their stars."""
    solved = solve(phi[None], noise[None], np.zeros((1, len(phi))))
    if solved.dual:
        return np.asarray(np.eye(phi.shape[1]) - phi.T @ solved.matrix[0] @ phi)
    return np.asarray(solved.matrix[0])


def _free(model: Model, who: Who, reader: Readers, asked: Positions) -> Mask:
    """The books that can be asked about [n_books]; a book that they read and did not rate is one."""
    besides = who.besides if isinstance(who, Library) else asked[:0]
    answered = reader.book_index[reader.rated | (reader.shelf != READ)]
    works = model.catalogue.works
    return ~np.isin(works, works[np.concatenate([answered, asked, besides])])


def _checked(asked: Collection[int], n_books: int) -> Positions:
    for book in asked:
        if not isinstance(book, (int, np.integer)) or not 0 <= book < n_books:
            raise DataError(f"{book!r} was asked about and is no book's index; indices go from 0 to {n_books - 1:,}")
    return np.array(sorted(set(asked)), np.int64)
