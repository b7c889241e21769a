"""The model folder: written whole or not at all, loaded only if every byte is the one that was written.

arrays.safetensors   every fitted number, the ranker's under `ranker.`
config.json          model, hyper-parameters, format version, origin, library versions
books.parquet        the catalogue (and users.parquet, where the model holds users)
history.json, metrics.json, README.md
manifest.json        SHA-256 of each other file
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shelfaware.data.books import Books
from shelfaware.data.folder import sha256, write_folder
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import Scale
from shelfaware.errors import ModelError
from shelfaware.models.base import Model, Origin, Ranker, RatingModel
from shelfaware.models.card import model_card
from shelfaware.models.registry import create
from shelfaware.training.history import History

FORMAT_VERSION = 2
MANIFEST, CONFIG, ARRAYS = "manifest.json", "config.json", "arrays.safetensors"
RANKER = "ranker."
FILES = (ARRAYS, CONFIG, "books.parquet", "history.json", "metrics.json", "README.md")
LIBRARIES = ("shelfaware", "numpy", "scipy", "polars", "jax", "safetensors")


def save_model(model: Model, folder: Path, metrics: dict[str, Any] | None = None) -> None:
    """Writes a fitted model, in place of an older one at `folder`. `metrics` are its figures on what was held out."""
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(model.all_arrays().items())}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{model.name} was not saved: its {name} holds a number that is not finite")
    history = model.history.to_json() if model.history else None
    files: dict[str, Callable[[Path], object]] = {
        ARRAYS: lambda path: save_file(arrays, path),
        CONFIG: lambda path: _write_json(path, _config(model)),
        "books.parquet": model.catalogue.table.write_parquet,
        "history.json": lambda path: _write_json(path, history),
        "metrics.json": lambda path: _write_json(path, metrics),
        "README.md": lambda path: path.write_text(model_card(model, metrics), encoding="utf-8"),
    }
    if model.holds_users and model.users:
        files["users.parquet"] = model.users.ids.to_frame().write_parquet
    hashed = tuple(files)
    files[MANIFEST] = lambda path: path.write_bytes(_manifest_bytes({name: sha256(path.parent / name) for name in hashed}))
    write_folder(folder, files, owns=ARRAYS)


def load_model(folder: Path | str) -> Model:
    """Reads a model folder. Raises ModelError if it is missing, damaged, edited or of another version."""
    folder = Path(folder)
    names = _verify(folder)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if config["format_version"] != FORMAT_VERSION:
        raise ModelError(
            f"{folder} is a model of format {config['format_version']}, this version reads {FORMAT_VERSION}; train it again"
        )
    if missing := {*FILES, *(["users.parquet"] if config["holds_users"] else [])} - names:
        raise ModelError(f"{folder} is damaged: its {MANIFEST} does not name {min(missing)}; train the model again")
    model = create(config["model"], config["settings"])
    arrays, books = _arrays(folder), Books.of(pl.read_parquet(folder / "books.parquet"))
    _give(model, {name: x for name, x in arrays.items() if not name.startswith(RANKER)}, books, config)
    if isinstance(model, RatingModel) and config["ranker"]:
        ranker = create(config["ranker"]["model"], config["ranker"]["settings"])
        assert isinstance(ranker, Ranker)
        _give(ranker, {name.removeprefix(RANKER): x for name, x in arrays.items() if name.startswith(RANKER)}, books, config)
        model.ranker, model.star_weight = ranker, config["ranker"]["star_weight"]
    model.written_version = config["version"]
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    model.history = History.from_json(history) if history else None
    if model.holds_users:
        model.users = IdMap(pl.read_parquet(folder / "users.parquet")["user_id"], "user")
    return model


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """The figures that `save_model` was given, from a verified folder."""
    _verify(folder)
    metrics: dict[str, Any] | None = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def _give(model: Model, arrays: dict[str, Any], books: Books, config: dict[str, Any]) -> None:
    model.arrays, model.books = arrays, books
    model.scale, model.simulated = Scale(**config["scale"]), config["simulated"]
    model.origin = Origin(**config["origin"])


def _config(model: Model) -> dict[str, Any]:
    ranker = model.ranker if isinstance(model, RatingModel) else None
    return {
        "format_version": FORMAT_VERSION,
        "model": model.name,
        "version": model.version,
        "settings": model.config,
        "ranker": {"model": ranker.name, "settings": ranker.config, "star_weight": _star_weight(model)} if ranker else None,
        "scale": asdict(model.scale),
        "simulated": model.simulated,
        "holds_users": model.holds_users,
        "origin": asdict(model.origin),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def _star_weight(model: Model) -> float:
    return model.star_weight if isinstance(model, RatingModel) else 0.0


def _arrays(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    arrays = load_file(folder / ARRAYS)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{folder / ARRAYS} is damaged: its {name} holds a number that is not finite")
    return arrays


def _verify(folder: Path) -> set[str]:
    """The names in the manifest. Raises ModelError unless it is as it was written and every file has its hash."""
    if not (folder / MANIFEST).is_file():
        what = f"{folder} is no model: it has no {MANIFEST}" if folder.exists() else f"there is no folder {folder}"
        raise ModelError(f"{what}; make one with `shelfaware train`")
    try:
        written = (folder / MANIFEST).read_bytes()
        hashes = json.loads(written)
        if _manifest_bytes(hashes) != written or CONFIG not in hashes:
            raise ValueError
        for name, expected in hashes.items():
            if sha256(folder / name) != expected:
                raise ModelError(f"{folder / name} is damaged or was changed; train the model again")
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{folder / MANIFEST} is damaged; train the model again") from None
    except OSError as error:
        raise ModelError(f"{folder} is damaged: {error.strerror} ({Path(error.filename or '').name}); train it again") from None
    return set(hashes)


def _manifest_bytes(hashes: dict[str, str]) -> bytes:
    """One way to write a manifest, so that a changed byte of it shows."""
    return (json.dumps(dict(sorted(hashes.items())), indent=2) + "\n").encode()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
