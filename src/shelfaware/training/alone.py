"""One trainer at a time: a second one on the same folder would write over the first one's checkpoint and model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from shelfaware.data.folder import translated_disk_errors
from shelfaware.errors import TrainingError


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Holds the folder `out` for this process, by a lock on a hidden file beside it, which a killed process lets go.

    Raises TrainingError if another process holds it.
    """
    import fcntl

    path = out.absolute().with_name(f".{out.absolute().name}.training")
    with translated_disk_errors(out):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed the file between the two lines above: then this is nobody's lock.
            held = path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())
        except BlockingIOError:
            held = False
        if not held:
            raise TrainingError(f"another training is writing {out}; wait for it, or choose a new folder")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
