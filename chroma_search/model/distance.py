"""Distances between dense vectors: what `l2`, `cosine` and `ip` mean, lower is nearer (spec 8).

`l2` is the squared Euclidean distance, `cosine` 1 - cos (1.0 when either vector is zero), `ip` 1 - dot. The one
definition that results show is `exact_distances`: float64 arithmetic over the stored float32 values, rounded once to
float32. Indexes may find candidates by faster, less exact arithmetic; what they found is scored again here, so a score
never depends on which index or segment a record was found in.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import distance
from chroma_search.kernels.graph_search import SPACE_CODES

Space: TypeAlias = Literal["l2", "cosine", "ip"]
SPACES: tuple[Space, ...] = ("l2", "cosine", "ip")
Vectors: TypeAlias = NDArray[np.float32]


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
