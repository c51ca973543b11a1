"""Ranked: records with a measure, best first - what a leaf or a whole rank gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chroma_search.record import record


@record(eq=False)
class Ranked:
    """Records in order.

    Attributes:
        offset_ids: int64, shape (m,).
        scores: float64, shape (m,); ascending, NaN last, ties by offset id.
        places: int64, shape (m, 2): segment number and row of each record, where the operator knows them; looking
            them up again costs a search per segment.
    """

    offset_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    places: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.offset_ids)

    def picked(self, chosen: NDArray[np.int64] | slice) -> Ranked:
        """Return the chosen records, in the order chosen."""
        places = None if self.places is None else self.places[chosen]
        return Ranked(self.offset_ids[chosen], self.scores[chosen], places)

    def scored(self, scores: NDArray[np.float64]) -> Ranked:
        """Return the same records with other scores."""
        return Ranked(self.offset_ids, scores, self.places)


def best(found: Ranked, limit: int | None = None) -> Ranked:
    """Return the `limit` records with the lowest scores, in order: ascending, NaN last, ties by offset id.

    Args:
        found: records in any order.
        limit: records wanted, or None for all.
    """
    scores = found.scores
    if limit is not None and len(scores) > 4 * limit:
        # NaN sorts last in partition too, so the boundary is right; all ties of the boundary are kept for the sort.
        boundary = np.partition(scores, limit - 1)[limit - 1]
        if not np.isnan(boundary):
            found = found.picked(np.flatnonzero(~(scores > boundary)))
    order = np.lexsort((found.offset_ids, found.scores))
    return found.picked(order if limit is None else order[:limit])


def joined(parts: list[Ranked]) -> Ranked:
    """Return the records of all parts, in no order; places are kept when every part has them."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Ranked(np.empty(0, np.int64), np.empty(0, np.float64))
    known = [part.places for part in parts if part.places is not None]
    return Ranked(
        np.concatenate([part.offset_ids for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate(known) if len(known) == len(parts) else None,
    )


def in_segment(
    number: int, rows: NDArray[np.int64], offset_ids: NDArray[np.int64], scores: NDArray[np.float64]
) -> Ranked:
    """Return records of one segment: its number, rows, all its offset ids, and a score per row."""
    places = np.empty((len(rows), 2), np.int64)
    places[:, 0] = number
    places[:, 1] = rows
    return Ranked(offset_ids[rows], scores, places)
