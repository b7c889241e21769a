"""Somebody who asks: what a model is told of them, and what else they have."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from shelfaware.arrays import Positions
from shelfaware.errors import ModelError
from shelfaware.library.library import Library
from shelfaware.models.base import Model
from shelfaware.models.readers import Readers


@dataclass(frozen=True, eq=False)
class Person:
    """One reader, and the books that they took up or put away of which the model is not told: these are not recommended."""

    reader: Readers
    besides: Positions = field(default_factory=lambda: np.empty(0, np.int64))


def person_of(library: Library, model: Model) -> Person:
    """The owner of a library that was held against the model's own catalogue.

    Half and quarter stars are told as they are, though the model may have seen whole ones alone.
    """
    refuse_strangers(model)
    if library.books.ids != model.catalogue.ids or library.scale != model.scale:
        raise ModelError("this library was held against other books than the model's: read it with the model's catalogue")
    return Person(Readers.one(*library.told), library.besides)


def refuse_strangers(model: Model) -> None:
    """Raises ModelError for a model that cannot answer somebody whom it was not trained on."""
    if model.holds_users:
        raise ModelError(f"{model.name} has a row for each user it was trained on and cannot answer a stranger; train a gp")


def known_share(library: Library) -> str:
    """How many of their books the model knows, in words."""
    return f"We know {library.n_known:,} of your {library.n_books:,} books."
