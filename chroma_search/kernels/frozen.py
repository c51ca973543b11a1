"""Read-only views: arrays that searches of several threads share, and that none of them may change."""

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
        return array
    view = whole(array).view(np.ndarray)
    view.flags.writeable = False
    return view
