"""Weighted sums over posting lists: the compiled twin of `posting`. Strict IEEE order, no fused operations, no GIL."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.jit import compiled

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
    """See `posting.weighted_sums`."""
    sums = np.zeros(n_rows, np.float64)  # numpy's zeros come from fresh pages: only those touched are paid for
    seen = np.zeros(n_rows, np.bool_)
    return _weighted_sums(frozen(starts), frozen(ends), frozen(rows), frozen(weights), frozen(factors), sums, seen)


@compiled
def _weighted_sums(
    starts: Ints,
    ends: Ints,
    rows: PostingRows,
    weights: NDArray[np.float32],
    factors: NDArray[np.float64],
    sums: NDArray[np.float64],
    seen: NDArray[np.bool_],
) -> tuple[Ints, NDArray[np.float64]]:
    n_postings = 0
    for t in range(starts.shape[0]):
        n_postings += ends[t] - starts[t]
    found = np.empty(min(n_postings, sums.shape[0]), np.int64)
    n_found = 0
    for t in range(starts.shape[0]):
        factor = factors[t]
        for p in range(starts[t], ends[t]):
            row = rows[p]
            if not seen[row]:
                seen[row] = True
                found[n_found] = row
                n_found += 1
            sums[row] += np.float64(weights[p]) * factor
    found = found[:n_found].copy()
    totals = np.empty(n_found, np.float64)
    for i in range(n_found):
        totals[i] = sums[found[i]]
    return found, totals
