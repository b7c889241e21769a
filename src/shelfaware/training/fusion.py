"""Where XLA has to stop fusing, for the sake of speed. Imported only inside `fit`."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def made_once(*vectors: Array) -> Array:
    """Arrays of one shape as they are, [vectors, ..], made here once and for all.

    XLA fuses what an element needs into the loop over elements: a factor of a row is then made again for each of its columns.
    A product with the identity is a wall to it.
    """
    together = jnp.stack(vectors)
    return jnp.tensordot(jnp.eye(len(vectors), dtype=together.dtype), together, 1)
