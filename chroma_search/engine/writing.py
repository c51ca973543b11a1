"""RecordStore: what the entries of a log make of a collection - offset ids, merging of updates, tombstones, segments.

Not thread-safe by itself: the collection engine calls it under its lock. `snapshot` is replaced as a whole, never
changed, so readers may take it at any time. The same entries in the same order make the same records in every process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import DimensionMismatchError
from chroma_search.planner.operators.fetch import locate
from chroma_search.storage.compaction import SegmentNames, compact, flush, reconfigured, settle
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.rows import Rows
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.snapshot import SegmentState, Snapshot


class RecordStore:
    """Records of one collection.

    Args:
        spec: how vectors are indexed.
        seals: whether a full tail is sealed here; False leaves that to flushes.
    """

    def __init__(self, spec: IndexSpec, *, seals: bool = True) -> None:
        self.snapshot = Snapshot()
        self.spec = spec
        self.next_offset = 1
        self._seals = seals
        self._names = SegmentNames()

    def load(self, states: Sequence[SegmentState], dimension: int | None, next_offset: int) -> None:
        """Begin anew with what a manifest says."""
        self.snapshot = Snapshot.of(states, dimension)
        self.next_offset = next_offset

    def check(self, entry: LogEntry) -> None:
        """Refuse an entry that could not be applied.

        Raises:
            DimensionMismatchError: vectors of another dimension than the collection's.
        """
        error = refusal_of(entry, self.snapshot.dimension)
        if error is not None:
            raise error

    def has_effect(self, entry: LogEntry) -> bool:
        """Tell whether an entry would change anything: an `add` of new ids, an `update` of known ones."""
        if entry.op == "upsert":
            return True
        n_known = len(self.snapshot.find(entry.ids))
        return n_known < len(entry.ids) if entry.op == "add" else n_known > 0

    def apply(self, entry: LogEntry) -> None:
        """Carry out a checked entry: `add` skips known ids, `update` unknown ones."""
        offsets = self.snapshot.find(entry.ids)
        if entry.op == "delete":
            self._delete(np.array(sorted(offsets.values()), np.int64))
            return
        known = [at for at, each in enumerate(entry.ids) if each in offsets] if entry.op != "add" else []
        fresh = [at for at, each in enumerate(entry.ids) if each not in offsets] if entry.op != "update" else []
        parts: list[Rows] = []
        replaced = np.empty(0, np.int64)
        if known:
            replaced = np.array([offsets[entry.ids[at]] for at in known], np.int64)
            parts.append(self._changed(entry, known, replaced))
        if fresh:
            parts.append(self._inserted(entry, fresh))
        if parts:
            self._publish(Rows.concat(parts), replaced)

    def _settled(self, snapshot: Snapshot) -> Snapshot:
        return settle(snapshot, self.spec, self._names, seals=self._seals)

    def _delete(self, offset_ids: NDArray[np.int64]) -> None:
        if len(offset_ids):
            self.snapshot = self._settled(self.snapshot.without(offset_ids))

    def flush(self) -> None:
        """Seal the tail."""
        self.snapshot = flush(self.snapshot, self.spec, self._names)

    def compact(self) -> None:
        """Make one segment of all."""
        self.snapshot = compact(self.snapshot, self.spec, self._names)

    def reconfigure(self, spec: IndexSpec) -> None:
        """Take other parameters: those of the search hold at once, those of building for what is built from now on."""
        self.snapshot = reconfigured(self.snapshot, spec)
        self.spec = spec

    def _publish(self, rows: Rows, replaced: NDArray[np.int64]) -> None:
        snapshot = self.snapshot.without(replaced) if len(replaced) else self.snapshot
        state = SegmentState.of(Segment(self._names.tail(), rows, self.spec))
        grown = Snapshot.of((*snapshot.segments, state), rows.vectors.shape[1])
        self.snapshot = self._settled(grown)

    def _inserted(self, entry: LogEntry, places: Sequence[int]) -> Rows:
        first = self.next_offset
        self.next_offset += len(places)
        assert entry.vectors is not None, "records need vectors; the client has checked it"
        is_whole = len(places) == len(entry.ids)
        vectors = entry.vectors if is_whole else entry.vectors[np.array(places, np.int64)]
        metadatas = _picked(entry.metadatas, places)
        return Rows(
            ids=[entry.ids[at] for at in places],
            offset_ids=np.arange(first, self.next_offset, dtype=np.int64),
            vectors=np.array(vectors, np.float32, order="C"),
            documents=_picked(entry.documents, places),
            metadatas=[merged_metadata(None, each) for each in metadatas],
            uris=_picked(entry.uris, places),
        )

    def _changed(self, entry: LogEntry, places: Sequence[int], offset_ids: NDArray[np.int64]) -> Rows:
        held = locate(offset_ids, self.snapshot.segments)
        dimension = self.snapshot.dimension or 0
        vectors = (
            held.embeddings(dimension)
            if entry.vectors is None
            else np.array(entry.vectors[np.array(places, np.int64)], np.float32, order="C")
        )
        return Rows(
            ids=[entry.ids[at] for at in places],
            offset_ids=offset_ids,
            vectors=vectors,
            documents=_replaced(held.documents(), _picked(entry.documents, places)),
            metadatas=[
                merged_metadata(old, new)
                for old, new in zip(held.metadatas(), _picked(entry.metadatas, places), strict=True)
            ],
            uris=_replaced(held.uris(), _picked(entry.uris, places)),
        )


def refusal_of(entry: LogEntry, dimension: int | None) -> DimensionMismatchError | None:
    """Return why an entry cannot be applied to a collection of this dimension, None when it can."""
    if entry.vectors is None or dimension is None or entry.vectors.shape[1] == dimension:
        return None
    got = entry.vectors.shape[1]
    return DimensionMismatchError(
        f"Collection expecting embedding with dimension of {dimension}, got {got}", expected=dimension, got=got
    )


def merged_metadata(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return metadata after an update: key by key, None deletes the key, nothing left is None (spec 9)."""
    if not new:
        return old
    merged = {**(old or {}), **new}
    if None in merged.values():
        merged = {key: value for key, value in merged.items() if value is not None}
    return merged or None


def _picked(column: Sequence[Any] | None, places: Sequence[int]) -> list[Any]:
    return [None] * len(places) if column is None else [column[at] for at in places]


def _replaced(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    return [before if after is None else after for before, after in zip(old, new, strict=True)]
