"""The model that a worker answers with, and how a new one takes its place without a request failing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shelfaware.arrays import Positions
from shelfaware.errors import ModelError
from shelfaware.models.base import RatingModel
from shelfaware.models.folder import load_model, read_metrics
from shelfaware.recommending.strangers import refuse_strangers


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model as it was loaded. Answers that belong to one model hold on to one of these."""

    model: RatingModel
    version: str
    metrics: dict[str, Any] | None

    @cached_property
    def places(self) -> dict[str, int]:
        """The index of each book by its id as text; an id written in any other way is unknown."""
        return {str(book_id): index for index, book_id in enumerate(self.model.catalogue.ids.ids)}

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
        self._mark = mark
        try:
            loaded = load(self.folder)
        except Exception:  # a folder that is half copied can fail in any way; the rest of it will change the mark again
            return False
        self.current = loaded
        return True


def load(folder: Path) -> Loaded:
    """A model that can answer strangers, or ModelError."""
    before = _mark(folder)
    model, metrics = load_model(folder), read_metrics(folder)
    if _mark(folder) != before:  # the files of two models may have been read
        raise ModelError(f"{folder} is being replaced at this moment; start again")
    refuse_strangers(model)
    if not isinstance(model, RatingModel):
        raise ModelError(f"{model.name} ranks books and predicts no stars; train a gp to serve")
    return Loaded(model, model.version, metrics)


def _mark(folder: Path) -> list[tuple[str, int, int, int]]:
    """What changes when any file of the folder does; empty where there is none."""
    try:
        found = [(file.name, file.stat()) for file in sorted(folder.iterdir())]
    except OSError:
        return []
    return [(name, one.st_ino, one.st_mtime_ns, one.st_size) for name, one in found]
