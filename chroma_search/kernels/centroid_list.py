"""Lists of rows around centroids: which lists a mask leaves, the rows of some lists, and replication.

Lists are one array of rows and the bounds of each list in it; a row may stand in several lists.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import compiled

Ints = NDArray[np.int64]
ListRows = NDArray[np.int32]
Bits = NDArray[np.bool_]
Floats = NDArray[np.float32]


def lists_with_match(offsets: Ints, rows: ListRows, bits: Bits) -> Bits:
    """Return, per list, whether any of its rows is set in `bits`: bool, shape (len(offsets) - 1,)."""
    return compiled.lists_with_match(offsets, rows, bits)


def rows_in_lists(offsets: Ints, rows: ListRows, lists: Ints, bits: Bits, marks: NDArray[np.uint8], mark: int) -> Ints:
    """Return the rows of `lists`, each once: int64, in no particular order.

    Args:
        offsets, rows: all lists.
        lists: int64: the lists to read.
        bits: bool, shape (n,): rows to return; empty for all.
        marks: uint8, shape (n,): scratch without the value `mark`, which is left at rows that were met.
        mark: see `marks`.
    """
    return compiled.rows_in_lists(offsets, rows, lists, bits, marks, mark)


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
    near, distances = np.ascontiguousarray(near), np.ascontiguousarray(distances)
    return compiled.replicas(near, distances, centroids, count, reach, factor)
