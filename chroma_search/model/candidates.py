"""Candidates: rows of one segment with their distance, the answer of every index that ranks.

Not for: final scores (those are per offset id, see `planner/operators/rank.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.record import record


@record(eq=False)
class Candidates:
    """Rows with a distance each.

    Attributes:
        rows: int64, shape (m,), unique rows of one segment, in no particular order.
        distances: float64, shape (m,), same order; lower is nearer.
        exact: True when these are all that could be among the nearest of the rows that were allowed; for an offer that
            is `nearly_exact`, but for chance.
        visited: how many rows or lists were looked at, for EXPLAIN ANALYZE.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]
    exact: bool = True
    visited: int = 0

    @staticmethod
    def empty() -> Candidates:
        """Return no candidates."""
        return Candidates(np.empty(0, np.int64), np.empty(0, np.float64))

    def __len__(self) -> int:
        return len(self.rows)
