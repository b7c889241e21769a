"""The model that a worker answers with, and how a new one takes its place without a request failing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from shelfaware.arrays import Positions
from shelfaware.errors import ModelError, ShelfawareError
from shelfaware.models.base import RatingModel
from shelfaware.models.folder import MANIFEST, load_model
from shelfaware.recommending.strangers import refuse_strangers


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model as it was loaded. Answers that belong to one model hold on to one of these."""

    model: RatingModel
    version: str

    @cached_property
    def popular(self) -> Positions:
        """Books by how many rated them, most first [n_books]."""
        return np.argsort(-self.model.n_ratings, kind="stable")

    @cached_property
    def _words(self) -> pl.Series:
        table = self.model.catalogue.table
        authors = table["authors"].list.join(" ")
        return (table["title"] + " " + authors).str.to_lowercase()

    def search(self, query: str) -> Positions:
        """Books whose title or authors hold every word of `query`, most rated first."""
        found = np.ones(len(self._words), bool)
        for word in query.lower().split():
            found &= self._words.str.contains(word, literal=True).to_numpy()
        return self.popular[found[self.popular]]


class Engine:
    """Serves from a model folder, and follows it: when another model is written there, `refresh` takes it up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = _mark(folder)
        self.current = load(folder)

    def refresh(self) -> bool:
        """Loads the folder again if it has changed; what cannot be loaded is passed over, and the old model goes on."""
        mark = _mark(self.folder)
        if mark == self._mark:
            return False
        try:
            loaded = load(self.folder)
        except ShelfawareError:
            return False
        self._mark, self.current = mark, loaded
        return True


def load(folder: Path) -> Loaded:
    """A model that can answer strangers, or ModelError."""
    model = load_model(folder)
    refuse_strangers(model)
    if not isinstance(model, RatingModel):
        raise ModelError(f"{model.name} ranks books and predicts no stars; train a gp to serve")
    return Loaded(model, model.version)


def _mark(folder: Path) -> tuple[int, int] | None:
    """What changes when another folder is put in place."""
    try:
        found = (folder / MANIFEST).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
