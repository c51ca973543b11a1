"""RecordStore: what the entries of a log make of a collection - offset ids, merging of updates, tombstones, segments.

Not thread-safe by itself: the collection engine calls it under its lock. `snapshot` is replaced as a whole, never
changed, so readers may take it at any time. The same entries in the same order make the same records in every process.

Small entries of new records are put off until somebody looks: a segment of its own for each record, and merging those,
took a quarter of the time of a single add.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.engine.write_queue import merged
from chroma_search.errors import DimensionMismatchError
from chroma_search.planner.operators.fetch import locate
from chroma_search.storage.compaction import Merged, SegmentNames, compact, exchanged, flush, reconfigured, settle
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.rows import Rows
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.snapshot import SegmentState, Snapshot

NO_OFFSETS = np.empty(0, np.int64)
MOST_PUT_OFF = 64
"""Rows that may be put off at a time: a reader takes them in within 0.23 ms (median; the 90th of 100 times 0.9, when
the tail merges too, as it would have done before; 2026-11, 384 dimensions)."""


class RecordStore:
    """Records of one collection.

    Args:
        spec: how vectors are indexed.
        seals: whether a full tail is sealed here; False leaves that to flushes.
    """

    def __init__(self, spec: IndexSpec, *, seals: bool = True) -> None:
        self.spec = spec
        self.n_loads = 0
        """Times that all was begun anew."""
        self.n_ops = 0
        """Records that all writes added, changed or deleted."""
        self.n_indexed_ops = 0
        """Those of them that are in sealed segments, or need not be in any."""
        self._seals = seals
        self._names = SegmentNames()
        self._frozen: frozenset[str] = frozenset()
        self._looked_up: tuple[Snapshot, LogEntry, dict[str, int]] | None = None
        self._snapshot = Snapshot()
        self._next_offset = 1
        self._taking_in = threading.Lock()  # not taken in memory: a child of a fork may keep that store
        self._put_off: list[LogEntry] = []
        self._put_off_ids: set[str] = set()

    @property
    def snapshot(self) -> Snapshot:
        """All that was applied. Any thread may ask, without the collection's lock."""
        if self._put_off:
            self._take_in()
        return self._snapshot

    @property
    def next_offset(self) -> int:
        """Offset id of the next new record."""
        if self._put_off:
            self._take_in()
        return self._next_offset

    @property
    def dimension(self) -> int | None:
        """Dimension of the vectors; None before the first write."""
        return self._snapshot.dimension  # nothing is put off before it is known

    @property
    def n_put_off(self) -> int:
        """Rows that wait until somebody looks."""
        return len(self._put_off_ids)

    def load(
        self, states: Sequence[SegmentState], dimension: int | None, next_offset: int, n_ops: int | None = None
    ) -> None:
        """Begin anew with what a manifest says; where nobody counted operations, each record is one."""
        with self._taking_in:
            self._put_off, self._put_off_ids = [], set()
            self._snapshot = Snapshot.of(states, dimension)
            self._next_offset = next_offset
        self.n_loads += 1
        self.n_ops = self.n_indexed_ops = self._snapshot.n_live if n_ops is None else n_ops

    def begin_as(self, other: RecordStore) -> None:
        """Begin with what another store holds now: nothing is copied, for snapshots never change."""
        self._snapshot = other.snapshot
        self._next_offset = other.next_offset
        self.n_loads += 1
        self.n_ops, self.n_indexed_ops = other.n_ops, other.n_indexed_ops
        self._names = replace(other._names)

    def freeze(self) -> None:
        """Let the segments of the tail stay what they are, but for tombstones, while they are being flushed."""
        self._frozen = frozenset(state.segment.name for state in self.snapshot.segments if not state.segment.is_sealed)

    def thaw(self) -> None:
        """Let the tail merge again as it should."""
        self._frozen = frozenset()

    def exchange(self, merged: Merged, segment: Segment) -> None:
        """Put a segment in place of those it was made of."""
        self._snapshot = exchanged(self.snapshot, merged, segment)
        self._note_indexed()

    def check(self, entry: LogEntry) -> None:
        """Refuse an entry that could not be applied.

        Raises:
            DimensionMismatchError: vectors of another dimension than the collection's.
        """
        error = refusal_of(entry, self.dimension)
        if error is not None:
            raise error

    def has_effect(self, entry: LogEntry) -> bool:
        """Tell whether an entry would change anything: an `add` of new ids, an `update` of known ones."""
        if entry.op == "upsert":
            return True
        n_known = len(self._found(entry))
        return n_known < len(entry.ids) if entry.op == "add" else n_known > 0

    def apply(self, entry: LogEntry) -> None:
        """Carry out a checked entry: `add` skips known ids, `update` unknown ones."""
        if self._may_wait(entry):
            if len(self._put_off_ids) + len(entry.ids) > MOST_PUT_OFF:
                self._take_in()
            with self._taking_in:
                self._put_off.append(entry)
                self._put_off_ids.update(entry.ids)
            self.n_ops += len(entry.ids)
            return
        if self._put_off:
            self._take_in()
        self._apply(entry)
        self.n_ops += len(entry.ids)
        self._note_indexed()

    def _may_wait(self, entry: LogEntry) -> bool:
        return (
            not self._seals
            and entry.op in ("add", "upsert")
            and len(entry.ids) < MOST_PUT_OFF
            and self.dimension is not None
            and not self._found(entry)
        )

    def _take_in(self) -> None:
        with self._taking_in:
            if self._put_off:
                parts = [self._inserted(entry, range(len(entry.ids))) for entry in merged(self._put_off)]
                self._publish(Rows.concat(parts), NO_OFFSETS)
            self._put_off, self._put_off_ids = [], set()  # last: who sees none takes the snapshot without waiting

    def _apply(self, entry: LogEntry) -> None:
        offsets = self._found(entry)
        self._looked_up = None
        if entry.op == "delete":
            self._delete(np.array(sorted(offsets.values()), np.int64))
            return
        known = [at for at, each in enumerate(entry.ids) if each in offsets] if entry.op != "add" else []
        fresh = [at for at, each in enumerate(entry.ids) if each not in offsets] if entry.op != "update" else []
        parts: list[Rows] = []
        replaced = NO_OFFSETS
        if known:
            replaced = np.array([offsets[entry.ids[at]] for at in known], np.int64)
            parts.append(self._changed(entry, known, replaced))
        if fresh:
            parts.append(self._inserted(entry, fresh))
        if parts:
            self._publish(Rows.concat(parts), replaced)

    def _found(self, entry: LogEntry) -> dict[str, int]:
        """Return the offset ids of those ids of an entry that are known; looked up once for check and write."""
        snapshot = self._snapshot if self._put_off_ids.isdisjoint(entry.ids) else self.snapshot
        known = self._looked_up
        if known is None or known[0] is not snapshot or known[1] is not entry:
            self._looked_up = known = snapshot, entry, snapshot.find(entry.ids)
        return known[2]

    def _settled(self, snapshot: Snapshot) -> Snapshot:
        return settle(snapshot, self.spec, self._names, seals=self._seals, frozen=self._frozen)

    def _delete(self, offset_ids: NDArray[np.int64]) -> None:
        if len(offset_ids):
            self._snapshot = self._settled(self.snapshot.without(offset_ids))

    def flush(self) -> None:
        """Seal the tail."""
        self._snapshot = flush(self.snapshot, self.spec, self._names)
        self._note_indexed()

    def compact(self) -> None:
        """Make one segment of all."""
        self._snapshot = compact(self.snapshot, self.spec, self._names)
        self._note_indexed()

    def _note_indexed(self) -> None:
        """Without a tail everything written is indexed: a delete is, when no segment of the tail holds the record."""
        if not self.snapshot.segments or self.snapshot.segments[-1].segment.is_sealed:
            self.n_indexed_ops = self.n_ops

    def reconfigure(self, spec: IndexSpec) -> None:
        """Take other parameters: those of the search hold at once, those of building for what is built from now on."""
        self._snapshot = reconfigured(self.snapshot, spec)
        self.spec = spec

    def _publish(self, rows: Rows, replaced: NDArray[np.int64]) -> None:
        snapshot = self._snapshot.without(replaced) if len(replaced) else self._snapshot
        state = SegmentState.of(Segment(self._names.tail(), rows, self.spec))
        grown = Snapshot.of((*snapshot.segments, state), rows.vectors.shape[1])
        self._snapshot = self._settled(grown)

    def _inserted(self, entry: LogEntry, places: Sequence[int]) -> Rows:
        first = self._next_offset
        self._next_offset += len(places)
        assert entry.vectors is not None, "records need vectors; the client has checked it"
        is_whole = len(places) == len(entry.ids)
        vectors = entry.vectors if is_whole else entry.vectors[np.array(places, np.int64)]
        metadatas = _picked(entry.metadatas, places)
        return Rows(
            ids=[entry.ids[at] for at in places],
            offset_ids=np.arange(first, self._next_offset, dtype=np.int64),
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


def check_dimension(got: int, expected: int) -> None:
    """Refuse vectors of another dimension than the collection's.

    Raises:
        DimensionMismatchError: got is not as expected.
    """
    if got != expected:
        raise DimensionMismatchError(
            f"Collection expecting embedding with dimension of {expected}, got {got}", expected=expected, got=got
        )


def refusal_of(entry: LogEntry, dimension: int | None) -> DimensionMismatchError | None:
    """Return why an entry cannot be applied to a collection of this dimension, None when it can."""
    try:
        if entry.vectors is not None and dimension is not None:
            check_dimension(entry.vectors.shape[1], dimension)
    except DimensionMismatchError as error:
        return error
    return None


def merged_metadata(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return metadata after an update: key by key, None deletes the key, nothing left is None (spec 9)."""
    if not new:
        return old
    merged = {**old, **new} if old else new
    if None in merged.values():
        merged = {key: value for key, value in merged.items() if value is not None}
    return merged or None


def _picked(column: Sequence[Any] | None, places: Sequence[int]) -> list[Any]:
    return [None] * len(places) if column is None else [column[at] for at in places]


def _replaced(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    return [before if after is None else after for before, after in zip(old, new, strict=True)]
