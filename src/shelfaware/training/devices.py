"""Training over several devices: a table divided by rows, the blocks of a step by number. Imported only inside `fit`.

Of a table of n rows device d of D has the rows d, d + D, d + 2 D, ...: its share stands together in an array
[D ceil(n / D), ..], filled up with rows that nobody reads. For every step each device gathers the rows of all, takes the
gradient of its own blocks, and has back the sum over all devices of what belongs to its own rows (Rajbhandari et al. 2020,
ZeRO). With one device nothing of this happens. Devices are those of all processes (`processes`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from shelfaware.arrays import AnyArray, Positions

AXIS = "devices"
EVERYWHERE, BY_ROWS, BY_BLOCKS = (PartitionSpec(*axes) for axes in ((), (AXIS,), (None, AXIS)))  # type: ignore[no-untyped-call]
"""How an array is laid out: whole on every device; a table; the second axis of an array [steps, ..]."""

Loss = Callable[[tuple[Array, Array], Any], tuple[Array, Array]]
"""From (rows of a table, other parameters) and a batch: the mean over its ratings, and sums of which the first counts them."""


def count() -> int:
    """Devices of all processes."""
    return jax.device_count()


@cache
def _mesh() -> Mesh:
    return jax.make_mesh((count(),), (AXIS,), axis_types=(AxisType.Auto,))


def divided(run: Callable[..., Any], arguments: Any, results: Any) -> Callable[..., Any]:
    """`run` on every device with its part of the arguments, which are laid out as said."""

    def on_every_device(*given: Any) -> Any:
        if count() == 1:
            return run(*given)
        return jax.shard_map(run, mesh=_mesh(), in_specs=arguments, out_specs=results, check_vma=False)(*given)

    return on_every_device


def value_and_grad(loss: Loss) -> Callable[..., tuple[tuple[Array, Array], tuple[Array, Array]]]:
    """((mean, sums), gradient) over the batches of all devices; for use inside `divided`.

    The rows that go in, and their gradient that comes out, are the device's own [c / D, width]; `loss` has those of all.
    """
    of_one = jax.value_and_grad(loss, has_aux=True)
    if count() == 1:
        return of_one

    def of_all(values: tuple[Array, Array], batch: Any) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        rows = jax.lax.all_gather(values[0], AXIS, tiled=True)  # [c, width]
        (mean, sums), (of_rows, of_others) = of_one((rows, values[1]), batch)
        n, size = sums[0], sums.shape[0]
        few = jax.numpy.concatenate([sums, (mean * n)[None], (of_others * n).ravel()])
        summed = jax.lax.psum(few, AXIS)  # type: ignore[no-untyped-call]
        total = jax.numpy.maximum(summed[0], 1)
        gradient = _summed(of_rows * n) / total, summed[size + 1 :].reshape(of_others.shape) / total  # [c / D, width], as it is
        return (summed[size] / total, summed[:size]), gradient

    return of_all


def _summed(parts: Array) -> Array:
    """The sum over devices of what each has of this one's rows [c / D, width], from [c, width].

    All to all and a sum: on processors XLA's own reduction by scattering takes twice as long.
    """
    by_device = parts.reshape(count(), -1, parts.shape[-1])  # [D, c / D, width]
    sent = jax.lax.all_to_all(by_device, AXIS, 0, 0)  # type: ignore[no-untyped-call]  # [D, c / D, width]
    return jax.numpy.sum(sent, 0)


def put(host: AnyArray, layout: PartitionSpec) -> Array:
    """An array laid out over all devices from one that every process has whole. A table is divided by rows."""
    parts = _by_device(host) if layout == BY_ROWS else host
    made: Array = jax.make_array_from_callback(parts.shape, NamedSharding(_mesh(), layout), lambda index: parts[index])
    return made


def own_blocks(n: int) -> Positions:
    """Which of the n blocks of a step the devices of this process have, ascending; devices that stand first have them first."""
    share = -(-n // count())  # blocks of a device
    places = [np.arange(i * share, min((i + 1) * share, n)) for i in _own_devices()]
    return np.concatenate(places)


def put_blocks(host: AnyArray, n: int) -> Array:
    """An array [steps, n, ..], its second axis divided, from this process's part; n is a multiple of the number of devices."""
    layout = NamedSharding(_mesh(), BY_BLOCKS)
    made: Array = jax.make_array_from_process_local_data(layout, host, (len(host), n, *host.shape[2:]))  # type: ignore[no-untyped-call]
    return made


def own_share(n: int) -> int:
    """Of n, a multiple of the number of devices, how many belong to this process."""
    return n // count() * len(_own_devices())


def _own_devices() -> list[int]:
    return [i for i, device in enumerate(_mesh().devices.flat) if device.process_index == jax.process_index()]


def laid_out(tree: Any, layout: PartitionSpec) -> Any:
    """Every array of a pytree by `put`; with one device the tree as it is."""
    return tree if count() == 1 else jax.tree.map(lambda leaf: put(np.asarray(leaf), layout), tree)


def like(leaf: jax.ShapeDtypeStruct, host: AnyArray) -> Array:
    """`host`, as `whole` made it of an array like `leaf`, whatever the number of devices was, laid out as `leaf` is."""
    if count() == 1:
        return jax.numpy.array(host[: leaf.shape[0]] if leaf.ndim else host)
    layout = leaf.sharding.spec if isinstance(leaf.sharding, NamedSharding) else EVERYWHERE
    if layout == BY_ROWS:
        host = host[: leaf.shape[0]]
        host = np.pad(host, [(0, leaf.shape[0] - len(host))] + [(0, 0)] * (host.ndim - 1))
    return put(host, layout)


def whole(leaf: Any) -> AnyArray:
    """All of an array, the rows of a table in their order and what fills it up behind them; every process has to ask."""
    layout = leaf.sharding.spec if isinstance(leaf, Array) and isinstance(leaf.sharding, NamedSharding) else EVERYWHERE
    if layout != BY_ROWS:
        return np.asarray(leaf)
    from jax.experimental.multihost_utils import process_allgather

    parts = np.asarray(leaf if leaf.is_fully_addressable else process_allgather(leaf, tiled=True))
    return parts.reshape(count(), -1, *parts.shape[1:]).swapaxes(0, 1).reshape(parts.shape)


def here(leaf: Any) -> list[AnyArray]:
    """What this process has of an array."""
    return [np.asarray(part.data) for part in leaf.addressable_shards] if isinstance(leaf, Array) else [np.asarray(leaf)]


def _by_device(table: AnyArray) -> AnyArray:
    """The rows of the first device, of the second, ..., each share filled up to the same length."""
    n_rows = -(-len(table) // count())
    padded = np.pad(table, [(0, n_rows * count() - len(table))] + [(0, 0)] * (table.ndim - 1))
    return padded.reshape(n_rows, count(), *table.shape[1:]).swapaxes(0, 1).reshape(padded.shape)
