"""Training in several processes, on one machine or on many, through JAX's distributed runtime: the first one writes.

Every process runs the same program on the same data. Whatever they decide they decide alike: values that could differ are
exchanged, and what one reads it tells the others. A process that ends takes the others with it, since their next sum needs it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from shelfaware.arrays import AnyArray
from shelfaware.errors import ShelfawareError, TrainingError
from shelfaware.training.meeting import HERE, LostError, difference, meet

SILENT_SECONDS = 60
"""After so long without a sign of life from another process, or waiting for it to leave, JAX ends this one."""
LOST = "another process of this training has ended; start all of them again with --resume"
LIBRARIES = ("shelfaware", "jax", "jaxlib", "numpy")


@dataclass(frozen=True)
class Group:
    """The place of this process among `processes`; `coordinator` is host:port of the first one, as all of them reach it."""

    coordinator: str
    process_id: int
    processes: int


def is_first() -> bool:
    """Whether this process writes what is written."""
    return not _several() or _index() == 0


def _several() -> bool:
    return "jax" in sys.modules and bool(sys.modules["jax"].distributed.is_initialized())


def _index() -> int:
    import jax

    return jax.process_index()


@contextlib.contextmanager
def joined(group: Group | None) -> Iterator[None]:
    """Connects this process to the others, who have to be of the same versions; to be entered before anything of JAX is used.

    Without a group nothing happens. Raises LostError if they do not meet alike (`meeting`) or one of them ends.
    """
    if group is None:
        yield
        return
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    meet(group.coordinator, group.process_id, {"processes": group.processes, **versions})
    with _translated(LOST):
        _connect(group)
        with _quietly():
            exchanged(None)
        yield
        import jax

        jax.distributed.shutdown()  # type: ignore[no-untyped-call]


def _connect(group: Group) -> None:
    os.environ.setdefault("PJRT_NPROC", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what the runtime has to say comes as an error
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]
    jax.config.update("jax_enable_preemption_service", False)  # type: ignore[no-untyped-call]  # it takes SIGTERM for itself
    host = group.coordinator.rpartition(":")[0]
    jax.distributed.initialize(
        group.coordinator,
        group.processes,
        group.process_id,
        initialization_timeout=SILENT_SECONDS,
        heartbeat_timeout_seconds=SILENT_SECONDS,
        shutdown_timeout_seconds=SILENT_SECONDS,
        coordinator_bind_address=group.coordinator if host == HERE else None,
    )


def end(code: int) -> NoReturn:
    """Ends this process; at once where others of a training are left, since JAX would wait for them, and they for this one."""
    if _several():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def _translated(sentence: str) -> Iterator[None]:
    """Makes one sentence of what the runtime raises when processes lose each other."""
    import jax

    try:
        yield
    except (ValueError, jax.errors.JaxRuntimeError) as error:
        told = str(error)
        if (isinstance(error, ValueError) and "Gloo" not in told) or "RESOURCE_EXHAUSTED" in told:
            raise
        raise LostError(sentence) from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Nothing reaches standard output: Gloo tells there that it is connected."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def exchanged(value: Any) -> list[Any]:
    """What every process has given, as plain JSON, by process."""
    if not _several():
        return [value]
    from jax.experimental.multihost_utils import process_allgather

    written = np.frombuffer(json.dumps(value).encode(), np.uint8)
    longest = int(process_allgather(np.int32(len(written))).max())
    size = max(1 << (longest - 1).bit_length(), 64)  # few shapes are compiled
    told = process_allgather(np.pad(written, (0, size - len(written)), constant_values=ord(" ")))
    return [json.loads(one.tobytes()) for one in told]


def agree(what: str, value: dict[str, Any]) -> None:
    """Raises TrainingError on every process if one of them differs from the first in `value`."""
    if refusal := difference(what, dict(enumerate(exchanged(value)))):
        raise TrainingError(refusal)


def shared(read: Callable[[], tuple[Any, Sequence[AnyArray]] | None]) -> tuple[Any, Sequence[AnyArray]] | None:
    """What the first process reads, plain JSON and arrays, on every one. An error of it is everybody's."""
    if not _several():
        return read()
    got, told = None, None
    if is_first():
        try:
            got = read()
            told = {"json": got[0], "arrays": [(str(x.dtype), x.shape) for x in got[1]]} if got else None
        except ShelfawareError as error:
            told = {"error": str(error)}
    told = exchanged(told)[0]
    if told and "error" in told:
        raise TrainingError(told["error"])
    return told and (told["json"], [_broadcast(got and got[1][i], *like) for i, like in enumerate(told["arrays"])])


def _broadcast(array: AnyArray | None, dtype: str, shape: Sequence[int]) -> AnyArray:
    """The first process's array, byte by byte."""
    from jax.experimental.multihost_utils import broadcast_one_to_all

    sent = np.zeros(shape, dtype) if array is None else np.ascontiguousarray(array)
    got: AnyArray = np.asarray(broadcast_one_to_all(sent.reshape(-1).view(np.uint8))).view(dtype).reshape(shape)
    return got
