"""BM25 over posting lists: the compiled twin of `bm25.all_scores`. Strict IEEE order, no fused operations, no GIL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.jit import compiled

PostingList = tuple[NDArray[np.int32], NDArray[np.int32], float]


def all_scores(
    lists: Sequence[PostingList], norms: NDArray[np.float64], k1: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """See `bm25.scores`."""
    sums = np.zeros(len(norms), np.float64)
    seen = np.zeros(len(norms), np.bool_)
    for rows, counts, weight in lists:
        _add_list(frozen(rows), frozen(counts), float(weight), frozen(norms), float(k1), sums, seen)
    return _collected(sums, seen)


@compiled
def _add_list(
    rows: NDArray[np.int32],
    counts: NDArray[np.int32],
    weight: float,
    norms: NDArray[np.float64],
    k1: float,
    sums: NDArray[np.float64],
    seen: NDArray[np.bool_],
) -> None:
    for i in range(rows.shape[0]):
        row = rows[i]
        count = np.float64(counts[i])
        sums[row] += count * (k1 + 1.0) / (count + norms[row]) * weight
        seen[row] = True


@compiled
def _collected(sums: NDArray[np.float64], seen: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    n_found = 0
    for row in range(seen.shape[0]):
        n_found += seen[row]
    found = np.empty(n_found, np.int64)
    totals = np.empty(n_found, np.float64)
    at = 0
    for row in range(seen.shape[0]):
        if seen[row]:
            found[at] = row
            totals[at] = sums[row]
            at += 1
    return found, totals
