"""The rows that a search may answer with: a mask cut to the rows that an index covers.

A reader may hold an index while a mask speaks of more rows (the segment grew) or fewer: rows that the index does not
cover, and rows that the mask does not speak of, are not allowed. Kernels that test bits rely on the length of `bits`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.model.mask import Mask


def allowed_rows(mask: Mask, n_rows: int) -> NDArray[np.int64]:
    """Return the rows of the mask below `n_rows`: int64, ascending."""
    rows = mask.to_rows()
    return rows if mask.n <= n_rows else rows[: np.searchsorted(rows, n_rows)]


def allowed_bits(mask: Mask, n_rows: int) -> NDArray[np.bool_]:
    """Return bool, shape (n_rows,): may this row be answered. May be the mask's own array: do not write to it."""
    bits = mask.to_bits()
    if len(bits) < n_rows:
        return np.concatenate([bits, np.zeros(n_rows - len(bits), np.bool_)])
    return np.ascontiguousarray(bits[:n_rows])
