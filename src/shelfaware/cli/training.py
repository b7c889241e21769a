"""Verbs that train: a model, or the original notebook once more."""

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shelfaware.cli.options import Dataset, Holdout, Json, Seed
from shelfaware.cli.showing import SIMULATED, note, number, put_json, put_table

if TYPE_CHECKING:
    from shelfaware.data.parts import Parts
    from shelfaware.models.base import Model, Origin


TOLD = ("gp", "bpmf")
"""Models that can be told of shelf states or not."""


def train(
    dataset: Dataset,
    out: Annotated[Path, typer.Option("--out", metavar="MODEL", help="Model folder to write; an older one is replaced.")],
    model: Annotated[str, typer.Option("--model", help="gp, bpmf, blend, gmf, als or another (see `models`).")] = "gp",
    holdout: Holdout = "none",
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Model and settings, as `tune` writes them."),
    ] = None,
    shelves: Annotated[
        bool | None, typer.Option("--shelves/--no-shelves", help="Use shelf states; by default where the data has them.")
    ] = None,
    preset: Annotated[Literal["notebook"] | None, typer.Option(help="The original's network and settings (gmf).")] = None,
    validation: Annotated[
        float | None, typer.Option(min=0, max=0.9, help="Share of the training ratings to watch and never learn from.")
    ] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs without better validation.")] = None,
    factors: Annotated[int | None, typer.Option(min=1, max=4096, help="Width of the vectors.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, max=10_000, help="Passes over the ratings.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Ratings of a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, max=100, help="Adam's rate at its peak.")] = None,
    weight_decay: Annotated[float | None, typer.Option(min=0, max=1e6, help="Decay of the vectors.")] = None,
    dropout: Annotated[float | None, typer.Option(min=0, max=0.99, help="Share of elements dropped (gmf).")] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from where an interrupted run stopped.")] = False,
    from_parts: Annotated[
        bool, typer.Option("--from-parts", help="Read the dataset a part at a time (gp), as if it did not fit in memory.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, max=1024, help="Train in so many processes, a core each (gp).")] = 1,
    coordinator: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where process 0 is reached, when each process is started by itself."),
    ] = None,
    process_id: Annotated[int | None, typer.Option(min=0, help="Which of those processes this is, from 0.")] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Start the processes on the cluster of RAY_ADDRESS.")] = False,
) -> None:
    """Train a model and its ranker into one folder; print its figures on what was held out."""
    from shelfaware.cli.fitting import Order, Place, fitted
    from shelfaware.cli.planning import planned
    from shelfaware.data.folder import refuse_foreign
    from shelfaware.data.parts import Parts
    from shelfaware.errors import ModelError
    from shelfaware.models.base import Model
    from shelfaware.models.estimates import Size
    from shelfaware.models.folder import ARRAYS
    from shelfaware.training.alone import alone
    from shelfaware.training.loop import Run

    place = Place(processes, coordinator, process_id)
    if ray:
        return note(place.on_ray())
    if place.first:
        refuse_foreign(out, owns=ARRAYS)
    given: dict[str, Any] = {
        "shelves": shelves,
        "patience": patience,
        "factors": factors,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "dropout": dropout,
    }
    settings = {name: value for name, value in given.items() if value is not None} | {"seed": seed}
    parts = Parts.open(dataset)
    if config:
        model, settings = _configured(config, model, settings, (parts, holdout))
    made: Model = _made(model, preset, settings, parts)
    origin = _origin(parts, dataset, out, (holdout, seed))
    origin = dataclasses.replace(origin, validation=_validation(made, validation))
    place.check(made)
    if not made.in_epochs and (resume or validation):
        raise ModelError(f"{model} is fitted at once, so that --resume and --validation mean nothing to it; leave them out")
    plan = planned(made, Size.of(parts, place.here), out, from_parts=from_parts, watched=_watched(made, origin))
    run = Run(checkpoint=out.with_name(out.name + ".checkpoint"), resume=resume)
    with alone(out) if place.first else contextlib.nullcontext(), place.group() as group:
        done = fitted(Order(made, dataset, origin, run if place.first else Run(), plan, group))
        if done:
            done[0].save(out, done[1])
    return _report(*done, out, dataset) if done else None


