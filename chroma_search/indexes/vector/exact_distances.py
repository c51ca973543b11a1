"""The distances that results show: the one definition (spec 8), by which whatever was found is measured again.

Not for: finding anything. What the spaces mean is said in `model/distance.py`; the inner loop is a kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import distance
from chroma_search.kernels.graph_search import SPACE_CODES
from chroma_search.model.distance import Space, Vectors


def exact_distances(query: Vectors, vectors: Vectors, space: Space) -> NDArray[np.float64]:
    """Return the distance of each vector to the query.

    Args:
        query: float32, shape (dim,).
        vectors: float32, shape (n, dim), as stored (not normalised).
        space: `l2`, `cosine` or `ip`.

    Returns:
        float64, shape (n,), each rounded to the nearest float32. Row i depends on row i alone.
    """
    held, target = (np.ascontiguousarray(each, np.float32) for each in (vectors, query))
    return distance.exact(held, target, SPACE_CODES[space])
