"""Randomness comes in by argument: a seed and the name of its purpose give a generator of its own."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """A generator that depends on (seed, purpose, counters) alone, so that no draw shifts another.

    `counters` number repeated uses of one purpose, such as the epoch of a shuffle.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *counters])
