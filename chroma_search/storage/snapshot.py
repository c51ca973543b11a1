"""Snapshot: what one query sees from start to end - segments and which of their rows live. Immutable.

A writer never changes a snapshot; it publishes a new one. So readers take no lock, and a query that runs while records
are deleted goes on seeing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from chroma_search.model.mask import Mask
from chroma_search.record import record
from chroma_search.storage.id_index import SoughtIds
from chroma_search.storage.merge_policy import SegmentSize
from chroma_search.storage.segment import Segment


@record(eq=False)
class SegmentState:
    """A segment and its tombstones.

    Attributes:
        segment: the rows.
        live: bool, shape (n_rows,), or None when every row lives.
        n_live: number of live rows.
        size: what the merge policy needs to know; kept, for each write asks it of every segment.
    """

    segment: Segment
    live: NDArray[np.bool_] | None
    n_live: int
    size: SegmentSize = field(init=False)

    def __post_init__(self) -> None:
        size = SegmentSize(self.segment.n_rows, self.n_live, self.segment.is_sealed, self.segment.is_indexed)
        object.__setattr__(self, "size", size)

    @staticmethod
    def of(segment: Segment) -> SegmentState:
        """Return the state in which every row lives."""
        return SegmentState(segment, None, segment.n_rows)

    @property
    def live_mask(self) -> Mask | None:
        """The live rows, or None when every row lives."""
        return None if self.live is None else Mask.of_bits(self.live)

    def live_rows(self) -> NDArray[np.int64]:
        """Return the live rows, ascending."""
        return np.arange(self.segment.n_rows, dtype=np.int64) if self.live is None else np.flatnonzero(self.live)

    def locate(self, offset_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the live row of each offset id, -1 where it is not here or dead."""
        rows = self.segment.rows_of_offsets(offset_ids)
        return rows if self.live is None else np.where((rows >= 0) & self.live[rows], rows, -1)

    def find(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the offset ids of those ids that live here."""
        found: dict[str, int] = {}
        if self.segment.has_none_of(ids):
            return found
        for each, rows in zip(ids, self.segment.rows_by_id(ids), strict=True):
            for row in rows:
                if self.live is None or self.live[row]:
                    found[each] = int(self.segment.rows.offset_ids[row])
        return found

    def without(self, rows: NDArray[np.int64]) -> SegmentState:
        """Return the state in which the given live rows are dead."""
        if not len(rows):
            return self
        live = np.ones(self.segment.n_rows, np.bool_) if self.live is None else self.live.copy()
        live[rows] = False
        return SegmentState(self.segment, live, self.n_live - len(rows))


@record(eq=False)
class Snapshot:
    """Segments in the order they were made.

    Attributes:
        segments: states; each live offset id is in exactly one of them.
        dimension: of all vectors, or None before the first write.
        n_live: live records in all.
    """

    segments: tuple[SegmentState, ...] = ()
    dimension: int | None = None
    n_live: int = 0

    @staticmethod
    def of(segments: Iterable[SegmentState], dimension: int | None) -> Snapshot:
        """Return the snapshot of these states; states without a live row are dropped."""
        kept = tuple(state for state in segments if state.n_live)
        return Snapshot(kept, dimension, sum(state.n_live for state in kept))

    def find(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the offset ids of those ids that are known; newer segments are asked first."""
        found: dict[str, int] = {}
        missing = SoughtIds(ids)
        for state in reversed(self.segments):
            if not missing:
                break
            here = state.find(missing)
            if here:
                found.update(here)
                missing = SoughtIds([each for each in missing if each not in here])
        return found

    def without(self, offset_ids: NDArray[np.int64]) -> Snapshot:
        """Return the snapshot in which these records are dead."""
        states: list[SegmentState] = []
        for state in self.segments:
            rows = state.locate(offset_ids)
            states.append(state.without(rows[rows >= 0]))
        return Snapshot.of(states, self.dimension)

    def with_segments(self, states: Sequence[SegmentState]) -> Snapshot:
        """Return the snapshot of other segments, same dimension."""
        return Snapshot.of(states, self.dimension)
