"""An unfinished run in one file: the arrays of its state, its best state and its history, swapped in whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shelfaware.arrays import AnyArray
from shelfaware.data.folder import write_file
from shelfaware.errors import TrainingError
from shelfaware.training.history import History

if TYPE_CHECKING:
    from shelfaware.training.loop import Learner, Progress


def save(path: Path, progress: Progress, identity: str) -> None:
    """Writes a checkpoint; a kill while it is written leaves the one before."""
    import jax
    from safetensors.numpy import save_file

    leaves = [np.asarray(leaf, order="C") for leaf in jax.tree.leaves((progress.state, progress.best))]
    history, rates = json.dumps(progress.history.to_json()), json.dumps([*progress.rates, progress.rate])
    about = {"identity": identity, "history": history, "rates": rates}
    arrays = {str(i): leaf for i, leaf in enumerate(leaves)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, lambda temporary: save_file(arrays, temporary, {**about, "digest": _digest(about, leaves)}))


def load(path: Path, learner: Learner, identity: str) -> Progress:
    """Reads a checkpoint of `learner`. Raises TrainingError if it is damaged or of another run."""
    import jax
    from safetensors import SafetensorError, safe_open

    from shelfaware.training.loop import Progress

    state, best, of_jax = _structures(learner)
    try:
        with safe_open(path, "numpy") as file:
            about = file.metadata() or {}
            leaves = [file.get_tensor(str(i)) for i in range(len(list(file.keys())))]
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"the checkpoint {path} is damaged ({error}); delete it or train without --resume") from error
    if about.pop("digest", None) != _digest(about, leaves):
        raise TrainingError(f"the checkpoint {path} is damaged (its hash differs); delete it or train without --resume")
    if about.get("identity") != identity or "rates" not in about:
        raise TrainingError(f"the checkpoint {path} is of other data or settings; delete it or train without --resume")
    for i in of_jax:
        leaves[i] = jax.numpy.array(leaves[i])  # one after another: both of all would not fit
    n = state.num_leaves
    *rates, rate = json.loads(about["rates"])
    return Progress(
        jax.tree.unflatten(state, leaves[:n]),
        jax.tree.unflatten(best, leaves[n:]) if len(leaves) > n else None,
        History.from_json(json.loads(about["history"])),
        rate,
        rates,
        saved=True,
    )


def _structures(learner: Learner) -> tuple[Any, Any, list[int]]:
    """Those of a state and of what is learned, and which arrays of a state are JAX's.

    The state itself is gone before another is read.
    """
    import jax

    state = learner.start(0)
    of_jax = [i for i, leaf in enumerate(jax.tree.leaves(state)) if isinstance(leaf, jax.Array)]
    return jax.tree.structure(state), jax.tree.structure(learner.learned(state)), of_jax


def _digest(about: dict[str, str], leaves: Sequence[AnyArray]) -> str:
    """SHA-256 of all that a checkpoint says: safetensors itself lets a flipped bit through."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for leaf in leaves:
        digest.update(f"{leaf.dtype}{leaf.shape}".encode())
        digest.update(leaf.reshape(-1).view(np.uint8).data)  # no copy: a table can be large
    return digest.hexdigest()
