"""The first step's gradient and a short fit of `gp`, on all devices: HOST:PORT, number, processes, dataset, file.

Writes them to the file. With 0 processes it is on its own, with what devices there are.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from shelfaware.data.parts import Parts
from shelfaware.models import gp_network
from shelfaware.models.gp import GP
from shelfaware.models.gp_batches import Batch, Batches, Steps
from shelfaware.models.gp_fitting import Means, Start, learned
from shelfaware.models.gp_learner import GPLearner
from shelfaware.models.gp_network import STATE, Parameters
from shelfaware.models.gp_shares import LAYOUT, shared
from shelfaware.models.source import Source
from shelfaware.training import adam, devices
from shelfaware.training.loop import Run
from shelfaware.training.processes import Group, is_first, joined

SETTINGS = {"factors": 3, "epochs": 3, "block_size": 8}
SOME_BOOKS, EVERY_BOOK = 40, 104
"""Ratings of a step: of five blocks, which have some of many books; of thirteen, so many places that few books are in each."""


def measured(dataset: Path) -> dict[str, np.ndarray]:
    """The gradient of the first step by book [n_books, width] and of the scalars [1, 2]; MSE by epoch; the book vectors."""
    parts = Parts.open(dataset)
    model = GP(**SETTINGS, batch_size=SOME_BOOKS if parts.n_books > EVERY_BOOK else EVERY_BOOK)
    source = Source.of_parts(parts, dataset.parent, shelves=True)
    of_books, of_scalars = first_gradient(model, source)
    arrays = learned(model, source, None, Run(), Start(model.decays[0], Means.of(source)))
    assert model.history is not None
    return {
        "of_books": of_books,
        "of_scalars": of_scalars,
        "mse": np.array(model.history.mse),
        "vectors": arrays["book_vectors"],
        "devices": np.array(devices.count()),
    }


def first_gradient(model: GP, source: Source) -> tuple[np.ndarray, np.ndarray]:
    means = Means.of(source)
    batches = Batches(model, source.n_books, source.readers(), source.n_parts, devices.own_blocks)
    learner = GPLearner(model, model.decays[0], batches, means.of_books, means.center)
    loss = partial(gp_network.batch_loss, learner.task, jnp.float32(means.center))

    def gradient(state: Parameters, steps: Steps) -> tuple[jax.Array, jax.Array]:
        batch = Batch(*(x[0] for x in steps.batch))
        values = adam.gather(state.books, batch.rows).value, state.scalars.value
        _, (of_rows, of_scalars) = devices.value_and_grad(loss)(values, batch)
        return jnp.zeros_like(state.books.value).at[batch.rows].add(of_rows), of_scalars

    spread = devices.divided(gradient, (STATE, LAYOUT), (devices.BY_ROWS, devices.EVERYWHERE))
    of_books, of_scalars = jax.jit(spread)(learner.start(0), shared(batches.steps(0, 0), source.n_books, batches.n_blocks))
    return devices.whole(of_books)[: source.n_books], np.asarray(of_scalars)


if __name__ == "__main__":
    coordinator, (number, n), (dataset, out) = sys.argv[1], map(int, sys.argv[2:4]), map(Path, sys.argv[4:])
    with joined(Group(coordinator, number, n) if n else None):
        found, writes = measured(dataset), is_first()
    if writes:
        np.savez(out, **found)
