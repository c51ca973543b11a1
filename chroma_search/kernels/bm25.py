"""BM25 over posting lists, term at a time.

Sums are float64, added in the order of the lists, each term by the formula of `indexes/text/bm25.py` in its order of
operations: the same bits as a plain loop, whichever way they are added.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import compiled

PostingList = tuple[NDArray[np.int32], NDArray[np.int32], float]


def scores(
    lists: Sequence[PostingList], norms: NDArray[np.float64], k1: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Add up `weight * (tf * (k1 + 1) / (tf + norm))` per row, lists in the order given.

    Args:
        lists: per query term its rows (int32, ascending, unique), their counts tf (int32) and its weight.
        norms: float64, shape (n,), `k1 * (1 - b + b * len / avg_len)` of each row.
        k1: saturation.

    Returns:
        the rows that occur in any list, int64, ascending, and their sums, float64.
    """
    return compiled.bm25_scores(list(lists), norms, k1)
