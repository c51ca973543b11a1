"""Ranked: records with a measure, best first - what a leaf or a whole rank gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Records in order.

    Attributes:
        offset_ids: int64, shape (m,).
        scores: float64, shape (m,); ascending, NaN last, ties by offset id.
    """

    offset_ids: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.offset_ids)


def best(offset_ids: NDArray[np.int64], scores: NDArray[np.float64], limit: int | None = None) -> Ranked:
    """Return the `limit` records with the lowest scores, in order: ascending, NaN last, ties by offset id."""
    if limit is not None and len(scores) > 4 * limit:
        # NaN sorts last in partition too, so the boundary is right; all ties of the boundary are kept for the sort.
        boundary = np.partition(scores, limit - 1)[limit - 1]
        kept = np.flatnonzero(~(scores > boundary)) if not np.isnan(boundary) else np.arange(len(scores))
        offset_ids, scores = offset_ids[kept], scores[kept]
    order = np.lexsort((offset_ids, scores))
    if limit is not None:
        order = order[:limit]
    return Ranked(offset_ids[order], scores[order])
