"""The verb that answers every user of a dataset at once."""

from pathlib import Path
from typing import Annotated

import typer

from shelfaware.cli.options import Dataset, Many, ModelFolder
from shelfaware.cli.showing import SIMULATED, note


def recommend_all(
    model: ModelFolder,
    dataset: Dataset,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the lists, a Parquet file for each part.")],
    n: Many = 10,
    ray: Annotated[bool, typer.Option("--ray", help="On the cluster of RAY_ADDRESS, or on all cores of this machine.")] = False,
) -> None:
    """Books to read next for every user of a dataset; a run that was stopped goes on where it was."""
    from shelfaware.scale import lists, ray_jobs

    run = ray_jobs.recommend_all if ray else lists.recommend_all
    job = lists.Job(model.absolute(), dataset.absolute(), out.absolute(), n)
    run(job, lambda part: note(f"{job.path(part).name} is written"))
    if lists.are_simulated(job):
        note(SIMULATED)
    note(f"The lists are in {out}")


VERBS = (recommend_all,)
