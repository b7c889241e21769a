"""Verbs that judge: a model on what was held out, models side by side, pictures of both."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shelfaware.cli.options import Dataset, Folds, Holdout, Json, ModelFolder, Models, Repeats, Seed
from shelfaware.cli.showing import SIMULATED, note, number, put_json, put_table

if TYPE_CHECKING:
    from shelfaware.data.interactions import Interactions
    from shelfaware.evaluation.metrics import Decile
    from shelfaware.models.base import Model

MODELS = "blend,bpmf:shelves,bpmf:ratings,gp:shelves,gp:ratings,gmf,als,autoencoder,neighbours,bias,mean,ease,popularity"
"""Every one; the variants that repeat older studies stand beside them when they are named."""

FIGURES = {
    "mse": "MSE, stars^2",
    "rmse": "RMSE, stars",
    "mae": "MAE, stars",
    "ndcg_at_10": "nDCG@10, A: all books not rated",
    "ndcg_at_10_unshelved": "nDCG@10, B: nor on a shelf",
    "recall_at_10": "recall@10, A",
    "mrr_at_10": "MRR@10, A",
    "catalogue_coverage_at_10": "share of the books in some top 10, A",
    "coverage_90": "ratings inside their 90 % interval",
    "spearman": "Spearman of |error| and deviation",
    "auc": "AUC of |error| > 1 by deviation",
}


def evaluate(model: ModelFolder, dataset: Dataset, as_json: Json = False) -> None:
    """Judge a model on its own holdout, which it has never seen."""
    from shelfaware.evaluation.protocol import decile_rows, deciles, judge
    from shelfaware.evaluation.segments import coverage_by_decile

    loaded, test = load_with_holdout(model, dataset)
    judged = judge(loaded, test)
    figures = judged.figures()
    parts = deciles(judged.held, loaded.known_readers) if judged.held else {}
    inside = coverage_by_decile(judged.held, loaded.known_readers) if judged.held else {}
    if as_json:
        about = {"model_version": loaded.version, "simulated": loaded.simulated}
        by_tenths = {"mse_by_ratings_of": decile_rows(parts), "coverage_90_by_ratings_of": decile_rows(inside)}
        return put_json({**about, **figures, **by_tenths})
    put_table(f"{loaded.name} on {figures['n']:,} held-out ratings", ("", ">", "95 % interval"), figure_rows(figures))
    for of, rows in parts.items():
        shares = [one.mean.mean for one in inside[of]] if inside else [None] * len(rows)
        shown = [_decile_row(one, share) for one, share in zip(rows, shares, strict=True)]
        columns = (f"ratings of the {of}", ">pairs", ">MSE", "95 % interval", ">in 90 %")
        put_table(f"MSE by ratings of the {of}", columns, shown)
    return note(SIMULATED) if loaded.simulated else None


def _decile_row(decile: "Decile", share: float | None) -> tuple[str, ...]:
    """Ratings, pairs, MSE, its interval and the share inside 90 % intervals."""
    between = f"{decile.mean.low:.3f} to {decile.mean.high:.3f}"
    return f"{decile.least:,} to {decile.most:,}", f"{decile.n:,}", number(decile.mean.mean), between, number(share)


def compare(
    dataset: Dataset,
    holdout: Holdout = "random:0.1",
    repeats: Repeats = 1,
    folds: Folds = 0,
    models: Models = MODELS,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """A leaderboard: all models fitted and judged on the same splits, who can be told apart, with seconds and memory."""
    from shelfaware.data.dataset import load
    from shelfaware.evaluation.compare import compare as compared
    from shelfaware.evaluation.plan import Plan

    data, plan = load(dataset), Plan(holdout, seed, repeats, folds)
    board = compared(data, named(models), plan, on_model=lambda name: note(f"fitting {name} ..."))
    if as_json:
        return put_json(board)
    _put_board(board)
    return note(SIMULATED) if data.simulated else None


def named(models: str) -> list[str]:
    """The models of an option such as `gp,bias`."""
    return [name.strip() for name in models.split(",") if name.strip()]


MARKS = {"best": "*", "not distinguishable": "~", "worse": " "}
MARKED = (
    "* the best; ~ not distinguishable from it: the 95 % interval of their difference holds 0; "
    "\u00b1 half the interval of the MSE; rho: how well deviations rank errors (Spearman)."
)


def _put_board(board: dict[str, Any]) -> None:
    from rich.text import Text

    columns = {
        "mse": (">MSE", 3),
        "ndcg_at_10": (">nDCG A", 3),
        "ndcg_at_10_unshelved": (">nDCG B", 3),
        "coverage_90": (">in 90 %", 3),
        "spearman": (">rho", 2),
        "fit_seconds": (">fit s", 1),
        "peak_mb": (">MB", 0),
    }
    shown = []
    for row in sorted(board["models"], key=lambda row: (row["mse"] is None, row["mse"] or -(row["ndcg_at_10"] or 0))):
        cells = []
        for key, (_, decimals) in columns.items():
            verdict = row["verdicts"].get(key)
            mark = MARKS.get(verdict, "")
            cells.append(Text(number(row[key], decimals) + mark, style="bold" if verdict == "best" else ""))
        bounds = (row.get("intervals") or {}).get("mse")
        give_or_take = f"{number((bounds[1] - bounds[0]) / 2, 3)}" if bounds else ""
        shown.append((row["model"], cells[0], give_or_take, *cells[1:]))
    (first, _), *others = columns.values()
    put_table(f"Held out: {board['holdout']}", ("model", first, ">\u00b1", *(name for name, _ in others)), shown)
    note(MARKED)


def plot(
    folder: Annotated[Path, typer.Argument(metavar="MODEL|DIR", help="A model folder or a dataset folder.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the pictures, PNG and SVG.")],
    factors: Annotated[
        str, typer.Option("--factors", metavar="K,K,...", help="Of a dataset: fit --model at these widths and draw its MSE.")
    ] = "",
    model: Annotated[str | None, typer.Option("--model", help="The model to fit at each of --factors; gp by default.")] = None,
) -> None:
    """Draw what there is to see: learning curve, error by activity and calibration of a model; ratings of a dataset."""
    from shelfaware.errors import DataError
    from shelfaware.evaluation.pictures import dataset_pictures, factors_picture, model_pictures
    from shelfaware.models.folder import MANIFEST

    if model and not factors:
        raise DataError("--model is the model to fit at each of --factors; give both")
    if (folder / MANIFEST).exists():
        from shelfaware.models.folder import load_model

        if factors:
            raise DataError(f"{folder} is a model; --factors fits models to a dataset, so name its folder")

        loaded = load_model(folder)
        origin = loaded.origin
        dataset = folder / origin.dataset if origin.dataset else None
        held = load_with_holdout(folder, dataset) if dataset and dataset.exists() and origin.holdout != "none" else None
        paths = model_pictures(*held, out) if held else model_pictures(loaded, None, out)
    else:
        from shelfaware.data.dataset import load

        data = load(folder)
        paths = factors_picture(data, model or "gp", _widths(factors), out) if factors else dataset_pictures(data, out)
    for path in paths:
        note(str(path))


def _widths(text: str) -> list[int]:
    from shelfaware.errors import ModelError

    widths = text.split(",")
    if not all(width.isascii() and width.isdigit() and 0 < int(width[:6]) <= 4096 for width in widths):
        raise ModelError(f"--factors takes whole numbers from 1 to 4096, such as 4,16,64, not {text!r}")
    return sorted({int(width) for width in widths})


def load_with_holdout(model: Path, dataset: Path) -> tuple["Model", "Interactions"]:
    """A model that knows its training data again, and what was held out of it."""
    from shelfaware.data.dataset import load
    from shelfaware.data.splits import split
    from shelfaware.errors import EvaluationError
    from shelfaware.models.folder import load_model

    loaded = load_model(model)
    origin = loaded.origin
    if origin.holdout == "none":
        raise EvaluationError(f"{model} was trained on everything; train it again with --holdout random:0.1 to judge it")
    data = load(dataset)
    if data.fingerprint != origin.fingerprint:
        raise EvaluationError(f"{dataset} is not the data that {model} was trained on, or it has changed since")
    train, test = split(data, origin.holdout, seed=origin.holdout_seed)
    return loaded.know(train), test


def figure_rows(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """A row for each figure that there is, with its interval."""
    bounds = {**figures.get("intervals", {}), "ndcg_at_10": figures.get("ndcg_at_10_interval")}
    return [
        (text, number(figures[key]), "{:.3f} to {:.3f}".format(*bounds[key]) if bounds.get(key) else "")
        for key, text in FIGURES.items()
        if figures.get(key) is not None
    ]


VERBS = (evaluate, compare, plot)
