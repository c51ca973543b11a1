"""Read-only views, so that a compiled kernel meets one type of array.

numba compiles for read-only and for writable arrays apart. Vectors mapped from a file are read-only, so every input of
a kernel is made so, and each kernel is compiled (and cached) once. A compiled kernel reads what it likes, so this is
also where the rows of a file are checked from end to end (once) before one gets them.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.checked_rows import RowsOf, whole

Scalar = TypeVar("Scalar", bound=np.generic)


def frozen(array: RowsOf[Scalar]) -> NDArray[Scalar]:
    """Return a read-only view of the plain array type (a `memmap` is a subclass), all of it checked.

    Raises:
        CorruptionError: it is of a file, and damaged.
    """
    if type(array) is np.ndarray and not array.flags.writeable:
        return array  # as most are after the first search
    view = whole(array).view(np.ndarray)
    view.flags.writeable = False
    return view
