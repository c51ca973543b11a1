"""BM25 over posting lists, term at a time: the numpy reference, and the choice between it and its twin.

Sums are float64, added in the order of the lists, each term by the formula of `indexes/text/bm25.py` in its order of
operations: the same bits as a plain loop, whichever way they are added.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.choice import has_numba

PostingList = tuple[NDArray[np.int32], NDArray[np.int32], float]

WORTH_POSTINGS = 2**16
"""Postings from which the compiled twin is used: numpy needs about 1.5 ms for so many, the twin a third of it."""
SPARSE_SHARE = 16
"""With fewer postings than one per so many rows, sums are kept per row found instead of per row of the segment."""


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
    n_postings = sum(len(rows) for rows, _, _ in lists)
    if n_postings * SPARSE_SHARE < len(norms):
        return _few_scores(lists, norms, k1)
    if n_postings >= WORTH_POSTINGS and has_numba():
        from chroma_search.kernels import bm25_numba  # imports numba

        return bm25_numba.all_scores(lists, norms, k1)
    return all_scores(lists, norms, k1)


def all_scores(
    lists: Sequence[PostingList], norms: NDArray[np.float64], k1: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Answer as `scores`, with a sum for every row of the segment."""
    sums = np.zeros(len(norms), np.float64)  # fresh pages: only those touched are paid for
    seen = np.zeros(len(norms), np.bool_)
    for rows, counts, weight in lists:
        sums[rows] += _parts(rows, counts, weight, norms, k1)  # rows are unique within a list
        seen[rows] = True
    found = np.flatnonzero(seen)
    return found, sums[found]


def _few_scores(
    lists: Sequence[PostingList], norms: NDArray[np.float64], k1: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    merged = np.concatenate([rows for rows, _, _ in lists]) if lists else np.empty(0, np.int32)
    merged.sort()
    is_new = np.ones(len(merged), np.bool_)
    np.not_equal(merged[1:], merged[:-1], out=is_new[1:])
    found = merged[is_new]
    sums = np.zeros(len(found), np.float64)
    for rows, counts, weight in lists:
        sums[np.searchsorted(found, rows)] += _parts(rows, counts, weight, norms, k1)
    return found.astype(np.int64), sums


def _parts(
    rows: NDArray[np.int32], counts: NDArray[np.int32], weight: float, norms: NDArray[np.float64], k1: float
) -> NDArray[np.float64]:
    parts = counts.astype(np.float64)
    below = parts + norms.take(rows)
    parts *= k1 + 1.0
    parts /= below
    parts *= weight
    return parts
