"""Models fitted once for all tests of the room. Nobody may change them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from shelfaware.data.splits import Split
from shelfaware.models.als import ALS
from shelfaware.models.autoencoder import Autoencoder
from shelfaware.models.base import Model, Ranker, RatingModel
from shelfaware.models.baselines import Bias, Mean, Popularity
from shelfaware.models.blend import Blend
from shelfaware.models.bpmf import BPMF
from shelfaware.models.ease import EASE
from shelfaware.models.gmf import GMF
from shelfaware.models.gp import GP
from shelfaware.models.neighbours import Neighbours
from shelfaware.models.registry import VARIANTS

SMALL = {"factors": 4, "block_size": 16, "batch_size": 128}
BAYESIAN: dict[str, int] = {"factors": 3, "epochs": 40, "samples": 4}
NARROW: dict[str, int] = {"factors": 4, "epochs": 4, "batch_size": 64}
MAKERS: dict[str, Callable[[int], Model]] = {
    "mean": lambda seed: Mean(seed=seed),
    "bias": lambda seed: Bias(seed=seed),
    "popularity": lambda seed: Popularity(seed=seed),
    "ease": lambda seed: EASE(seed=seed),
    "gp ratings": lambda seed: GP(seed=seed, shelves=False, epochs=10, **SMALL),
    "gp shelves": lambda seed: GP(seed=seed, shelves=True, epochs=10, **SMALL),
    "bpmf ratings": lambda seed: BPMF(seed=seed, shelves=False, **BAYESIAN),
    "bpmf shelves": lambda seed: BPMF(seed=seed, shelves=True, **BAYESIAN),
    "als": lambda seed: ALS(seed=seed, factors=3, epochs=5, regularisation=3.0),
    "als plain": lambda seed: ALS(seed=seed, factors=3, epochs=5, regularisation=3.0, biases=False),
    "autoencoder": lambda seed: Autoencoder(seed=seed, **NARROW),
    "blend": lambda seed: Blend(seed=seed, members="als,bias"),
    "blend usual": lambda seed: Blend(seed=seed, members="gp:small,bpmf:small,autoencoder:small,autoencoder:small"),
    "neighbours": lambda seed: Neighbours(seed=seed, neighbours=30, common=3, read_weight=1.0, shelved_weight=0.5),
    "neighbours plain": lambda seed: Neighbours(seed=seed, neighbours=30, centered=False),
    "gmf": lambda seed: GMF(seed=seed, factors=4, epochs=5, batch_size=64),
    "gmf notebook": lambda seed: GMF(seed=seed, factors=4, epochs=5, batch_size=32, weight_decay=0.0, biases=False),
}
MEMBERS: dict[str, tuple[str, Callable[[], Model]]] = {
    "gp:small": ("", lambda: GP(epochs=4, **SMALL)),
    "bpmf:small": ("", lambda: BPMF(**BAYESIAN)),
    "autoencoder:small": ("", lambda: Autoencoder(**NARROW)),
}
"""Of a blend as it is by default, but small."""

RANKERS = ["popularity", "ease"]
RATERS = [name for name in MAKERS if name not in RANKERS]


@pytest.fixture(autouse=True)
def small_members(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, variant in MEMBERS.items():
        monkeypatch.setitem(VARIANTS, name, variant)


@pytest.fixture(params=list(MAKERS))
def model_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def make() -> Callable[..., Model]:
    """A fresh model by name."""
    return lambda name, seed=0: MAKERS[name](seed)


@pytest.fixture(scope="session")
def fitted(planted_split: Split) -> Callable[[str], Model]:
    """A model by name, fitted on the planted training data."""
    return cache(lambda name: MAKERS[name](0).fit(planted_split[0]))


@pytest.fixture
def model(fitted: Callable[[str], Model], model_name: str) -> Model:
    return fitted(model_name)


@pytest.fixture(params=RATERS)
def rater(request: pytest.FixtureRequest, fitted: Callable[[str], Model]) -> RatingModel:
    model = fitted(request.param)
    assert isinstance(model, RatingModel)
    return model


@pytest.fixture(params=RANKERS)
def ranker(request: pytest.FixtureRequest, fitted: Callable[[str], Model]) -> Ranker:
    model = fitted(request.param)
    assert isinstance(model, Ranker)
    return model
