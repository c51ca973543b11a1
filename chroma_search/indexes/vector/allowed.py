"""The rows that a search may answer with: a mask cut to the rows that an index covers.

A reader may hold an index while a mask speaks of more rows (the segment grew) or fewer: rows that the index does not
cover, and rows that the mask does not speak of, are not allowed. Kernels that test bits rely on the length of `bits`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chroma_search.model.mask import Mask

NO_ROWS, NO_BITS = np.empty(0, np.int64), np.empty(0, np.bool_)


class Allowed(NamedTuple):
    """The rows that a search may answer with, in the form that costs least.

    Attributes:
        n: how many.
        rows: int64, ascending, or
        bits: bool, one per row; both empty for all rows.
    """

    n: int
    rows: NDArray[np.int64] = NO_ROWS
    bits: NDArray[np.bool_] = NO_BITS

    def to_rows(self) -> NDArray[np.int64] | None:
        """Return the rows, None for all."""
        if len(self.bits):
            return np.flatnonzero(self.bits)
        return self.rows if len(self.rows) or not self.n else None


def allowed(mask: Mask | None, n_rows: int) -> Allowed:
    """Return the rows of a mask, or all, below `n_rows`."""
    if mask is None or (mask.is_all and mask.n >= n_rows):
        return Allowed(n_rows)
    if mask.rows is not None and not mask.exclude:
        rows = allowed_rows(mask, n_rows)
        return Allowed(len(rows), rows=rows)
    bits = allowed_bits(mask, n_rows)
    return Allowed(mask.count() if mask.n == n_rows else int(np.count_nonzero(bits)), bits=bits)


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
