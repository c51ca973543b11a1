"""Vectors as points between which plain Euclidean distance (or the angle) ranks as the distance space does.

Graphs and clusters need a real distance. `l2` vectors are points already; `cosine` takes unit vectors; `ip` adds one
dimension that makes all norms equal, after which the nearest points are those of the largest product (Y. Bachrach et
al., Speeding up the Xbox recommender system using a Euclidean transformation for inner-product spaces, 2014). Points
are made block by block, never all at once. Not for measuring answers: those use the stored vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.norms import norms_of, unit_vectors
from chroma_search.kernels.checked_rows import VectorRows
from chroma_search.model.distance import Space, Vectors
from chroma_search.record import record


@record(eq=False)
class Points:
    """The points of one matrix.

    Attributes:
        vectors: float32, shape (n, dim), as stored, without odd rows (see `norms`).
        space: distance space.
        radius: norm that the further dimension of `ip` fills up to; longer vectors are left as they are.
    """

    vectors: VectorRows
    space: Space
    radius: float

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """Dimensions of a point."""
        return self.vectors.shape[1] + (self.space == "ip")

    def at(self, rows: slice | NDArray[np.int64]) -> Vectors:
        """Return the points of `rows`: float32, C-contiguous."""
        part = self.vectors[rows]
        match self.space:
            case "l2":
                return np.ascontiguousarray(part)
            case "cosine":
                return unit_vectors(part)
            case "ip":
                return np.concatenate([part, self._height(part)[:, None]], axis=1)

    def _height(self, part: Vectors) -> NDArray[np.float32]:
        return np.sqrt(np.maximum(self.radius**2 - norms_of(part) ** 2, 0.0)).astype(np.float32)

    def target(self, query: Vectors) -> Vectors:
        """Return the point of a query, shape (dim,), from which near points are good answers."""
        match self.space:
            case "l2":
                return query
            case "cosine":
                return unit_vectors(query[None])[0]
            case "ip":
                # The length of a query does not change its ranking; on the sphere of the points it ranks centroids too.
                return np.append(unit_vectors(query[None])[0] * np.float32(self.radius), np.float32(0.0))
