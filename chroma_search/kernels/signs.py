"""Signs of rows that were turned by a random rotation.

The signs of a turned vector, and the mean size of its elements, estimate its product with another vector. Their error
comes from the rotation alone, not from the vectors: its standard deviation is what the signs leave out of the vector,
times the norm of the other, divided by the root of the elements (J. Gao, C. Long, RaBitQ: quantizing high-dimensional
vectors with a theoretical error bound for approximate nearest neighbor search, 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import compiled
from chroma_search.kernels.graph_search import Floats

LEAST_WIDTH = 256
"""Fewest elements of a turned vector."""


def turned(vector: Floats, width: int) -> Floats:
    """Return a vector turned by a rotation: float32, shape (width,), as long as it was.

    The rotation is the same everywhere: signs flipped at random and a Hadamard transform, three times.

    Args:
        vector: float32, shape (dim,).
        width: a power of two, at least dim and LEAST_WIDTH; zeros follow the elements.
    """
    return compiled.turned(vector, width)


def signs_of(rows: Floats, width: int) -> NDArray[np.uint8]:
    """Return the signs of turned rows.

    Args:
        rows: float32, shape (n, dim).
        width: see `turned`; 64 of the elements are not told of, so that a row takes as many bits.

    Returns:
        uint8, shape (n, width / 8): the mean size of the elements told of and the norm of what signs of this size leave
        out of all of them, rounded up, float32 each; then a bit per element, lowest first, 1 where it is positive.
    """
    return compiled.signs_of(rows, width)
