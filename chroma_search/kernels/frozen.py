"""Read-only views, so that a compiled kernel meets one type of array.

numba compiles for read-only and for writable arrays apart. Vectors mapped from a file are read-only, so every input of
a kernel is made so, and each kernel is compiled (and cached) once.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a read-only view of the plain array type (a `memmap` is a subclass)."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
