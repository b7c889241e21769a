"""The verb that searches for settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfaware.cli.options import Dataset, Holdout, Json, Seed
from shelfaware.cli.showing import SIMULATED, note, number, put_json, put_table

if TYPE_CHECKING:
    from shelfaware.evaluation.settings import Settings
    from shelfaware.evaluation.tune import Trial


def tune(
    dataset: Dataset,
    out: Annotated[Path, typer.Option("--out", metavar="TUNE", help="Folder of the search; one that is there goes on.")],
    model: Annotated[str, typer.Option("--model", help="The model to search for (see `models`).")] = "gp",
    trials: Annotated[int, typer.Option("--trials", min=1, max=10_000, help="Fits in all, earlier runs counted.")] = 30,
    holdout: Holdout = "random:0.1",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Search for a model's settings by validation inside the training ratings; Ctrl-C keeps what was done."""
    from dataclasses import asdict

    from shelfaware.data.dataset import load
    from shelfaware.evaluation.pictures import search_pictures
    from shelfaware.evaluation.tune import BEST, Search
    from shelfaware.evaluation.tune import tune as searched

    search = Search(load(dataset), model, out, holdout, seed)
    best = searched(search, trials, on_trial=lambda trial: note(_told(trial)))
    for path in search_pictures(search, out):
        note(str(path))
    if as_json:
        put_json(asdict(best))
    else:
        _put_best(best)
    if search.data.simulated:
        note(SIMULATED)
    split = f"--holdout {holdout} --seed {seed}"
    note(f"The best settings are in {out / BEST}; next: shelfaware train {dataset} --config {out / BEST} {split} --out model")


def _told(trial: "Trial") -> str:
    value = "stopped early" if trial.value is None else number(trial.value, 4)
    return f"trial {trial.number + 1}: {value} with " + ", ".join(f"{name} {_short(x)}" for name, x in trial.settings.items())


def _short(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}"


def _put_best(best: "Settings") -> None:
    from shelfaware.models.registry import create

    usual, found = create(best.model).usual, best.found
    rows = [(name, _short(usual[name]), _short(value)) for name, value in best.settings.items()]
    figure = {"mse": "validation MSE", "ndcg_at_10": "validation nDCG@10"}[found["figure"]]
    title = f"{best.model}: {figure} {found['value']:.4f} in trial {found['trial']} of {found['trials']}"
    put_table(title, ("setting", ">usual", ">best"), rows)


VERBS = (tune,)
