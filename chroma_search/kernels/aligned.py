"""Arrays that begin with a cache line, as those of a file do: a row of 64 bytes is then one line to wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.checked_rows import RowsOf, whole

CACHE_LINE = 64
"""Bytes."""

Scalar = TypeVar("Scalar", bound=np.generic)


def aligned_empty(shape: tuple[int, ...], dtype: type[Scalar]) -> NDArray[Scalar]:
    """Return a new array of any elements whose first byte lies at a multiple of CACHE_LINE."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + CACHE_LINE, np.uint8)
    begin = -memory.ctypes.data % CACHE_LINE
    return memory[begin : begin + n_bytes].view(dtype).reshape(shape)


def joined(parts: Sequence[RowsOf[Scalar]]) -> NDArray[Scalar]:
    """Return the rows of the parts, one after the other, in an aligned array."""
    rows = [whole(part) for part in parts]
    made = aligned_empty((sum(len(part) for part in rows), *rows[0].shape[1:]), rows[0].dtype.type)
    return np.concatenate(rows, out=made)
