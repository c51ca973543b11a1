"""`chroma_search/kernels/distance.py` in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf, whole

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def l2_all(vectors: RowsOf[np.float32], query: Floats) -> Floats:
    """Return the squared distance of every row of `vectors`, shape (n, dim), to `query`, shape (dim,)."""
    out = np.empty(len(vectors), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in row_blocks(len(vectors), vectors.shape[1]):
            difference = vectors[block] - query
            out[block] = np.einsum("ij,ij->i", difference, difference)
    return out


def l2_rows(vectors: RowsOf[np.float32], rows: Rows, query: Floats) -> Floats:
    """Return the squared distance of `vectors[rows]` to `query`, in the order of `rows`."""
    out = np.empty(len(rows), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in row_blocks(len(rows), vectors.shape[1]):
            difference = vectors[rows[block]]
            difference -= query
            out[block] = np.einsum("ij,ij->i", difference, difference)
    return out


def dot_all(vectors: RowsOf[np.float32], query: Floats) -> Floats:
    """Return the product of every row of `vectors`, shape (n, dim), with `query`, shape (dim,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.einsum("ij,j->i", whole(vectors), query)


def dot_rows(vectors: RowsOf[np.float32], rows: Rows, query: Floats) -> Floats:
    """Return the product of `vectors[rows]` with `query`, in the order of `rows`."""
    out = np.empty(len(rows), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in row_blocks(len(rows), vectors.shape[1]):
            # einsum, not BLAS: a threaded product of 600 gathered rows took 8 ms instead of 0.1 ms on two busy cores.
            out[block] = np.einsum("ij,j->i", vectors[rows[block]], query)
    return out
