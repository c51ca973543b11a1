"""Weighted sums over posting lists, term at a time: the numpy reference.

Lists are given as one array of rows (ascending within each list), one of weights, and the bounds of each list. The sums
are float64 and added in the order of the lists, so a caller that passes ascending dimensions gets the order of addition
that the sparse measure is defined with; the twin must give the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    """Add up `factors[t] * weights[p]` per row over the postings p of each list t, lists in the order given.

    Args:
        starts, ends: int64, shape (t,), bounds of each list within `rows` and `weights`.
        rows: int32, all postings, rows unique within one list and below `n_rows`.
        weights: float32, same order.
        factors: float64, shape (t,).
        n_rows: rows of the segment.

    Returns:
        the rows that occur in any list, int64, in no particular order, and their sums, float64.
    """
    lists = [slice(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    if not lists:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    touched = np.concatenate([rows[each] for each in lists])
    with np.errstate(over="ignore", invalid="ignore"):
        products = np.concatenate(
            [weights[each].astype(np.float64) * factor for each, factor in zip(lists, factors, strict=True)]
        )
        # bincount adds in the order of its input: list after list
        sums: NDArray[np.float64] = np.bincount(touched, products, minlength=n_rows)  # type: ignore[assignment]  # float with weights
    found = np.unique(touched).astype(np.int64)
    return found, sums[found]
