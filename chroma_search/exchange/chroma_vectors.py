"""Where the vector of each record is: in the files of the vector index, or in a write that the queue still has.

Chroma writes first into the queue, later into the index, and then removes from the queue what the index has (since
0.5.6, not before). So a vector may be in either or in both. The queue's is preferred: it is what the user passed, bit
for bit, while the index holds for cosine a normalised vector and its length. The queue alone is enough for a record
whose last vector is still in it, even when the index is gone.

The state of a record follows from replaying the queue over the index. What is not certain is whether an `add` of the
queue did anything: it is skipped when its id exists already, and that may have been decided before the queue begins.
Then the index decides, by the seq_no it noted; without one, its row is taken. When the index is gone, the order of the
records tells: one that was made before another one cannot have been made by a later write than that one.

Invariant: a vector that may not be the last one of its record is marked as doubtful.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chroma_search.exchange.chroma_hnsw_files import HnswFiles
from chroma_search.exchange.chroma_records import SourceRecord
from chroma_search.exchange.chroma_tables import ChromaTables, QueuedWrite, SourceCollection

GONE = -1
"""In place of a seq_no: the queue says that the id has no vector."""

Origin = Literal["index", "queue"]


@dataclass(frozen=True, slots=True)
class FoundVector:
    """A vector and where it was found.

    Attributes:
        values: float32, shape (dimension,).
        origin: the files of the index, or the queue.
        has_lost_length: it was normalised, and its original length is not known.
        is_doubtful: it may not be the one that the record had last: the record was written again later, and that write
            is in neither of the two; or it is of an `add` that may have found its id taken, by what nothing is left of.
    """

    values: NDArray[np.float32]
    origin: Origin
    has_lost_length: bool = False
    is_doubtful: bool = False


@dataclass(slots=True)
class VectorSources:
    """Finds vectors of one collection.

    Args:
        tables: the database.
        collection: whose vectors.
        index: its files; None when it was never saved.
    """

    tables: ChromaTables
    collection: SourceCollection
    index: HnswFiles | None
    _queued: dict[str, int] = field(init=False)
    _applied: int = field(init=False)
    _first_queued: float = field(init=False)
    _doubtful: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._applied = _last_applied(self.collection, self.index)
        replay = _Replay(self.tables, self.collection, self.index, self._applied)
        self._queued, self._first_queued, self._doubtful = replay.run(), replay.first_queued, replay.doubtful

    def find(self, records: Sequence[SourceRecord]) -> list[FoundVector | None]:
        """Return the vector of each record, None for one that has none or whose vector cannot be read any more."""
        ids = [record.id for record in records]
        held = self.tables.queued_vectors([seq for id_ in ids if (seq := self._queued.get(id_, GONE)) != GONE])
        found: list[FoundVector | None] = [None] * len(ids)
        rest: list[int] = []
        for at, id_ in enumerate(ids):
            seq_no = self._queued.get(id_)
            if seq_no in held:
                found[at] = FoundVector(held[seq_no], "queue", is_doubtful=id_ in self._doubtful)
            elif seq_no is None or GONE < seq_no <= self._applied:  # not in the queue, or damaged there
                rest.append(at)
        self._find_in_index(records, rest, found)
        return found

    def _find_in_index(
        self, records: Sequence[SourceRecord], places: list[int], found: list[FoundVector | None]
    ) -> None:
        if self.index is None:
            return
        rows = self.index.rows
        known = [at for at in places if records[at].id in rows]
        if not known:
            return
        vectors, good, is_unit = self.index.vectors([rows[records[at].id] for at in known])
        for at, values, is_good, has_lost_length in zip(known, vectors, good, is_unit, strict=True):
            if is_good:
                found[at] = FoundVector(values, "index", bool(has_lost_length), self._is_outdated(records[at]))

    def _is_outdated(self, record: SourceRecord) -> bool:
        """Tell whether the last write of a record came after the index was saved and is gone from the queue."""
        return record.seq_no is not None and self._applied < record.seq_no < self._first_queued


class _Replay:
    """Goes through the queue once; the result is, per id that is in it, the seq_no of its vector, or GONE."""

    def __init__(
        self, tables: ChromaTables, collection: SourceCollection, index: HnswFiles | None, applied: int
    ) -> None:
        self._tables = tables
        self._collection = collection
        self._index = index
        self._applied = applied
        self.first_queued = inf
        self.doubtful: set[str] = set()
        self._exists: dict[str, bool] = {}
        self._source: dict[str, int] = {}
        self._made_by: dict[str, tuple[int, int]] | None = None

    def run(self) -> dict[str, int]:
        for write in self._tables.queue(self._collection.topic):
            self.first_queued = min(self.first_queued, write.seq_no)
            self._take(write)
        return self._source

    def _take(self, write: QueuedWrite) -> None:
        id_ = write.id
        if id_ not in self._exists and write.seq_no > self._applied:
            self._settle(id_)
        if write.operation != "add" and (write.has_vector or write.operation == "delete"):
            self.doubtful.discard(id_)
        if write.operation == "delete":
            self._exists[id_], self._source[id_] = False, GONE
        elif write.has_vector and (write.operation == "upsert" or self._takes_effect(write)):
            self._source[id_] = write.seq_no
            if write.operation != "update":  # which may have found nothing, see below
                self._exists[id_] = True

    def _settle(self, id_: str) -> None:
        """Note whether the index has an id, now that everything before is in it."""
        if self._index is None:
            self._exists[id_] = False
        elif self._index.ids is not None:
            self._exists[id_] = id_ in self._index.ids

    def _takes_effect(self, write: QueuedWrite) -> bool:
        exists = self._exists.get(write.id)
        if write.operation == "update":
            # Where that is not known: if it did not exist, then a later write made the record and says its vector.
            return exists is not False
        if exists is not None:
            return not exists
        return self._was_made_by(write)

    def _was_made_by(self, write: QueuedWrite) -> bool:
        """Tell whether an `add` made its record, rather than finding it there."""
        id_, index = write.id, self._index
        if index is not None and id_ in index.applied:
            return index.applied[id_] == write.seq_no
        if self._made_by is None:
            self._made_by = self._read_makers()
        last_write, latest_maker = self._made_by.get(id_, (write.seq_no, write.seq_no))
        if last_write == write.seq_no:
            return True
        if write.seq_no > latest_maker:
            return False
        if index is not None and id_ in index.rows:  # which has what came of this write and of those before
            self._source.pop(id_, None)
            return False
        self.doubtful.add(id_)
        return True

    def _read_makers(self) -> dict[str, tuple[int, int]]:
        """Return per id the last write that reached its record, and the latest one that can have made it."""
        segment = self._collection.metadata_segment
        if segment is None:
            return {}
        queued = {write.id for write in self._tables.queue(self._collection.topic)}
        makers: dict[str, tuple[int, int]] = {}
        latest: int | None = None
        for row in self._tables.records(segment, newest_first=True):
            latest = row.seq_no if latest is None else min(latest, row.seq_no)
            if row.id in queued:
                makers[row.id] = (row.seq_no, latest)
        return makers


def _last_applied(collection: SourceCollection, index: HnswFiles | None) -> int:
    """Return the seq_no up to which the index has everything; -1 when it has nothing or nobody knows."""
    if index is None or index.ids is None:
        return -1
    if collection.vectors_applied is not None:
        return collection.vectors_applied
    if index.last_applied is not None:
        return index.last_applied
    return max(index.applied.values(), default=-1)
