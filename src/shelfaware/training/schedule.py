"""How a learning rate goes through a run."""

from __future__ import annotations

import numpy as np

from shelfaware.arrays import Floats

WARM_UP = 0.1
"""Share of the steps over which the rate rises to its peak; then it follows a cosine to 0."""


def rise_and_fall(peak: float, n_steps: int) -> Floats:
    """The plain rate of every step of a run [n_steps] (Loshchilov & Hutter 2017, without restarts)."""
    progress = (np.arange(n_steps) + 0.5) / max(n_steps, 1)
    falling = 0.5 * (1 + np.cos(np.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    return np.asarray(peak * np.where(progress < WARM_UP, progress / WARM_UP, falling), np.float64)
