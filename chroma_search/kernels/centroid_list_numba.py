"""Lists of rows around centroids: the compiled twin of `centroid_list`. No GIL."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.centroid_list import Bits, Floats, Ints, ListRows
from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.jit import compiled, compiled_sums


def lists_with_match(offsets: Ints, rows: ListRows, bits: Bits) -> Bits:
    """See `centroid_list.lists_with_match`. Stops at the first match of a list."""
    return _lists_with_match(frozen(offsets), frozen(rows), frozen(bits))


def rows_in_lists(offsets: Ints, rows: ListRows, lists: Ints, bits: Bits, marks: NDArray[np.uint8], mark: int) -> Ints:
    """See `centroid_list.rows_in_lists`."""
    return _rows_in_lists(frozen(offsets), frozen(rows), frozen(lists), frozen(bits), marks, mark)


def replicas(near: Ints, distances: Floats, centroids: Floats, count: int, reach: float, factor: float) -> ListRows:
    """See `centroid_list.replicas`."""
    return _replicas(frozen(near), frozen(distances), frozen(centroids), count, reach, factor)


@compiled
def _lists_with_match(offsets: Ints, rows: ListRows, bits: Bits) -> Bits:
    has_match = np.zeros(offsets.shape[0] - 1, np.bool_)
    for each in range(has_match.shape[0]):
        for i in range(offsets[each], offsets[each + 1]):
            if bits[rows[i]]:
                has_match[each] = True
                break
    return has_match


@compiled
def _rows_in_lists(offsets: Ints, rows: ListRows, lists: Ints, bits: Bits, marks: NDArray[np.uint8], mark: int) -> Ints:
    n_entries = 0
    for each in lists:
        n_entries += offsets[each + 1] - offsets[each]
    met = np.empty(n_entries, np.int64)
    n_met = 0
    is_masked = bits.shape[0] > 0
    for each in lists:
        for i in range(offsets[each], offsets[each + 1]):
            row = rows[i]
            if marks[row] != mark:
                marks[row] = mark
                if not is_masked or bits[row]:
                    met[n_met] = row
                    n_met += 1
    return met[:n_met].copy()


@compiled_sums
def _replicas(near: Ints, distances: Floats, centroids: Floats, count: int, reach: float, factor: float) -> ListRows:
    chosen = np.full((near.shape[0], count), -1, np.int32)
    for row in range(near.shape[0]):
        n_chosen = 0
        for j in range(near.shape[1]):
            joins = j == 0 or distances[row, j] <= reach * distances[row, 0]
            i = 0
            while joins and i < n_chosen:
                between = np.float32(0.0)
                for d in range(centroids.shape[1]):
                    difference = centroids[chosen[row, i], d] - centroids[near[row, j], d]
                    between += difference * difference
                joins = factor * between > distances[row, j]
                i += 1
            if joins:
                chosen[row, n_chosen] = near[row, j]
                n_chosen += 1
                if n_chosen == count:
                    break
    return chosen
