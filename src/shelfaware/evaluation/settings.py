"""Settings that a search chose, in a file that `train --config` takes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shelfaware.data.folder import write_file
from shelfaware.errors import DataError
from shelfaware.models.registry import create


@dataclass(frozen=True)
class ChosenOn:
    """The validation that a search looked at: a share of the training part of one split of one dataset."""

    fingerprint: str
    holdout: str
    seed: int
    validation: float


@dataclass(frozen=True)
class Settings:
    """A model by name and its hyper-parameters; `found` says how well it did, for a person to read."""

    model: str
    settings: dict[str, Any]
    chosen_on: ChosenOn | None = None
    found: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        content = json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"
        write_file(path, lambda temporary: temporary.write_text(content, encoding="utf-8"))

    def refuse_test_ratings(self, fingerprint: str, holdout: str, seed: int) -> None:
        """Raises DataError where the search has seen ratings that this split of the same data would test on."""
        on = self.chosen_on
        if on is None or holdout == "none" or fingerprint != on.fingerprint or (holdout, seed) == (on.holdout, on.seed):
            return
        raise DataError(
            f"these settings were chosen with the holdout {on.holdout} and seed {on.seed}, and may have seen what "
            f"{holdout} with seed {seed} holds out; train with the same split or with --holdout none"
        )


def read_settings(path: Path) -> Settings:
    """Raises DataError for a file that is no such file, ModelError for a model or setting that there is not."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DataError(f'{path} is not JSON; it should hold {{"model": ..., "settings": {{...}}}}') from None
    if not isinstance(content, dict) or not isinstance(content.get("model"), str):
        raise DataError(f"{path} names no model; `shelfaware tune` writes such a file")
    known = set(Settings.__dataclass_fields__)
    if unknown := sorted(set(content) - known):
        raise DataError(f"{path} has {unknown[0]!r}, which nothing reads; it may have {', '.join(sorted(known))}")
    settings, found = content.get("settings", {}), content.get("found", {})
    if not isinstance(settings, dict) or not isinstance(found, dict):
        raise DataError(f"{path} is damaged: settings and found are objects of names and values")
    create(content["model"], settings)
    return Settings(content["model"], settings, _chosen_on(content.get("chosen_on"), path), found)


def _chosen_on(content: Any, path: Path) -> ChosenOn | None:
    if content is None:
        return None
    try:
        return ChosenOn(
            str(content["fingerprint"]), str(content["holdout"]), int(content["seed"]), float(content["validation"])
        )
    except (TypeError, KeyError, ValueError, OverflowError):
        raise DataError(f"{path} is damaged: chosen_on has fingerprint, holdout, seed and validation") from None
