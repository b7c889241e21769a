"""Verbs that judge: a model on what was held out, models side by side, pictures of both."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shelfaware.cli.options import Dataset, Holdout, Json, ModelFolder, Seed
from shelfaware.cli.showing import SIMULATED, note, number, put_json, put_table

if TYPE_CHECKING:
    from shelfaware.data.interactions import Interactions
    from shelfaware.models.base import Model

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
    from shelfaware.evaluation.protocol import decile_rows, deciles, evaluate, forecasts
    from shelfaware.models.base import RatingModel

    loaded, test = load_with_holdout(model, dataset)
    figures = evaluate(loaded, test)
    parts = deciles(forecasts(loaded, test.ratings()), loaded.known_readers) if isinstance(loaded, RatingModel) else {}
    if as_json:
        about = {"model_version": loaded.version, "simulated": loaded.simulated}
        return put_json({**about, **figures, "mse_by_ratings_of": decile_rows(parts)})
    put_table(f"{loaded.name} on {figures['n']:,} held-out ratings", ("", ">", "95 % interval"), figure_rows(figures))
    for of, rows in parts.items():
        shown = [
            (f"{d.least:,} to {d.most:,}", f"{d.n:,}", number(d.mean.mean), f"{d.mean.low:.3f} to {d.mean.high:.3f}")
            for d in rows
        ]
        put_table(f"MSE by ratings of the {of}", (f"ratings of the {of}", ">pairs", ">MSE", "95 % interval"), shown)
    return note(SIMULATED) if loaded.simulated else None


def compare(
    dataset: Dataset,
    holdout: Holdout = "random:0.1",
    models: Annotated[
        str, typer.Option("--models", metavar="A,B,...", help="Models by name, such as gp:ratings,gp:shelves,bias.")
    ] = "mean,bias,gmf,gp:ratings,gp:shelves,popularity,ease",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """A leaderboard: models fitted and judged on one split, with seconds and memory."""
    from shelfaware.data.dataset import load
    from shelfaware.evaluation.compare import compare as compared

    data = load(dataset)
    names = [name.strip() for name in models.split(",") if name.strip()]
    board = compared(data, names, holdout, seed=seed, on_model=lambda name: note(f"fitting {name} ..."))
    if as_json:
        return put_json(board)
    _put_board(board)
    return note(SIMULATED) if data.simulated else None


def _put_board(board: dict[str, Any]) -> None:
    from rich.text import Text

    columns = {
        "mse": (">MSE", 3, min),
        "ndcg_at_10": (">nDCG A", 3, max),
        "ndcg_at_10_unshelved": (">nDCG B", 3, max),
        "coverage_90": (">in 90 %", 3, None),
        "spearman": (">Spearman", 2, max),
        "fit_seconds": (">fit s", 1, None),
        "peak_mb": (">MB", 0, None),
    }
    rows, best = board["models"], {}
    for key, (_, _, better) in columns.items():
        values = [row[key] for row in rows if row[key] is not None]
        best[key] = better(values) if better and values else None
    shown = []
    for row in sorted(rows, key=lambda row: (row["mse"] is None, row["mse"] or -(row["ndcg_at_10"] or 0))):
        cells = [number(row[key], decimals) for key, (_, decimals, _) in columns.items()]
        bold = [row[key] is not None and row[key] == best[key] for key in columns]
        marked = [Text(cell, style="bold" if best_one else "") for cell, best_one in zip(cells, bold, strict=True)]
        shown.append((row["model"], *marked))
    put_table(f"Held out: {board['holdout']}", ("model", *(name for name, _, _ in columns.values())), shown)


def plot(
    folder: Annotated[Path, typer.Argument(metavar="MODEL|DIR", help="A model folder or a dataset folder.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the pictures, PNG and SVG.")],
    factors: Annotated[
        str, typer.Option("--factors", metavar="K,K,...", help="Of a dataset: fit --model at these widths and draw its MSE.")
    ] = "",
    model: Annotated[str, typer.Option("--model", help="The model to fit at each of --factors.")] = "gp",
) -> None:
    """Draw what there is to see: learning curve, error by activity and calibration of a model; ratings of a dataset."""
    from shelfaware.evaluation.pictures import dataset_pictures, factors_picture, model_pictures
    from shelfaware.models.folder import MANIFEST

    if (folder / MANIFEST).exists():
        from shelfaware.errors import DataError
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
        paths = factors_picture(data, model, _widths(factors), out) if factors else dataset_pictures(data, out)
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
