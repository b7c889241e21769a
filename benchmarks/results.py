"""A measured figure, and the file that keeps each beside its target and the machine that it was measured on."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

RESULTS = Path(__file__).with_name("results.json")
LIBRARIES = ("shelfaware", "numpy", "scipy", "polars", "jax")
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Figure:
    """What was measured, and what it should reach.

    values        one a seed, one a repetition, or one alone
    least, most   the target; without either, the figure only stands beside the others
    judged        "each": every value must reach the target; "median": a time or a ratio of times, of which the median must
    seeds         whose values they are
    """

    what: str
    values: Sequence[float]
    least: float | None = None
    most: float | None = None
    unit: str = ""
    judged: Literal["each", "median"] = "each"
    seeds: Sequence[int] = field(default=(), kw_only=True)

    @property
    def met(self) -> bool | None:
        if self.least is None and self.most is None:
            return None
        judged = self.values if self.judged == "each" else [statistics.median(self.values)]
        low, high = (-float("inf") if self.least is None else self.least), (float("inf") if self.most is None else self.most)
        return all(low <= value <= high for value in judged)

    def __str__(self) -> str:
        values = " ".join(f"{value:.4g}" for value in self.values)
        return f"{self.what}: {values} {self.unit}".rstrip() + {True: "", False: "  (not met)", None: ""}[self.met]


def keep(
    group: str,
    figures: Sequence[Figure],
    machine: dict[str, Any],
    rivals: dict[str, str] | None = None,
    *,
    order: Sequence[str],
) -> None:
    """Puts one group's figures into results.json, in place of its older ones; the others stay, groups in the given order."""
    groups = json.loads(RESULTS.read_text(encoding="utf-8"))["groups"] if RESULTS.exists() else {}
    groups[group] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        **({"rivals": rivals} if rivals else {}),
        "figures": [asdict(figure) | {"met": figure.met} for figure in figures],
    }
    ordered = {name: groups[name] for name in order if name in groups}
    RESULTS.write_text(json.dumps({"groups": ordered}, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """The processor, the cores this process may use, memory in GB (10^9 bytes), system; load: processes that wanted a core."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return {
        "cpu": cpu.partition(": ")[2],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "os": platform.freedesktop_os_release()["PRETTY_NAME"],
        "load": round(os.getloadavg()[1], 2),
    }
