"""Lists for every user on a Ray cluster: a task for each part of the dataset.

A worker that dies loses the part it was at, which another one computes again; the file of a part appears whole, by one
rename, so that nothing is lost and nothing stands twice. Model, dataset and target must lie where every machine sees them
under the same path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shelfaware.errors import ShelfawareError
from shelfaware.scale.lists import Job, Work, finish, prepare, write_part
from shelfaware.scale.ray_cluster import connected

if TYPE_CHECKING:
    from ray import ObjectRef

RETRIES = 3
"""How often a part is begun again after its worker died."""


def recommend_all(job: Job, on_part: Callable[[int], object] = lambda _: None, work: Work = write_part) -> None:
    """As `lists.recommend_all`, on the cluster that RAY_ADDRESS names, or on this machine's cores.

    Raises MissingExtraError without Ray, and whatever a part raised.
    """
    with connected():
        import ray

        missing = prepare(job)
        task = ray.remote(max_retries=RETRIES, num_cpus=1)(work)
        running = {task.remote(job, part): part for part in missing}
        while running:
            done, _ = ray.wait(list(running))
            _result(done[0])
            on_part(running.pop(done[0]))
        finish(job)


def _result(done: ObjectRef[None]) -> None:
    """Raises what the task raised, as it was; ShelfawareError for a worker that died again and again."""
    import ray

    try:
        ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.WorkerCrashedError:
        raise ShelfawareError(f"a worker died {RETRIES + 1} times at the same part; its memory may be too small") from None
