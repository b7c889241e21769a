"""The model card: what a model is, what it was trained on, how good it is, what it must not be used for."""

from __future__ import annotations

import inspect
from typing import Any

from shelfaware.models.base import Model

SIMULATED = (
    "This model was trained on **simulated** ratings of real books. It shows how the program works, and no person's taste."
)
FIGURES = {
    "mse": "mean squared error, stars^2",
    "rmse": "root mean squared error, stars",
    "mae": "mean absolute error, stars",
    "coverage_90": "share of ratings inside their 90 % interval",
    "spearman": "rank correlation of |error| and deviation",
    "auc": "AUC of |error| > 1 by deviation",
    "ndcg_at_10": "nDCG@10 of loved books, all unrated books as candidates",
    "ndcg_at_10_unshelved": "nDCG@10 of loved books, shelved books left out",
    "catalogue_coverage_at_10": "share of the catalogue in anybody's top 10",
}


def model_card(model: Model, metrics: dict[str, Any] | None) -> str:
    """The text of README.md in a model folder."""
    about = inspect.cleandoc(type(model).__doc__ or "").split("\n")[0]
    lines = [f"# {model.name}, version {model.version}", "", about, ""]
    if model.simulated:
        lines += [SIMULATED, ""]
    lines += [
        f"- Trained on {model.origin.n_ratings:,} ratings of {len(model.catalogue):,} books, "
        f"{model.scale.min:g} to {model.scale.max:g} stars by {model.scale.step:g}; held out: {model.origin.holdout}.",
        f"- Data fingerprint: {model.origin.fingerprint}",
        "- "
        + ("It holds a row for each user it was trained on." if model.holds_users else "It holds nothing of any single user."),
        "- It says what people who rate books like these would give a book. It does not say what is good for somebody.",
        "",
        "## Settings",
        "",
        *(f"- {name}: {value}" for name, value in model.config.items() if name not in model.chosen),
        *(f"- {name}: {value:g}, chosen by a held-out part of the training ratings" for name, value in model.chosen.items()),
        "",
    ]
    if metrics:
        lines += [f"## On what was held out ({metrics['n']:,} ratings)", "", "| figure | value |", "|---|---:|"]
        lines += [f"| {text} | {metrics[key]:.4f} |" for key, text in FIGURES.items() if metrics.get(key) is not None] + [""]
    return "\n".join(lines)
