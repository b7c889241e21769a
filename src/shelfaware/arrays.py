"""Names for the array types that signatures use."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Stars = NDArray[np.float32]
Indices = NDArray[np.int32]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]
AnyArray = NDArray[Any]
