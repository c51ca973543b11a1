"""`chroma_search/kernels/posting.py` in numpy."""

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
