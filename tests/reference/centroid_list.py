"""`chroma_search/kernels/centroid_list.py` in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
ListRows = NDArray[np.int32]
Bits = NDArray[np.bool_]
Floats = NDArray[np.float32]


def lists_with_match(offsets: Ints, rows: ListRows, bits: Bits) -> Bits:
    """Return, per list, whether any of its rows is set in `bits`: bool, shape (len(offsets) - 1,)."""
    matches = np.concatenate([np.zeros(1, np.int64), np.cumsum(bits[rows])])
    return matches[offsets[1:]] > matches[offsets[:-1]]


def rows_in_lists(offsets: Ints, rows: ListRows, lists: Ints, bits: Bits, marks: NDArray[np.uint8], mark: int) -> Ints:
    if not len(lists):
        return np.empty(0, np.int64)
    met = np.unique(np.concatenate([rows[offsets[each] : offsets[each + 1]] for each in lists.tolist()]))
    marks[met] = mark
    return (met[bits[met]] if len(bits) else met).astype(np.int64)


def replicas(near: Ints, distances: Floats, centroids: Floats, count: int, reach: float, factor: float) -> ListRows:
    chosen = np.full((len(near), count), -1, np.int32)
    if not near.size:
        return chosen
    chosen[:, 0] = near[:, 0]
    n_chosen = np.ones(len(near), np.int64)
    for j in range(1, near.shape[1]):
        joins = (distances[:, j] <= reach * distances[:, 0]) & (n_chosen < count)
        for i in range(count):
            at = np.flatnonzero(joins & (i < n_chosen))
            between = centroids[chosen[at, i]] - centroids[near[at, j]]
            joins[at] = factor * np.einsum("ij,ij->i", between, between) > distances[at, j]
        at = np.flatnonzero(joins)
        chosen[at, n_chosen[at]] = near[at, j]
        n_chosen[at] += 1
    return chosen
