"""Distances of one query to many rows.

Those of float32 are estimates with a known error bound (any order of summation), not the distances that results show:
those are `exact`, see `indexes.vector.exact_distances`. `l2` is the sum of squared differences, `dot` the plain
product. Overflow, inf and NaN come out as IEEE says. Complexity O(rows * dim); no copy of the rows is made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import compiled
from chroma_search.kernels.checked_rows import RowsOf

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def l2_all(vectors: RowsOf[np.float32], query: Floats) -> Floats:
    """Return the squared distance of every row of `vectors`, shape (n, dim), to `query`, shape (dim,)."""
    return compiled.l2_all(vectors, query)


def l2_rows(vectors: RowsOf[np.float32], rows: Rows, query: Floats) -> Floats:
    """Return the squared distance of `vectors[rows]` to `query`, in the order of `rows`."""
    return compiled.l2_rows(vectors, rows, query)


def dot_all(vectors: RowsOf[np.float32], query: Floats) -> Floats:
    """Return the product of every row of `vectors`, shape (n, dim), with `query`, shape (dim,)."""
    return compiled.dot_all(vectors, query)


def dot_rows(vectors: RowsOf[np.float32], rows: Rows, query: Floats) -> Floats:
    """Return the product of `vectors[rows]` with `query`, in the order of `rows`."""
    return compiled.dot_rows(vectors, rows, query)


def exact(vectors: Floats, query: Floats, space: int) -> NDArray[np.float64]:
    """Return distances in float64 arithmetic, each rounded to the nearest float32; a space of `SPACE_CODES`.

    The sums have one order, whatever the processor: eight parts, added up in the end.
    """
    return compiled.exact_distances(vectors, query, space)
