"""Compaction: carry out what the merge policy decided; rows in, segment out.

Building needs only the snapshot, so it can run beside readers. What it makes answers exactly as the segments it
replaces: same records, same offset ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chroma_search.indexes.registry import vector_index
from chroma_search.kernels.checked_rows import whole
from chroma_search.storage.merge_policy import Merge, SegmentSize, next_merge
from chroma_search.storage.rows import Rows
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.snapshot import SegmentState, Snapshot

if TYPE_CHECKING:
    from chroma_search.indexes.base import VectorIndex


def settle(snapshot: Snapshot, spec: IndexSpec, names: SegmentNames, *, seals: bool = True) -> Snapshot:
    """Return the snapshot after all merges that are due; `seals` as in `next_merge`."""
    while (merge := next_merge(sizes_of(snapshot), seals=seals)) is not None:
        snapshot = carry_out(merge, snapshot, spec, names)
    return snapshot


def compact(snapshot: Snapshot, spec: IndexSpec, names: SegmentNames) -> Snapshot:
    """Return the snapshot as one sealed segment without dead rows."""
    if not snapshot.segments or (len(snapshot.segments) == 1 and _is_whole(snapshot.segments[0])):
        return snapshot
    return carry_out(Merge(0, len(snapshot.segments) - 1, seal=True), snapshot, spec, names)


def flush(snapshot: Snapshot, spec: IndexSpec, names: SegmentNames) -> Snapshot:
    """Return the snapshot with its tail sealed, however short it is."""
    n_sealed = sum(state.segment.is_sealed for state in snapshot.segments)
    if n_sealed == len(snapshot.segments):
        return snapshot
    return carry_out(Merge(n_sealed, len(snapshot.segments) - 1, seal=True), snapshot, spec, names)


def reconfigured(snapshot: Snapshot, spec: IndexSpec) -> Snapshot:
    """Return the snapshot with its approximate indexes reopened under other search parameters; nothing is rebuilt."""
    states: list[SegmentState] = []
    for state in snapshot.segments:
        held = state.segment
        graph = held.graph
        if graph is not None:
            graph = type(graph).from_arrays(held.rows.vectors, spec.space, spec.params, graph.to_arrays())
        segment = Segment(held.name, held.rows, spec, graph, find_ids=held.find_ids)
        states.append(SegmentState(segment, state.live, state.n_live))
    return snapshot.with_segments(states)


class SegmentNames:
    """Gives segment names in ascending order: `0001`, `0002`, ... and `tail-1`, `tail-2`, ..."""

    def __init__(self) -> None:
        self._n_sealed = 0
        self._n_tail = 0

    def sealed(self) -> str:
        """Return the next name of a sealed segment."""
        self._n_sealed += 1
        return f"{self._n_sealed:04d}"

    def tail(self) -> str:
        """Return the next name of a tail segment."""
        self._n_tail += 1
        return f"tail-{self._n_tail}"


def sizes_of(snapshot: Snapshot) -> list[SegmentSize]:
    """Return what the merge policy needs to know."""
    return [SegmentSize(state.segment.n_rows, state.n_live, state.segment.is_sealed) for state in snapshot.segments]


def carry_out(merge: Merge, snapshot: Snapshot, spec: IndexSpec, names: SegmentNames) -> Snapshot:
    """Return the snapshot after one merge."""
    merged = merged_state(merge, snapshot, spec, names)
    return snapshot.with_segments((*snapshot.segments[: merge.first], merged, *snapshot.segments[merge.last + 1 :]))


def merged_state(merge: Merge, snapshot: Snapshot, spec: IndexSpec, names: SegmentNames) -> SegmentState:
    """Return the segment that one merge makes of those it names."""
    states = snapshot.segments[merge.first : merge.last + 1]
    merged = _extend(states, spec, names) if merge.keeps_first else None
    if merged is not None:
        return merged
    rows = Rows.concat([_live_rows(state) for state in states])
    graph = build_graph(rows, spec) if merge.seal else None
    name = names.sealed() if merge.seal else names.tail()
    return SegmentState.of(Segment(name, rows, spec, graph))


def build_graph(rows: Rows, spec: IndexSpec) -> VectorIndex | None:
    """Return the approximate index of a sealed segment, or None where the collection wants none."""
    if spec.kind == "flat":
        return None
    return vector_index(spec.kind).build(whole(rows.vectors), spec.space, spec.params)


def _extend(states: Sequence[SegmentState], spec: IndexSpec, names: SegmentNames) -> SegmentState | None:
    """Return the first state with the others' rows behind its own, or None when its index cannot be extended."""
    first = states[0]
    fresh = [_live_rows(state) for state in states[1:]]
    rows = Rows.concat([first.segment.rows, *fresh])
    graph = first.segment.graph
    if graph is not None:
        graph = graph.extended(whole(rows.vectors))
        if graph is None:
            return None
    n_fresh = sum(map(len, fresh))
    live = None if first.live is None else np.concatenate([first.live, np.ones(n_fresh, np.bool_)])
    return SegmentState(Segment(names.sealed(), rows, spec, graph), live, first.n_live + n_fresh)


def _live_rows(state: SegmentState) -> Rows:
    return state.segment.rows if state.live is None else state.segment.rows.take(state.live_rows())


def _is_whole(state: SegmentState) -> bool:
    return state.segment.is_sealed and state.live is None
