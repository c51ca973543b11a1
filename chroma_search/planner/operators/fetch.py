"""The fetch operator: from offset ids to columns of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.model.cancellation import checkpoint
from chroma_search.planner.view import SegmentView
from chroma_search.record import record


@record(eq=False)
class Places:
    """Where records lie: segment number and row, one pair per record, in result order.

    Attributes:
        views: the segments.
        segments: int64, shape (m,), positions in `views`.
        rows: int64, shape (m,), rows in that segment.
    """

    views: Sequence[SegmentView]
    segments: NDArray[np.int64]
    rows: NDArray[np.int64]

    def ids(self) -> list[str]:
        """Return the records' ids."""
        return self._column("ids")

    def documents(self) -> list[str | None]:
        """Return the records' documents."""
        return self._column("documents")

    def uris(self) -> list[str | None]:
        """Return the records' uris."""
        return self._column("uris")

    def metadatas(self) -> list[dict[str, Any] | None]:
        """Return the records' metadata as stored; callers copy before they hand it out."""
        return self._column("metadatas")

    def _column(self, name: str) -> list[Any]:
        """Return a column of the records, segment by segment: columns of files give many rows at once for less."""
        checkpoint()
        if len(self.views) == 1:
            return _picked(getattr(self.views[0].segment.rows, name), self.rows)
        column: list[Any] = [None] * len(self.rows)
        for number in set(self.segments.tolist()):
            at = np.flatnonzero(self.segments == number)
            values = _picked(getattr(self.views[number].segment.rows, name), self.rows[at])
            if len(values) == len(column):
                return values
            for place, value in zip(at.tolist(), values, strict=True):
                column[place] = value
        return column

    def embeddings(self, dimension: int) -> NDArray[np.float32]:
        """Return the records' vectors, float32, shape (m, dimension)."""
        vectors = np.empty((len(self.rows), dimension), np.float32)
        for at, view in enumerate(self.views):
            here = np.flatnonzero(self.segments == at)
            if len(here):
                vectors[here] = view.segment.rows.vectors[self.rows[here]]
        return vectors


def locate(offset_ids: NDArray[np.int64], views: Sequence[SegmentView]) -> Places:
    """Return where live records lie. Each offset id lives in exactly one segment of a snapshot."""
    segments = np.full(len(offset_ids), -1, np.int64)
    rows = np.full(len(offset_ids), -1, np.int64)
    for at, view in enumerate(views):
        missing = np.flatnonzero(segments < 0)
        if not len(missing):
            break
        found = view.locate(offset_ids[missing])
        here = found >= 0
        segments[missing[here]] = at
        rows[missing[here]] = found[here]
    return Places(views, segments, rows)


def _picked(column: Sequence[Any], rows: NDArray[np.int64]) -> list[Any]:
    picked = getattr(column, "picked", None)  # what a column of a file has, a list has not
    if picked is not None:
        return picked(rows)
    return [column[row] for row in rows.tolist()]
