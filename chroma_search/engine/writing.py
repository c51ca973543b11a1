"""RecordStore: the writing half of a collection - ids, offset ids, merging of updates, tombstones, new segments.

Not thread-safe by itself: the collection engine calls it under its lock. `snapshot` is replaced as a whole, never
changed, so readers may take it at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.engine.requests import WriteBatch
from chroma_search.errors import DimensionMismatchError
from chroma_search.planner.operators.fetch import locate
from chroma_search.storage.compaction import SegmentNames, compact, flush, reconfigured, settle
from chroma_search.storage.rows import Rows
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.snapshot import SegmentState, Snapshot


class RecordStore:
    """Records of one collection.

    Args:
        spec: how vectors are indexed.
    """

    def __init__(self, spec: IndexSpec) -> None:
        self.snapshot = Snapshot()
        self.spec = spec
        self._names = SegmentNames()
        self._offsets: dict[str, int] = {}
        self._next_offset = 1

    def add(self, batch: WriteBatch) -> None:
        """Insert records whose id is new; others are skipped."""
        self._check_dimension(batch)
        fresh = [at for at, each in enumerate(batch.ids) if each not in self._offsets]
        if fresh:
            self._publish(self._inserted(batch, fresh), np.empty(0, np.int64))

    def update(self, batch: WriteBatch) -> None:
        """Change records whose id exists; others are ignored."""
        self._check_dimension(batch)
        known = [at for at, each in enumerate(batch.ids) if each in self._offsets]
        if known:
            self._write(batch, known, [])

    def upsert(self, batch: WriteBatch) -> None:
        """Insert new records, change known ones."""
        self._check_dimension(batch)
        known = [at for at, each in enumerate(batch.ids) if each in self._offsets]
        fresh = [at for at, each in enumerate(batch.ids) if each not in self._offsets]
        self._write(batch, known, fresh)

    def delete(self, offset_ids: NDArray[np.int64]) -> None:
        """Delete live records."""
        if not len(offset_ids):
            return
        doomed = locate(offset_ids, self.snapshot.segments).ids()
        settled = settle(self.snapshot.without(offset_ids), self.spec, self._names)
        for each in doomed:
            del self._offsets[each]
        self.snapshot = settled

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

    def _write(self, batch: WriteBatch, known: list[int], fresh: list[int]) -> None:
        parts: list[Rows] = []
        replaced = np.empty(0, np.int64)
        if known:
            changed = self._changed(batch, known)
            parts.append(changed)
            replaced = changed.offset_ids
        if fresh:
            parts.append(self._inserted(batch, fresh))
        self._publish(Rows.concat(parts), replaced)

    def _publish(self, rows: Rows, replaced: NDArray[np.int64]) -> None:
        snapshot = self.snapshot.without(replaced) if len(replaced) else self.snapshot
        state = SegmentState.of(Segment(self._names.tail(), rows, self.spec))
        grown = Snapshot.of((*snapshot.segments, state), rows.vectors.shape[1])
        settled = settle(grown, self.spec, self._names)
        self._offsets.update(zip(rows.ids, rows.offset_ids.tolist(), strict=True))
        self.snapshot = settled

    def _inserted(self, batch: WriteBatch, places: Sequence[int]) -> Rows:
        first = self._next_offset
        self._next_offset += len(places)
        assert batch.vectors is not None, "records need vectors; the client has checked it"
        is_whole = len(places) == len(batch.ids)
        vectors = batch.vectors if is_whole else batch.vectors[np.array(places, np.int64)]
        metadatas = _picked(batch.metadatas, places)
        return Rows(
            ids=[batch.ids[at] for at in places],
            offset_ids=np.arange(first, self._next_offset, dtype=np.int64),
            vectors=np.array(vectors, np.float32, order="C"),
            documents=_picked(batch.documents, places),
            metadatas=[merged_metadata(None, each) for each in metadatas],
            uris=_picked(batch.uris, places),
        )

    def _changed(self, batch: WriteBatch, places: Sequence[int]) -> Rows:
        offset_ids = np.array([self._offsets[batch.ids[at]] for at in places], np.int64)
        held = locate(offset_ids, self.snapshot.segments)
        dimension = self.snapshot.dimension or 0
        vectors = (
            held.embeddings(dimension)
            if batch.vectors is None
            else np.array(batch.vectors[np.array(places, np.int64)], np.float32, order="C")
        )
        return Rows(
            ids=[batch.ids[at] for at in places],
            offset_ids=offset_ids,
            vectors=vectors,
            documents=_replaced(held.documents(), _picked(batch.documents, places)),
            metadatas=[
                merged_metadata(old, new)
                for old, new in zip(held.metadatas(), _picked(batch.metadatas, places), strict=True)
            ],
            uris=_replaced(held.uris(), _picked(batch.uris, places)),
        )

    def _check_dimension(self, batch: WriteBatch) -> None:
        expected = self.snapshot.dimension
        if batch.vectors is None or expected is None or batch.vectors.shape[1] == expected:
            return
        got = batch.vectors.shape[1]
        raise DimensionMismatchError(
            f"Collection expecting embedding with dimension of {expected}, got {got}", expected=expected, got=got
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
