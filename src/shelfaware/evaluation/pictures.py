"""Which plots a dataset or a model has, drawn from its numbers into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shelfaware.data.dataset import describe
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import split
from shelfaware.errors import ModelError
from shelfaware.evaluation import calibration, metrics, plots, tune_plots
from shelfaware.evaluation.protocol import deciles, forecasts
from shelfaware.evaluation.tune import Search, finished, importances, open_study, widths
from shelfaware.models.base import Model, RatingModel
from shelfaware.models.registry import create


def dataset_pictures(data: Interactions, out: Path) -> list[Path]:
    """The rating histogram."""
    shares = describe(data)["stars_percent"]
    subtitle = f"{data.n_ratings:,} {_simulated(data.simulated)}ratings of {data.n_books:,} books by {data.n_users:,} users"
    values = np.array([float(stars) for stars in shares])
    return plots.save(plots.rating_histogram(values, np.array(list(shares.values())) / 100, subtitle), out / "ratings")


def model_pictures(model: Model, test: Interactions | None, out: Path) -> list[Path]:
    """Learning curve; on held-out ratings also error by activity and calibration. What a model lacks is not drawn."""
    kind = _simulated(model.simulated)
    paths = []
    if model.history and model.history.records:
        records = model.history.records
        validation = [record.validation.mse if record.validation else np.nan for record in records]
        subtitle = f"{model.name}, {model.origin.n_ratings:,} {kind}ratings"
        figure = plots.learning_curve(
            np.array([record.train.mse for record in records]), np.array(validation), subtitle, loss_is_mse=True
        )
        paths += plots.save(figure, out / "learning-curve")
    if test is None or not isinstance(model, RatingModel):
        return paths
    held = forecasts(model, test.ratings())
    subtitle = f"{model.name} on {len(held.test):,} held-out {kind}ratings ({model.origin.holdout}), with 95\u00a0% intervals"
    for of, rows in deciles(held, model.known_readers).items():
        figure = plots.error_by_activity({model.name: rows}, subtitle, of="user" if of == "user" else "book")
        paths += plots.save(figure, out / f"error-by-{of}")
    if held.forecast.deviation is not None:
        judged = (held.test.stars, held.clipped, held.forecast.deviation)
        groups = held.test.user_index
        curve, bins = calibration.coverage_curve(*judged, groups=groups), calibration.reliability(*judged, groups=groups)
        paths += plots.save(plots.calibration(curve, bins, subtitle), out / "calibration")
    return paths


def factors_picture(
    data: Interactions, name: str, factors: Sequence[int], out: Path, holdout: str = "random:0.1"
) -> list[Path]:
    """MSE on validation against the width of the vectors: the original's sweep of k. Fits one model a width.

    Validation is a tenth of what `holdout` leaves to train on, so that nothing is chosen on ratings that are for a test.
    """
    train, test = split(split(data, holdout)[0], "random:0.1")
    errors = []
    for width in factors:
        model = create(name, {"factors": width}).fit(train)
        if not isinstance(model, RatingModel):
            raise ModelError(f"{name} predicts no stars, so it has no error to draw")
        held = forecasts(model, test.ratings())
        squared = metrics.squared_errors(held.test.stars, held.clipped)
        errors.append(metrics.bootstrap_mean(squared, groups=held.test.user_index))
    subtitle = (
        f"{name} on {len(held.test):,} {_simulated(data.simulated)}validation ratings inside the training part of {holdout}, "
        "with 95\u00a0% intervals"
    )
    return plots.save(plots.mse_against_factors(factors, errors, subtitle), out / "mse-against-factors")


def search_pictures(search: Search, out: Path) -> list[Path]:
    """How a search went, which settings mattered, and MSE against the width of the vectors; all on validation."""
    study = open_study(search)
    trials = finished(study)
    kind = _simulated(search.data.simulated)
    subtitle = f"{search.model}, validation inside the {kind}training ratings, seed {search.seed}"
    name = plots.MSE if search.less_is_better else "nDCG@10"
    values = [trial.value for trial in trials]
    drawn = tune_plots.history(values, subtitle, figure_name=name, less_is_better=search.less_is_better)
    paths = plots.save(drawn, out / "history")
    if shares := importances(study):
        paths += plots.save(tune_plots.importance(shares, f"{len(trials)} trials of {subtitle}"), out / "importance")
    if swept := widths(study, search):
        factors, errors = zip(*swept, strict=True)
        figure = plots.mse_against_factors(factors, errors, f"The best settings of {subtitle}, with 95\u00a0% intervals")
        paths += plots.save(figure, out / "mse-against-factors")
    return paths


def _simulated(simulated: bool) -> str:
    return "simulated " if simulated else ""
