"""The models by name. A name may carry a variant: `gp:ratings`, `gp:shelves`, `gmf:notebook`."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from shelfaware.errors import ModelError
from shelfaware.models.als import ALS
from shelfaware.models.autoencoder import Autoencoder
from shelfaware.models.base import Model
from shelfaware.models.baselines import Bias, Mean, Popularity
from shelfaware.models.blend import Blend
from shelfaware.models.bpmf import BPMF
from shelfaware.models.ease import EASE
from shelfaware.models.gmf import GMF
from shelfaware.models.gp import GP
from shelfaware.models.neighbours import Neighbours

MODELS: dict[str, type[Model]] = {
    model.name: model for model in (GP, BPMF, Blend, GMF, ALS, Autoencoder, Neighbours, Bias, Mean, Popularity, EASE)
}

VARIANTS: dict[str, tuple[str, Callable[[], Model]]] = {
    "gp:ratings": ("gp from ratings alone", lambda: GP(shelves=False)),
    "gp:shelves": ("gp with shelf states", lambda: GP(shelves=True)),
    "bpmf:ratings": ("bpmf from ratings alone", lambda: BPMF(shelves=False)),
    "bpmf:shelves": ("bpmf with shelf states", lambda: BPMF(shelves=True)),
    "als:plain": ("als without biases, as the sister study had it", ALS.plain),
    "neighbours:plain": ("neighbours' stars as they are, as the sister study is read", Neighbours.plain),
    "gmf:notebook": ("the original's network, to the letter", GMF.notebook),
}


def create(name: str, settings: Mapping[str, Any] | None = None) -> Model:
    """A model to fit, by name, with some hyper-parameters set. Raises ModelError for a name or setting that there is not."""
    make = VARIANTS[name][1] if name in VARIANTS else MODELS.get(name)
    if make is None:
        raise ModelError(f"no model is called {name!r}; there are {', '.join([*MODELS, *VARIANTS])}")
    model = make()
    hints = get_type_hints(type(model))
    known = {field.name for field in fields(model)}
    for setting, value in (settings or {}).items():
        if setting not in known:
            raise ModelError(f"{name} has no setting {setting!r}; it has {', '.join(sorted(known))}")
        setattr(model, setting, _checked(setting, value, hints[setting]))
    return model


def _checked(setting: str, value: Any, kind: Any) -> Any:
    """The value, a whole number made a float where a float is meant; ModelError if it is of another kind or below 0."""
    kinds = get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if float in kinds and type(value) is int:
        value = float(value)
    if type(value) not in kinds:
        raise ModelError(f"{setting} must be {' or '.join(k.__name__ for k in kinds)}, not {value!r}")
    if isinstance(value, int | float) and not 0 <= value < 1e9:
        raise ModelError(f"{setting} must be a number from 0 on, not {value!r}")
    return value
