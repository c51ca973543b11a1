"""Weighted sums over posting lists, term at a time.

Lists are given as one array of rows (ascending within each list), one of weights, and the bounds of each list. The sums
are float64 and added in the order of the lists, so a caller that passes ascending dimensions gets the order of addition
that the sparse measure is defined with: the same bits as a plain loop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import compiled

Ints = NDArray[np.int64]
PostingRows = NDArray[np.int32]


def weighted_sums(
    starts: Ints,
    ends: Ints,
    rows: PostingRows,
    weights: NDArray[np.float32],
    factors: NDArray[np.float64],
    n_rows: int,
) -> tuple[Ints, NDArray[np.float64]]:
    """Add up `factors[t] * weights[p]` per row over the postings p of each list t, lists in the order given.

    Args:
        starts, ends: int64, shape (t,), bounds of each list within `rows` and `weights`.
        rows: int32, all postings, rows unique within one list and below `n_rows`.
        weights: float32, same order.
        factors: float64, shape (t,).
        n_rows: rows of the segment.

    Returns:
        the rows that occur in any list, int64, in no particular order, and their sums, float64.
    """
    return compiled.weighted_sums(starts, ends, rows, weights, factors, n_rows)
