"""`chroma_search/kernels/bm25.py` as a plain loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.bm25 import PostingList


def scores(
    lists: Sequence[PostingList], norms: NDArray[np.float64], k1: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    sums: dict[int, float] = {}
    for rows, counts, weight in lists:
        for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
            sums[row] = sums.get(row, 0.0) + count * (k1 + 1.0) / (count + float(norms[row])) * weight
    found = sorted(sums)
    return np.array(found, np.int64), np.array([sums[row] for row in found], np.float64)
