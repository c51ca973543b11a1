"""Matching: which records of one snapshot pass a filter, and where records lie. What every read begins and ends with.

A filter's masks are made once per object. Not for: ranking (`execute.py`); `query()` needs no more than this and
`operators/knn.py`, which is why it stands apart: the language, the rules and the other operators take 0.1 s to load.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.model.cancellation import checkpoint
from chroma_search.planner.operators.fetch import Places, locate
from chroma_search.planner.operators.knn import Match
from chroma_search.planner.operators.ranked import Ranked
from chroma_search.planner.view import SegmentView

if TYPE_CHECKING:
    from chroma_search.dsl import Where
    from chroma_search.model.mask import Mask


class Matching:
    """The records of a snapshot.

    Args:
        views: its segments.
    """

    def __init__(self, views: Sequence[SegmentView]) -> None:
        self._views = views
        self._matches: dict[Any, list[Match]] = {}

    @property
    def views(self) -> Sequence[SegmentView]:
        """The segments."""
        return self._views

    def matches(self, where: Where | None, ids: Sequence[str] | None = None) -> list[Match]:
        """Return which rows of each segment pass the filter and, if given, are among the ids."""
        known = self._matches.get(where) if ids is None else None
        if known is not None:
            return known
        found: list[Match] = []
        for view in self._views:
            checkpoint()
            mask = _matching_rows(where, ids, view)
            n_matching = view.n_live if mask is None else mask.count()
            found.append(Match(view, mask, n_matching, where is not None or ids is not None))
        if ids is None:
            self._matches[where] = found
        return found

    def passing(self, where: Where | None, ids: Sequence[str] | None = None) -> NDArray[np.int64]:
        """Return the offset ids of all records that pass, ascending."""
        parts = [np.empty(0, np.int64)]
        for match in self.matches(where, ids):
            offsets = match.view.segment.rows.offset_ids
            parts.append(offsets if match.mask is None else offsets[match.mask.to_rows()])
        offset_ids = np.concatenate(parts)
        is_sorted = bool(np.all(offset_ids[1:] > offset_ids[:-1]))
        return offset_ids if is_sorted else np.sort(offset_ids)

    def locate(self, offset_ids: NDArray[np.int64]) -> Places:
        """Return where records lie."""
        return locate(offset_ids, self._views)

    def place(self, ranked: Ranked) -> Places:
        """Return where ranked records lie: as their operator said, or looked up."""
        if ranked.places is None:
            return self.locate(ranked.offset_ids)
        return Places(self._views, ranked.places[:, 0], ranked.places[:, 1])


def _matching_rows(where: Where | None, ids: Sequence[str] | None, view: SegmentView) -> Mask | None:
    if where is None and ids is None:
        return view.live_mask
    from chroma_search.planner.operators.filter import matching_rows  # 0.06 s with the language

    return matching_rows(where, ids, view)
