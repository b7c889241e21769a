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
from shelfaware.training.processes import shared

if TYPE_CHECKING:
    from shelfaware.training.loop import Learner, Progress


def save(path: Path | None, progress: Progress, identity: str) -> None:
    """Writes a checkpoint; a kill while it is written leaves the one before. Of several processes the first one writes."""
    import jax
    from safetensors.numpy import save_file

    from shelfaware.training.devices import whole

    leaves = [np.asarray(whole(leaf), order="C") for leaf in jax.tree.leaves((progress.state, progress.best))]
    if path is None:
        return
    about = {"identity": identity, "progress": json.dumps(progress.to_json())}
    arrays = {str(i): leaf for i, leaf in enumerate(leaves)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, lambda temporary: save_file(arrays, temporary, {**about, "digest": _digest(about, leaves)}))


def load(path: Path | None, learner: Learner, identity: str) -> Progress | None:
    """Reads a checkpoint of `learner`, if there is one; of several processes the first one reads it for all.

    Raises TrainingError if it is damaged or of another run.
    """
    import jax

    from shelfaware.training.devices import like
    from shelfaware.training.loop import Progress

    kept = shared(lambda: _read(path, identity) if path and path.exists() else None)
    if kept is None:
        return None
    told, leaves = kept[0], list[Any](kept[1])
    state, best, of_jax = _structures(learner)
    for i, shape in of_jax.items():
        leaves[i] = like(shape, leaves[i])  # one after another: both of all would not fit
    n = state.num_leaves
    found = jax.tree.unflatten(best, leaves[n:]) if len(leaves) > n else None
    return Progress.from_json(told, jax.tree.unflatten(state, leaves[:n]), found)


def _read(path: Path, identity: str) -> tuple[Any, Sequence[AnyArray]]:
    """What a checkpoint tells of its run, and its arrays."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            about = file.metadata() or {}
            leaves = [file.get_tensor(str(i)) for i in range(len(list(file.keys())))]
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"the checkpoint {path} is damaged ({error}); delete it or train without --resume") from error
    if about.pop("digest", None) != _digest(about, leaves):
        raise TrainingError(f"the checkpoint {path} is damaged (its hash differs); delete it or train without --resume")
    if about.get("identity") != identity or "progress" not in about:
        raise TrainingError(f"the checkpoint {path} is of other data or settings; delete it or train without --resume")
    return json.loads(about["progress"]), leaves


def _structures(learner: Learner) -> tuple[Any, Any, dict[int, Any]]:
    """Those of a state and of what is learned, and the shape and layout of those arrays of a state that are JAX's.

    The state itself is gone before another is read.
    """
    import jax

    state = learner.start(0)
    of_jax = {
        i: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)  # type: ignore[no-untyped-call]
        for i, leaf in enumerate(jax.tree.leaves(state))
        if isinstance(leaf, jax.Array)
    }
    return jax.tree.structure(state), jax.tree.structure(learner.learned(state)), of_jax


def _digest(about: dict[str, str], leaves: Sequence[AnyArray]) -> str:
    """SHA-256 of all that a checkpoint says: safetensors itself lets a flipped bit through."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for leaf in leaves:
        digest.update(f"{leaf.dtype}{leaf.shape}".encode())
        digest.update(leaf.reshape(-1).view(np.uint8).data)  # no copy: a table can be large
    return digest.hexdigest()
