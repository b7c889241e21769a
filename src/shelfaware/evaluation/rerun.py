"""The notebook, run again: its split, its network, its figures, beside what it recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import last_books, split
from shelfaware.models.gmf import GMF, DeadNetworkError
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run

RECORDED = {
    "train_rows": 120_751,
    "validation_rows": 30_188,
    "loss": [3.3000, 0.5341, 0.2774, 0.1739, 0.1374, 0.1181, 0.1075, 0.0986, 0.0920, 0.0868],
    "test_mse": 0.7680,
    "train_mse": 0.2643,
    "seconds": None,
    "redraws": 0,
}
"""What the original recorded; the losses are of another recorded run of the same network. It kept no times."""


def rerun_notebook(data: Interactions, *, seed: int = 0, redraw: bool = True, run: Run | None = None) -> dict[str, Any]:
    """Trains the original's network as it did and returns its figures beside `recorded`; predictions are not clipped.

    The last fifth of the rows, sorted by book and then user, is validation. `redraw=False` keeps a dead draw.
    """
    train, test = split(data, "notebook")
    train, test = train.ratings(), test.ratings()
    model = GMF.notebook(seed=seed)
    model.max_redraws = model.max_redraws if redraw else 0
    seen, watched = last_books(train, 0.2)
    try:
        model.fit(seen, watched, run)
    except DeadNetworkError as death:
        if redraw:
            raise
        model.arrays, model.history = death.arrays, death.history
    assert model.history is not None
    return {
        "train_rows": len(seen),
        "validation_rows": len(watched),
        "loss": model.history.loss,
        "test_mse": _mse(model, test),
        "train_mse": _mse(model, train),
        "seconds": model.history.seconds,
        "redraws": model.history.redraws,
        "recorded": RECORDED,
    }


def _mse(model: GMF, pairs: Interactions) -> float:
    forecast = model.forecast(Readers.of(pairs), pairs.user_index, pairs.book_index)
    return float(np.mean((forecast.stars - pairs.stars) ** 2))
