"""Tables divided over devices: whole again in their order, and laid out again on another number of devices."""

from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np

from group import FREE
from shelfaware.training import devices

THREE = """
import jax
import numpy as np
from shelfaware.training import devices

assert devices.count() == 3
table = np.arange(20.0, dtype=np.float32).reshape(10, 2)
laid = devices.put(table, devices.BY_ROWS)
assert laid.shape == (12, 2)
assert [part[:, 0].tolist() for part in devices.here(laid)] == [[0, 6, 12, 18], [2, 8, 14, 0], [4, 10, 16, 0]]
assert (devices.whole(laid)[:10] == table).all()
shape = jax.ShapeDtypeStruct(laid.shape, laid.dtype, sharding=laid.sharding)
for rows in (10, 12, 15):  # as one device, three and five leave it
    padded = np.pad(table, [(0, rows - 10), (0, 0)])
    again = devices.like(shape, padded)
    assert again.sharding == laid.sharding
    assert (devices.whole(again)[:10] == table).all()
scalars = devices.laid_out({"a": np.arange(3.0, dtype=np.float32)}, devices.EVERYWHERE)["a"]
assert devices.whole(scalars).tolist() == [0, 1, 2]
assert len(devices.here(scalars)) == 3
"""


def test_ten_rows_on_three_devices_by_hand() -> None:
    environment = FREE | {"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    done = subprocess.run([sys.executable, "-c", THREE], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_device_takes_what_several_left() -> None:
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    shape = jax.ShapeDtypeStruct((3, 2), np.float32)
    assert np.array_equal(devices.like(shape, np.pad(table, [(0, 1), (0, 0)])), table)
    assert devices.laid_out(table, devices.BY_ROWS) is table
    assert np.array_equal(devices.whole(jax.numpy.asarray(table)), table)
