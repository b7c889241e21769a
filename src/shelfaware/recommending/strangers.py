"""A person's library as a model is told of it."""

from __future__ import annotations

from shelfaware.errors import ModelError
from shelfaware.library.library import Library
from shelfaware.models.base import Model
from shelfaware.models.readers import Readers


def reader_of(library: Library, model: Model) -> Readers:
    """One reader with the ratings and shelf states of a library that was held against the model's own catalogue.

    Half and quarter stars are told as they are, though the model may have seen whole ones alone.
    """
    if model.holds_users:
        raise ModelError(f"{model.name} has a row for each user it was trained on and cannot answer a stranger; train a gp")
    if library.books.ids != model.catalogue.ids or library.scale != model.scale:
        raise ModelError("this library was held against other books than the model's: read it with the model's catalogue")
    return Readers.one(*library.told)


def known_share(library: Library) -> str:
    """How many of their books the model knows, in words."""
    return f"We know {library.n_known:,} of your {library.n_books:,} books."
