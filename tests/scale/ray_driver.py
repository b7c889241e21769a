"""Jobs on a local Ray, in a process that has no JAX: `ray_driver.py MODEL DATASET FOLDER`.

What became of them is in FOLDER/said.json: Ray itself writes on stdout."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

from shelfaware.errors import DataError, ShelfawareError
from shelfaware.scale import lists, ray_jobs
from shelfaware.scale.lists import Job, write_part


def dies_once(job: Job, part: int) -> None:
    """Part 1 is half written when its worker is killed for the first time."""
    died = job.out.parent / "died"
    if part == 1 and not died.exists():
        died.touch()
        (job.out / ".part-00001.parquet.half").write_bytes(b"PAR1")
        os.kill(os.getpid(), signal.SIGKILL)
    write_part(job, part)


def dies(job: Job, part: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuses(job: Job, part: int) -> None:
    raise DataError("a part is damaged")


def of_another_version(job: Job, part: int) -> None:
    """As a worker does where another shelfaware is installed than the driver's."""
    lists.__version__ = "0.0.1"
    write_part(job, part)


FAILING: dict[str, ray_jobs.Work] = {"refused": refuses, "other": of_another_version, "hopeless": dies}


def refusal(job: Job, work: ray_jobs.Work) -> list[str]:
    try:
        ray_jobs.recommend_all(job, work=work)
    except ShelfawareError as error:
        return [type(error).__name__, str(error)]
    return []


def main(model: str, dataset: str, folder: str) -> dict[str, Any]:
    import ray

    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # else Ray keeps one in the home folder
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    jobs = {
        name: Job(Path(model), Path(dataset), Path(folder) / name, 5) for name in ("killed", "refused", "other", "hopeless")
    }
    written: list[list[int]] = [[], []]
    ray_jobs.recommend_all(jobs["killed"], written[0].append, dies_once)
    ray_jobs.recommend_all(jobs["killed"], written[1].append)
    ray_jobs.RETRIES = 0
    answers = {name: refusal(jobs[name], work) for name, work in FAILING.items()}
    return {"written": written, "jax": "jax" in sys.modules, **answers}


if __name__ == "__main__":
    Path(sys.argv[3], "said.json").write_text(json.dumps(main(*sys.argv[1:])))
