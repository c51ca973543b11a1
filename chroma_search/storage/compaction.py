"""Compaction: carry out what the merge policy decided; rows in, segment out.

Building needs only the snapshot, so it can run beside readers. What it makes answers exactly as the segments it
replaces: same records, same offset ids.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.registry import vector_index
from chroma_search.kernels.checked_rows import whole
from chroma_search.record import record
from chroma_search.storage.merge_policy import Merge, SegmentSize, next_merge
from chroma_search.storage.rows import Rows
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.snapshot import SegmentState, Snapshot

if TYPE_CHECKING:
    from chroma_search.indexes.base import VectorIndex
    from chroma_search.indexes.text.analyzer import Analyzer
    from chroma_search.indexes.text.inverted import InvertedIndex
    from chroma_search.model.distance import Vectors

    BuildIndex: TypeAlias = Callable[[Vectors], VectorIndex | None]


@record(eq=False)
class Merged:
    """A segment made of others, and where its rows come from.

    Attributes:
        segment: the new one.
        names: of those it was made of, in order.
        taken: int64 per one of those: its rows that are in the new segment, in order; all others were dead.
    """

    segment: Segment
    names: tuple[str, ...]
    taken: tuple[NDArray[np.int64], ...]

    def state_within(self, states: Iterable[SegmentState], segment: Segment | None = None) -> SegmentState:
        """Return the state of the new segment that has the tombstones of those it was made of.

        Args:
            states: those it was made of, as they are now; one that is missing has no live row any more.
            segment: the same rows, opened from their file.
        """
        now = {state.segment.name: state for state in states}
        if all(name in now and now[name].live is None for name in self.names):
            return SegmentState.of(segment or self.segment)
        parts: list[NDArray[np.bool_]] = []
        for name, rows in zip(self.names, self.taken, strict=True):
            state = now.get(name)
            every = np.full(len(rows), state is not None, np.bool_)
            parts.append(every if state is None or state.live is None else state.live[rows])
        live = np.concatenate(parts)
        n_live = int(np.count_nonzero(live))
        return SegmentState(segment or self.segment, None if n_live == len(live) else live, n_live)


def settle(
    snapshot: Snapshot,
    spec: IndexSpec,
    names: SegmentNames,
    *,
    seals: bool = True,
    frozen: Collection[str] = frozenset(),
) -> Snapshot:
    """Return the snapshot after all merges that are due.

    Args:
        snapshot, spec, names: what is there, how it is indexed, names to give.
        seals: as in `next_merge`.
        frozen: names of segments of the tail to leave as they are, for they are being flushed.
    """
    while (merge := next_merge(sizes_of(snapshot, frozen), seals=seals)) is not None:
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
        segment = Segment(held.name, held.rows, spec, graph, find_ids=held.find_ids, postings_files=held.postings_files)
        states.append(SegmentState(segment, state.live, state.n_live))
    return snapshot.with_segments(states)


@dataclass(slots=True)
class SegmentNames:
    """Gives segment names in ascending order: `0001`, `0002`, ... and `tail-1`, `tail-2`, ..."""

    n_sealed: int = 0
    n_tail: int = 0

    def sealed(self) -> str:
        """Return the next name of a sealed segment."""
        self.n_sealed += 1
        return f"{self.n_sealed:04d}"

    def tail(self) -> str:
        """Return the next name of a tail segment."""
        self.n_tail += 1
        return f"tail-{self.n_tail}"


def sizes_of(snapshot: Snapshot, frozen: Collection[str] = frozenset()) -> list[SegmentSize]:
    """Return what the merge policy needs to know; frozen segments (see `settle`) count as sealed."""
    return [
        state.size._replace(is_sealed=True) if frozen and state.segment.name in frozen else state.size
        for state in snapshot.segments
    ]


def carry_out(merge: Merge, snapshot: Snapshot, spec: IndexSpec, names: SegmentNames) -> Snapshot:
    """Return the snapshot after one merge."""
    states = snapshot.segments[merge.first : merge.last + 1]
    name = names.sealed() if merge.seal else names.tail()
    build = partial(build_graph, spec) if merge.seal else None
    merged = merged_segment(states, spec, name, build, keeps_first=merge.keeps_first)
    state = merged.state_within(states)
    return snapshot.with_segments((*snapshot.segments[: merge.first], state, *snapshot.segments[merge.last + 1 :]))


def merged_segment(
    states: Sequence[SegmentState], spec: IndexSpec, name: str, build: BuildIndex | None, *, keeps_first: bool = False
) -> Merged:
    """Make one segment of several.

    Args:
        states: those to merge, oldest first.
        spec: how vectors are indexed.
        name: of the new segment.
        build: makes its index besides the flat one; None for none.
        keeps_first: extend the index of the first, and keep its dead rows, if it can be extended.
    """
    taken = [state.live_rows() for state in states]
    if keeps_first:
        taken[0] = np.arange(states[0].segment.n_rows, dtype=np.int64)
    rows = Rows.merged([(state.segment.rows, at) for state, at in zip(states, taken, strict=True)])
    graph = None
    if keeps_first:
        held = states[0].segment.graph
        graph = None if held is None else held.extended(whole(rows.vectors))
        if held is not None and graph is None:
            return merged_segment(states, spec, name, build)
    elif build is not None:
        graph = build(whole(rows.vectors))
    segment = Segment(name, rows, spec, graph)
    if keeps_first or build is not None:  # tails change too often
        segment.take_postings(_merged_postings(states, taken))
    return Merged(segment, tuple(state.segment.name for state in states), tuple(taken))


def _merged_postings(
    states: Sequence[SegmentState], taken: Sequence[NDArray[np.int64]]
) -> dict[tuple[str, Analyzer], InvertedIndex]:
    """Return the full-text indexes of a merged segment that any of its parts was searched by.

    So whoever searches by words does not wait for the texts of a large segment to be cut again; only those are that
    nobody has searched yet.
    """
    asked = {name: each for state in states for name, each in state.segment.postings_made().items()}
    return {
        name: found.merged([(each.segment.postings(*name), rows) for each, rows in zip(states, taken, strict=True)])
        for name, found in asked.items()
    }


def exchanged(snapshot: Snapshot, merged: Merged, segment: Segment) -> Snapshot:
    """Return the snapshot with a new segment in place of those it was made of; their tombstones carry over.

    Args:
        snapshot: what is there; those that it lacks have no live row any more.
        merged: what was made.
        segment: the new segment, opened from its file.
    """
    places = [at for at, state in enumerate(snapshot.segments) if state.segment.name in merged.names]
    if not places:
        return snapshot
    segment.take_postings(merged.segment.postings_made())
    first, end = places[0], places[-1] + 1
    state = merged.state_within(snapshot.segments[first:end], segment)
    return snapshot.with_segments((*snapshot.segments[:first], state, *snapshot.segments[end:]))


def build_graph(spec: IndexSpec, vectors: Vectors) -> VectorIndex | None:
    """Return the index of a sealed segment besides the flat one, or None where the collection wants none."""
    return None if spec.kind == "flat" else vector_index(spec.kind).build(vectors, spec.space, spec.params)


def _is_whole(state: SegmentState) -> bool:
    return state.segment.is_sealed and state.live is None