def notebook(
    dataset: Dataset,
    seed: Seed = 0,
    redraw: Annotated[bool, typer.Option("--redraw/--no-redraw", help="Draw a dead network again.")] = True,
    as_json: Json = False,
) -> None:
    """Run the original notebook once more: its recorded figures beside ours."""
    from shelfaware.data.dataset import load
    from shelfaware.evaluation.rerun import rerun_notebook
    from shelfaware.training.loop import Run
    from shelfaware.training.progress import shown

    data = load(dataset)
    with shown("the notebook's network", data.n_ratings) as on_epoch:
        figures = rerun_notebook(data, seed=seed, redraw=redraw, run=Run(on_epoch))
    if as_json:
        return put_json(figures)
    recorded = figures["recorded"]
    rows = [
        ("rows to train on", f"{recorded['train_rows']:,}", f"{figures['train_rows']:,}"),
        ("rows to validate on", f"{recorded['validation_rows']:,}", f"{figures['validation_rows']:,}"),
        ("test MSE, stars^2", number(recorded["test_mse"], 4), number(figures["test_mse"], 4)),
        ("train MSE, stars^2", number(recorded["train_mse"], 4), number(figures["train_mse"], 4)),
        ("dead draws thrown away", "-", f"{figures['redraws']}"),
    ]
    ours = figures["loss"] + [None] * len(recorded["loss"])
    rows += [
        (f"loss of epoch {i}", number(theirs, 4), number(mine, 4))
        for i, (theirs, mine) in enumerate(zip(recorded["loss"], ours, strict=False), 1)
    ]
    put_table("The notebook, run again", ("", ">recorded", ">ours"), rows)
    return note(f"{sum(figures['seconds']):.1f} seconds, compilation included.")


def _configured(path: Path, model: str, settings: dict[str, Any], judged: tuple["Parts", str]) -> tuple[str, dict[str, Any]]:
    """The file's model, and its settings with those of the command line in their place."""
    from shelfaware.errors import ModelError
    from shelfaware.evaluation.settings import read_settings

    read = read_settings(path)
    if model not in ("gp", read.model):
        raise ModelError(f"{path} has settings of {read.model}, not of {model}; leave out --model")
    data, holdout = judged
    read.refuse_test_ratings(data.fingerprint, holdout, settings["seed"])
    return read.model, {**read.settings, **settings}


def _made(name: str, preset: str | None, settings: dict[str, Any], data: "Parts") -> "Model":
    from shelfaware.errors import DataError, ModelError
    from shelfaware.models.registry import create

    kind, shelves = name.partition(":")[0], settings.get("shelves")
    if preset:
        if kind not in ("gmf", "gp"):
            raise ModelError(f"the preset notebook is of gmf, not of {name}")
        name = kind = "gmf:notebook"
    if shelves and not any(part.has_shelves for part in data):
        raise DataError("this dataset has no shelf states; leave out --shelves")
    if shelves is not None and kind not in TOLD:
        raise ModelError(f"--{'' if shelves else 'no-'}shelves is a setting of {' and '.join(TOLD)}, not of {name}")
    return create(name, {key: value for key, value in settings.items() if key != "shelves" or kind in TOLD})


def _validation(model: "Model", share: float | None) -> float:
    """A patient model needs something to watch; the notebook's watches the last fifth of its books."""
    from shelfaware.errors import DataError

    if share is not None:
        if model.config.get("patience") and not share:
            raise DataError("--patience needs ratings to watch; leave out --validation, or give it a share above 0")
        return share
    if model.config.get("biases") is False:
        return 0.2
    return 0.1 if model.config.get("patience") else 0.0


def _watched(model: "Model", origin: "Origin") -> str | None:
    """The option that keeps ratings from being learned."""
    if origin.holdout != "none":
        return "--holdout"
    return ("--patience" if model.config.get("patience") else "--validation") if origin.validation else None


def _origin(data: "Parts", dataset: Path, out: Path, holdout: tuple[str, int]) -> "Origin":
    from shelfaware.models.base import Origin

    return Origin(
        fingerprint=data.fingerprint,
        dataset=Path(os.path.relpath(dataset.absolute(), out.absolute())).as_posix(),
        holdout=holdout[0],
        holdout_seed=holdout[1],
    )


def _report(model: "Model", metrics: dict[str, Any] | None, out: Path, dataset: Path) -> None:
    from shelfaware.cli.judging import figure_rows

    if metrics:
        put_table(f"{model.name} on {metrics['n']:,} held-out ratings", ("", ">", "95 % interval"), figure_rows(metrics))
    if model.history:
        history = model.history
        redrawn = f", {history.redraws} dead draws thrown away" if history.redraws else ""
        note(f"{len(history.records)} epochs in {sum(history.seconds):.1f} seconds, epoch {history.best_epoch} kept{redrawn}.")
    if model.simulated:
        note(SIMULATED)
    note(f"The model is in {out}; next: shelfaware recommend {out} {dataset} --user {_somebody(model)} --why")


def _somebody(model: "Model") -> str:
    assert model.users is not None
    return str(model.users.id_of(int(model.known_readers.n_ratings.argmax())))


VERBS = (train, notebook)
