"""BM25 over posting lists, term at a time (the numpy reference; no twin).

Sums are float64, added in the order of the lists, each term by the formula of `indexes/text/bm25.py` in its order of
operations: the same bits as a plain loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PostingList = tuple[NDArray[np.int32], NDArray[np.int32], float]


def scores(
    lists: Sequence[PostingList], norms: NDArray[np.float64], k1: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Add up `weight * (tf * (k1 + 1) / (tf + norm))` per row, lists in the order given.

    Args:
        lists: per query term its rows (int32, unique), their counts tf (int32) and its weight.
        norms: float64, shape (n,), `k1 * (1 - b + b * len / avg_len)` of each row.
        k1: saturation.

    Returns:
        the rows that occur in any list, int64, ascending, and their sums, float64.
    """
    sums = np.zeros(len(norms), np.float64)  # fresh pages: only those touched are paid for
    seen = np.zeros(len(norms), np.bool_)
    for rows, counts, weight in lists:
        part = counts * (k1 + 1)
        part /= norms.take(rows) + counts
        part *= weight
        sums[rows] += part  # rows are unique within a list
        seen[rows] = True
    found = np.flatnonzero(seen)
    return found, sums[found]
