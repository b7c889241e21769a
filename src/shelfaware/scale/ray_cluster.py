"""The Ray cluster that a job runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shelfaware.errors import need


@contextmanager
def connected() -> Iterator[None]:
    """The cluster that RAY_ADDRESS names, or this machine's cores; left as it was found. MissingExtraError without Ray."""
    need("scale", "ray")
    import ray

    own = not ray.is_initialized()
    if own:
        ray.init(include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        if own:
            ray.shutdown()
