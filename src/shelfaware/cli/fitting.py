"""How `train` fits: in one process or, for `gp`, in several, of which the first one ranks, judges and writes."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shelfaware.cli.showing import note

if TYPE_CHECKING:
    from shelfaware.cli.planning import Plan
    from shelfaware.models.base import Model, Origin
    from shelfaware.training.loop import Run
    from shelfaware.training.processes import Group

Judged = tuple["Model", dict[str, Any] | None]
"""A fitted model, and its figures on what was held out."""


class Place(NamedTuple):
    """What the command line says of processes: their number and, on several machines, where the first is and which is this."""

    processes: int
    coordinator: str | None
    process_id: int | None

    @property
    def first(self) -> bool:
        return not self.process_id

    @property
    def here(self) -> int:
        """Processes of this machine."""
        return 1 if self.coordinator else self.processes

    def check(self, model: Model) -> None:
        """Raises TrainingError or ModelError where the options do not go together."""
        from shelfaware.errors import ModelError, TrainingError
        from shelfaware.models.gp import GP

        if (self.coordinator is None) != (self.process_id is None):
            raise TrainingError("--coordinator and --process-id go together, the same --coordinator on every machine")
        if self.process_id is not None and self.process_id >= self.processes:
            raise TrainingError(f"--process-id counts from 0 to {self.processes - 1}, below --processes")
        if self.coordinator and not self.coordinator.rpartition(":")[2].isdecimal():
            raise TrainingError(f"--coordinator is the first machine's HOST:PORT, not {self.coordinator}")
        if self.processes > 1 and not isinstance(model, GP):
            raise ModelError(f"--processes is of gp; {model.name} is trained in one process")

    def on_ray(self) -> str:
        """The whole command in processes on a Ray cluster, and what the first one says at the end."""
        from shelfaware.errors import TrainingError
        from shelfaware.scale import ray_training

        if self.coordinator or self.process_id is not None:
            raise TrainingError("--ray starts the processes itself; leave out --coordinator and --process-id")
        return ray_training.train([word for word in sys.argv[1:] if word != "--ray"], self.processes)

    @contextlib.contextmanager
    def group(self) -> Iterator[Group | None]:
        """This process among the others, which are started where nothing says that they run elsewhere."""
        from shelfaware.training.processes import Group
        from shelfaware.training.workers import started

        if self.coordinator and self.process_id is not None:
            yield Group(self.coordinator, self.process_id, self.processes)
        elif self.processes > 1:
            with started(self.processes, sys.argv[1:]) as group:
                yield group
        else:
            yield None


@dataclass(frozen=True)
class Order:
    """What to fit, to what, how, and in whose company."""

    model: Model
    dataset: Path
    origin: Origin
    run: Run
    plan: Plan
    group: Group | None


def fitted(order: Order) -> Judged | None:
    """The model, ranked and judged; None where this process is not the first."""
    from shelfaware.training.processes import exchanged, joined

    with joined(order.group):
        finish = (_from_parts if exchanged(order.plan.in_parts)[0] else _in_memory)(order)
    return finish() if order.group is None or not order.group.process_id else None


def _in_memory(order: Order) -> Callable[[], Judged]:
    """Fits on what is not held out, then knows all of that, and is judged on what is."""
    from shelfaware.data.dataset import load
    from shelfaware.data.splits import last_books, split
    from shelfaware.errors import EvaluationError
    from shelfaware.models.base import RatingModel
    from shelfaware.training.progress import shown

    model, origin, data = order.model, order.origin, load(order.dataset)
    train_data, test = split(data, origin.holdout, seed=origin.holdout_seed)
    if origin.holdout != "none" and not len(test):
        raise EvaluationError(f"the split {origin.holdout!r} holds nothing out of {data.n_ratings:,} ratings; hold out more")
    seen, watched = train_data, None
    if origin.validation and model.config.get("biases") is False:
        seen, watched = last_books(train_data, origin.validation)
    elif origin.validation:
        seen, watched = split(train_data, f"random:{origin.validation}", seed=model.seed)
    note(*order.plan.said)
    with shown(model.name, seen.n_ratings) as on_epoch:
        fit = model.fit_stars if isinstance(model, RatingModel) else model.fit
        fit(seen, watched, dataclasses.replace(order.run, on_epoch=on_epoch))

    def finish() -> Judged:
        from shelfaware.evaluation.standing import standing

        if isinstance(model, RatingModel):
            model.fit_picks(seen)
        model.know(train_data)
        model.origin = dataclasses.replace(origin, n_ratings=seen.n_ratings)
        return model, standing(model, test, learned=seen, known=train_data) if len(test) else None

    return finish


def _from_parts(order: Order) -> Callable[[], Judged]:
    from shelfaware.data.parts import Parts
    from shelfaware.models.gp import GP
    from shelfaware.models.gp_parts import fit_parts, rank_parts
    from shelfaware.training.progress import shown

    model, parts = order.model, Parts.open(order.dataset)
    assert isinstance(model, GP)
    note(*order.plan.said)
    with shown(model.name, parts.ratings) as on_epoch:
        fit_parts(model, parts, dataclasses.replace(order.run, on_epoch=on_epoch))

    def finish() -> Judged:
        rank_parts(model, parts, order.run, by_popularity=order.plan.by_popularity)
        model.origin = dataclasses.replace(order.origin, n_ratings=parts.ratings)
        return model, None

    return finish
