"""Before `train` trains: whether the data is held in memory or read a part at a time, and what it will take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shelfaware.models.base import Model
    from shelfaware.models.estimates import Size


@dataclass(frozen=True)
class Plan:
    """`said` is for the person, before the training starts. `by_popularity`: whether there is no room for EASE."""

    in_parts: bool
    said: tuple[str, ...] = ()
    by_popularity: bool = False


def planned(model: Model, counts: Size, out: Path, *, from_parts: bool, watched: str | None) -> Plan:
    """Only `gp` can be estimated and trained from parts, and from parts only without the option `watched`.

    Raises ModelError or DataError where that is asked for, TrainingError where memory or disk will not do.
    """
    from shelfaware.errors import DataError, ModelError
    from shelfaware.models.estimates import estimate, size
    from shelfaware.models.gp import GP

    if not isinstance(model, GP):
        if from_parts:
            raise ModelError(f"--from-parts is of gp; {model.name} needs all rows in memory")
        return Plan(False)
    if from_parts and watched:
        raise DataError(f"--from-parts holds no rating out; leave out {watched}, or train in memory on fewer users")
    in_memory = estimate(model, counts, in_parts=False)
    fits = in_memory.fits_memory
    if not from_parts and (fits or watched or not counts.divided):
        in_memory.refuse(out, f"leave out {watched} to train a part at a time" if watched and counts.divided else ADVICE)
        return Plan(False, (f"Training takes {in_memory}.",))
    needed = estimate(model, counts, in_parts=True)
    lack, ranker = needed.lacks(out), tuple[str, ...]()
    if lack:
        needed, ranker = estimate(model, counts, in_parts=True, by_popularity=True), (RANKER.format(lack),)
        needed.refuse(out, ADVICE)
    why = "" if from_parts else f" (all rows at once would take {size(in_memory.memory_bytes)} of memory)"
    return Plan(True, (f"Training a part at a time takes {needed}{why}.", *ranker), by_popularity=bool(lack))


ADVICE = "free some, or take fewer --factors or --processes"
RANKER = "It will rank by popularity: with ease the training {}."
