"""An unfinished run in one file: the arrays of its state, its best state and its history, swapped in whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shelfaware.arrays import AnyArray
from shelfaware.data.folder import write_file
from shelfaware.errors import TrainingError
from shelfaware.training.history import History

if TYPE_CHECKING:
    from shelfaware.training.loop import Progress


def save(path: Path, progress: Progress, identity: str) -> None:
    """Writes a checkpoint; a kill while it is written leaves the one before."""
    import jax
    from safetensors.numpy import save_file

    leaves = [np.asarray(leaf, order="C") for leaf in jax.tree.leaves((progress.state, progress.best))]
    about = {"identity": identity, "history": json.dumps(progress.history.to_json()), "rate": repr(progress.rate)}
    arrays = {str(i): leaf for i, leaf in enumerate(leaves)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, lambda temporary: save_file(arrays, temporary, {**about, "digest": _digest(about, leaves)}))


def load(path: Path, *, like: Progress, identity: str) -> Progress:
    """Reads a checkpoint into the structure of `like`. Raises TrainingError if it is damaged or of another run."""
    import jax
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            about = file.metadata() or {}
            leaves = [file.get_tensor(str(i)) for i in range(len(list(file.keys())))]
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"the checkpoint {path} is damaged ({error}); delete it or train without --resume") from error
    if about.pop("digest", None) != _digest(about, leaves):
        raise TrainingError(f"the checkpoint {path} is damaged (its hash differs); delete it or train without --resume")
    if about.get("identity") != identity:
        raise TrainingError(f"the checkpoint {path} is of other data or settings; delete it or train without --resume")
    state, best = jax.tree.unflatten(jax.tree.structure((like.state, like.best)), leaves)
    return type(like)(state, best, History.from_json(json.loads(about["history"])), float(about["rate"]))


def _digest(about: dict[str, str], leaves: Sequence[AnyArray]) -> str:
    """SHA-256 of all that a checkpoint says: safetensors itself lets a flipped bit through."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for leaf in leaves:
        digest.update(f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes())
    return digest.hexdigest()
