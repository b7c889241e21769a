"""What `doctor` finds out about this machine."""

import importlib.metadata
import importlib.util
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

MODULES = ("jax", "matplotlib", "numpy", "polars", "rapidfuzz", "rich", "safetensors", "scipy", "stdnum", "typer")
NEEDED = {"python-stdnum" if module == "stdnum" else module: module for module in MODULES}
"""What `pip install` calls a library, and what `import` does."""


def checkup() -> dict[str, Any]:
    """Versions, devices that JAX sees, threads it may run on, whether this folder can be written, and what is missing."""
    missing = [name for name, module in NEEDED.items() if importlib.util.find_spec(module) is None]
    facts: dict[str, Any] = {
        "shelfaware": importlib.metadata.version("shelfaware"),
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **{name: importlib.metadata.version(name) for name in NEEDED if name not in missing},
        "devices": _devices() if "jax" not in missing else [],
        "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "this folder": f"{Path.cwd()}, {'can' if os.access(Path.cwd(), os.W_OK) else 'cannot'} be written",
        "temporary folder": tempfile.gettempdir(),
    }
    facts["missing"] = f"pip install {' '.join(missing)}" if missing else "nothing"
    return facts


def _devices() -> list[str]:
    import jax

    return [f"{device.platform} {device.device_kind}".strip() for device in jax.devices()]
