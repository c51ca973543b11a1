"""Signs of turned rows, in numpy: see `chroma_search/kernels/signs.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TURNS = 3


def turned(vectors: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    """Return each row turned; in float64, where the kernel has float32."""
    wide = np.zeros((len(vectors), width))
    wide[:, : vectors.shape[1]] = vectors
    for turn in range(TURNS):
        wide = _hadamard(wide * _flips(turn * width, width))
    return wide / width ** (TURNS / 2)


def _hadamard(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Transform each row; the result stands in the order of the kernel, sixteen runs of every sixteenth element."""
    n, width = rows.shape
    made = np.ones((1, 1))
    while len(made) < width:
        made = np.block([[made, made], [made, -made]])
    return (rows @ made).reshape(n, width // 16, 16).swapaxes(1, 2).reshape(n, width)


def _flips(start: int, count: int) -> NDArray[np.float64]:
    """Return 1 or -1 by the highest bit of splitmix64 of each number."""
    z = (np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.where((z ^ (z >> np.uint64(31))) >> np.uint64(63), -1.0, 1.0)
