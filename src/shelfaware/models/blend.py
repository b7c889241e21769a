"""Blend: several models in one, weighted by what each adds on ratings that none of them saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.errors import DataError, ModelError
from shelfaware.models.base import Explanation, Forecast, RatingModel
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run

HELD_OUT = "random:0.1"
"""The part of the training ratings on which the weights are found."""


@dataclass(kw_only=True, eq=False)
class Blend(RatingModel):
    """stars = c + sum_m w_m stars_m,  w >= 0 (stacked generalisation: Wolpert 1992; Breiman 1996).

    stars_m [pairs] and deviations of each member m, in stars; w [members], c [].

    c and w minimise the squared error on a tenth of the training ratings that no member saw, so there it is never above its
    best member's; then every member is fitted anew on all of them. The variance is that of the members that know theirs,
    weighted alike, times the factor that brings the squared errors on the held-out tenth to their expectation. Reasons are
    the members', weighted.

    members  models by name, separated by commas; each must be able to answer a stranger. A name that stands twice is two
             models, of two seeds
    """

    name: ClassVar[str] = "blend"
    own_differs: ClassVar[bool] = True

    members: str = "gp,bpmf,autoencoder"

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        part, held = split(train, HELD_OUT, seed=self.seed)
        held = held.ratings()
        if not len(held):
            raise DataError(f"blend needs more than {train.n_ratings:,} ratings: a tenth of them is held out")
        forecasts = [self._of_held(model.fit_stars(part), held) for model in self._made()]
        weights, constant = stack(np.stack([one.stars for one in forecasts], axis=1), held.stars.astype(np.float64))
        spread = _spread(forecasts, weights, constant, held.stars)
        fitted = [model.fit_stars(train) for model in self._made()]
        arrays = {f"{i}.{name}": array for i, model in enumerate(fitted) for name, array in model.arrays.items()}
        mean = float(train.stars[train.rated].mean(dtype=np.float64))
        return {**arrays, "center": np.array([mean]), "weights": weights, "constant": np.array([constant]), "spread": spread}

    def _of_held(self, model: RatingModel, held: Interactions) -> Forecast:
        return model.forecast(model.known_readers, held.user_index, held.book_index)

    def _made(self) -> list[RatingModel]:
        """The members, not yet fitted. Raises ModelError for what cannot be one."""
        from shelfaware.models.registry import create

        names = [name.strip() for name in self.members.split(",")]
        made = [create(name, {"seed": self.seed + names[:i].count(name)}) for i, name in enumerate(names)]
        members = [model for model in made if isinstance(model, RatingModel) and not model.holds_users]
        if len(members) < len(made) or any(isinstance(model, Blend) for model in made):
            raise ModelError(
                f"a blend is of models that predict stars for strangers, such as gp,bpmf,als, not {self.members!r}"
            )
        return members

    def _members(self) -> list[tuple[float, RatingModel]]:
        """Each member whose weight is not 0, with its weight; all of them where all are 0."""
        members: list[tuple[float, RatingModel]] = self.derived(self._rebuilt)
        return members

    def _rebuilt(self, arrays: dict[str, AnyArray]) -> list[tuple[float, RatingModel]]:
        members = []
        for i, (weight, model) in enumerate(zip(arrays["weights"].tolist(), self._made(), strict=True)):
            prefix = f"{i}."
            model.arrays = {name.removeprefix(prefix): one for name, one in arrays.items() if name.startswith(prefix)}
            model.books, model.scale = self.books, self.scale
            if weight or not arrays["weights"].any():  # where nobody has one, all stay, for the shape of an answer
                members.append((weight, model))
        return members

    def _sum(self, parts: Iterator[Floats]) -> Floats:
        """constant + sum_m w_m part_m."""
        total = self.arrays["constant"][0]
        for (weight, _), part in zip(self._members(), parts, strict=True):
            total = total + weight * part
        return np.asarray(total, np.float64)

    def _expect(self, readers: Readers) -> Floats:
        return self._sum(model.expect(readers, own=False) for _, model in self._members())

    def _forecast(self, readers: Readers, reader: Positions, book_index: Positions) -> Forecast:
        forecasts = [model.forecast(readers, reader, book_index) for _, model in self._members()]
        return Forecast(self._sum(one.stars for one in forecasts) + np.zeros(len(reader)), self._deviation(forecasts))

    def _deviation(self, forecasts: list[Forecast]) -> Floats | None:
        variance = _variance(forecasts, np.array([weight for weight, _ in self._members()]))
        return None if variance is None else np.asarray(np.sqrt(variance * self.arrays["spread"][0]))

    def _left_out(self, readers: Readers) -> Floats | None:
        parts = [model.left_out(readers) for _, model in self._members()]
        return None if any(part is None for part in parts) else self._sum(part for part in parts if part is not None)

    def _explain(self, reader: Readers, book_index: Positions) -> Explanation:
        """A member without reasons adds its stars to the base."""
        rated = reader.book_index[reader.rated]
        base = np.full(len(book_index), self.arrays["constant"][0])
        shelves, shares = np.zeros(len(book_index)), np.zeros((len(book_index), len(rated)))
        parts = [(weight, model.explain(reader, book_index)) for weight, model in self._members()]
        for weight, one in parts:
            base, shelves = base + weight * one.base, shelves + weight * one.shelves
            if len(one.books):
                shares = shares + weight * one.shares
        known = [Forecast(one.stars, one.deviation) for _, one in parts]
        return Explanation(base, shelves, rated, shares, self._deviation(known))

    def _vectors(self) -> Floats | None:
        """The members' vectors side by side, each as long as its weight."""
        parts = [weight * vectors for weight, model in self._members() if (vectors := model._vectors()) is not None]
        return np.hstack(parts) if parts else None


def stack(stars: Floats, truth: Floats) -> tuple[Floats, float]:
    """w >= 0 [m] and c that minimise |truth - c - stars w|^2 for the members' stars [n, m] (Lawson & Hanson 1974)."""
    from scipy.optimize import nnls

    middle = stars.mean(axis=0)  # [m]
    weights, _ = nnls(stars - middle, truth - truth.mean())
    return weights, float(truth.mean() - middle @ weights)


def _variance(forecasts: list[Forecast], weights: Floats) -> Floats | None:
    """Of the members that know theirs, by weight [n]; None if none does."""
    known = [
        (weight, one.deviation) for weight, one in zip(weights.tolist(), forecasts, strict=True) if one.deviation is not None
    ]
    total = sum(weight for weight, _ in known)
    return None if not total else np.asarray(sum(weight / total * deviation**2 for weight, deviation in known), np.float64)


def _spread(forecasts: list[Forecast], weights: Floats, constant: float, truth: AnyArray) -> Floats:
    """The mean of squared error over variance on what was held out [1]; 1 where no member knows a variance."""
    variance = _variance(forecasts, weights)
    if variance is None:
        return np.ones(1)
    error = truth - constant - np.stack([one.stars for one in forecasts], axis=1) @ weights
    return np.array([np.mean(error**2 / variance)])
