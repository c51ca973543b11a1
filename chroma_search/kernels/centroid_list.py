"""Lists of rows around centroids: which lists a mask leaves, the rows of some lists, and replication. Numpy reference.

Lists are one array of rows and the bounds of each list in it; a row may stand in several lists.
"""

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
    """Return the rows of `lists`, each once: int64, in no particular order.

    Args:
        offsets, rows: all lists.
        lists: int64: the lists to read.
        bits: bool, shape (n,): rows to return; empty for all.
        marks: uint8, shape (n,): scratch without the value `mark`, which is left at rows that were met.
        mark: see `marks`.
    """
    if not len(lists):
        return np.empty(0, np.int64)
    met = np.unique(np.concatenate([rows[offsets[each] : offsets[each + 1]] for each in lists.tolist()]))
    marks[met] = mark
    return (met[bits[met]] if len(bits) else met).astype(np.int64)


def replicas(near: Ints, distances: Floats, centroids: Floats, count: int, reach: float, factor: float) -> ListRows:
    """Choose the lists that each of some rows joins.

    Args:
        near: int64, shape (b, c): the centroids nearest to each row, nearest first.
        distances: float32, shape (b, c): squared distances to them.
        centroids: float32, shape (n_lists, dim).
        count: most lists for one row.
        reach: a centroid farther than `reach` times the nearest one (squared distances) is not joined.
        factor: a centroid is not joined when a chosen one is closer to it than the row is, times `factor`.

    Returns:
        int32, shape (b, count): lists, -1 after the last. The nearest one always is the first.
    """
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
