"""What this machine, this container and this process may still have of memory and disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process may have in all: those it has, and those that are free; no more than its limits.

    `root` is where `proc` and `sys` are.
    """
    import resource

    page, resident = os.sysconf("SC_PAGE_SIZE"), 0
    free = page * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError):  # no /proc: all that the machine has
        lines = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines())
        resident = page * int((root / "proc/self/statm").read_text(encoding="ascii").split()[1])
        free = 1024 * int(lines["MemAvailable"].split()[0]) + resident
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    limits = [one + resident for one in _free_in_groups(root)] + ([] if limit == resource.RLIM_INFINITY else [limit])
    return max(min([free, *limits]), 0)


def available_disk(out: Path) -> int:
    """Bytes that are free where `out` is or will be."""
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    return shutil.disk_usage(there).free


def _free_in_groups(root: Path) -> Iterator[int]:
    """Bytes that are free below the limit of each control group that this process is in, version 1 or 2.

    What files occupy that were not used lately does not count: the system gives it back (Linux, "Control Group v2", 5-2-3).
    """
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                yield from _free_below(root / "sys/fs/cgroup", path, ("memory.max", "memory.current", "inactive_file"))
            elif "memory" in controllers.split(","):
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                yield from _free_below(root / "sys/fs/cgroup/memory", path, names)


def _free_below(mount: Path, path: str, names: tuple[str, str, str]) -> Iterator[int]:
    """The same for a group and those around it. In a container `path` may be the host's: then the mount itself is the group."""
    limit, usage, given_back = names
    group = mount / path.lstrip("/")
    for folder in (group, *group.parents):
        if folder.is_relative_to(mount):
            with contextlib.suppress(OSError, ValueError, LookupError):  # no such file; a limit of `max` is none
                stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
                used = int((folder / usage).read_text(encoding="ascii")) - int(stat[given_back])
                yield int((folder / limit).read_text(encoding="ascii")) - used
