"""The verb that writes the report."""

from pathlib import Path
from typing import Annotated

import typer

from shelfaware.cli.options import Dataset, Folds, Holdout, Models, Repeats, Seed
from shelfaware.cli.showing import SIMULATED, note


def report(
    dataset: Dataset,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Page to write, such as report.html.")],
    models: Models = "mean,bias,gp,ease,popularity",
    holdout: Holdout = "random:0.1",
    repeats: Repeats = 1,
    folds: Folds = 0,
    seed: Seed = 0,
    curves: Annotated[
        bool, typer.Option("--curves/--no-curves", help="With less data, new readers, new books: some 20 more fits a model.")
    ] = True,
) -> None:
    """Write one page that says how good the models are, for somebody who never heard of them."""
    from functools import partial

    from shelfaware.cli.judging import named
    from shelfaware.data.dataset import load
    from shelfaware.data.folder import write_file
    from shelfaware.evaluation.plan import Plan
    from shelfaware.evaluation.report import gather
    from shelfaware.evaluation.report_page import page

    data, plan = load(dataset), Plan(holdout, seed, repeats, folds)
    findings = gather(data, named(models), plan, with_curves=curves, on_step=lambda step: note(f"{step} ..."))
    write_file(out, partial(_put, page(findings)))
    if data.simulated:
        note(SIMULATED)
    note(f"The report is in {out}; open it in a browser.")


def _put(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


VERBS = (report,)
