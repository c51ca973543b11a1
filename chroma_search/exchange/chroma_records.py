"""The records of a Chroma collection in order: ids, documents, URIs and metadata, with what the queue adds to them.

Chroma keeps records in tables and brings each write there from the queue soon after it was acknowledged; a process that
was stopped in between leaves writes that only the queue has. They are applied here, as Chroma does at its next start.

Invariant: the order is that in which ids first came; an id that was deleted and came again is where it came last.
Not for: vectors (`chroma_vectors.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite
from typing import Any, cast

from chroma_search.exchange.chroma_tables import ChromaTables, Metadata, QueuedWrite, SourceCollection

DOCUMENT, URI, RESERVED = "chroma:document", "chroma:uri", "chroma:"


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record without its vector.

    Attributes:
        id, document, uri: as the user gave them; None for none.
        metadata: None when there is none.
        seq_no: the last write that reached the record in the tables; None for a record that only the queue has.
    """

    id: str
    document: str | None
    uri: str | None
    metadata: Metadata | None
    seq_no: int | None = None


@dataclass(slots=True)
class RecordReader:
    """Reads the records of one collection.

    Attributes:
        dropped: how many values could not be taken over, by a description of key and reason.
    """

    tables: ChromaTables
    collection: SourceCollection
    dropped: Counter[str] = field(default_factory=Counter[str])

    def batches(self, n_rows: int) -> Iterator[list[SourceRecord]]:
        """Give all records, at most `n_rows` at a time."""
        late = _LateWrites(self.tables, self.collection)
        segment = self.collection.metadata_segment
        rows = iter(()) if segment is None else self.tables.records(segment)
        while some := list(islice(rows, n_rows)):
            metadata = self.tables.metadata([row.key for row in some])
            states = [(row, late.applied(row.id, metadata[row.key])) for row in some]
            yield [self._record(row.id, state, row.seq_no) for row, state in states if state is not None]
        rest = late.remaining()
        while some := list(islice(rest, n_rows)):
            yield [self._record(id_, state) for id_, state in some]

    def n_expected(self) -> int:
        """Return how many records there are, but for what only the queue has."""
        segment = self.collection.metadata_segment
        return 0 if segment is None else self.tables.n_records(segment)

    def _record(self, id_: str, fields: Metadata, seq_no: int | None = None) -> SourceRecord:
        document, uri = fields.pop(DOCUMENT, None), fields.pop(URI, None)
        metadata = {key: value for key, value in fields.items() if self._is_storable(key, value)}
        return SourceRecord(
            id_,
            document if isinstance(document, str) else None,
            uri if isinstance(uri, str) else None,
            metadata or None,
            seq_no,
        )

    def _is_storable(self, key: str, value: Any) -> bool:
        if key.startswith(RESERVED):  # Chroma hides them from its users too
            return False
        if not key or key[0] in "#$":
            why = "is a key that is not allowed"
        elif value is None or (isinstance(value, float) and not isfinite(value)):
            why = "was not a finite number"
        elif isinstance(value, list) and not _is_uniform(cast("list[Any]", value)):
            why = "was a list of unequal types"
        else:
            return True
        self.dropped[f"metadata {key[:80]!r} {why}"] += 1
        return False


class _LateWrites:
    """What only the queue has: applied to each record as it comes by; what is new comes at the end."""

    def __init__(self, tables: ChromaTables, collection: SourceCollection) -> None:
        applied = -1 if collection.records_applied is None else collection.records_applied
        self._writes: dict[str, list[QueuedWrite]] = {}
        for write in tables.queue(collection.topic):
            if write.seq_no > applied:
                self._writes.setdefault(write.id, []).append(write)
        self._new: list[tuple[int, str, Metadata]] = []

    def applied(self, id_: str, state: Metadata) -> Metadata | None:
        """Return what a record of the tables is after the queue; None when it is no longer in its place."""
        writes = self._writes.pop(id_, None)
        if writes is None:
            return state
        made_by, final = _replayed(writes, state)
        if made_by is None or final is None:
            return final
        self._new.append((made_by, id_, final))
        return None

    def remaining(self) -> Iterator[tuple[str, Metadata]]:
        """Give the records that only the queue has, in order; call it after all others."""
        for id_, writes in self._writes.items():
            made_by, final = _replayed(writes, None)
            if made_by is not None and final is not None:
                self._new.append((made_by, id_, final))
        for _, id_, final in sorted(self._new, key=lambda each: each[0]):
            yield id_, final


def _replayed(writes: Sequence[QueuedWrite], state: Metadata | None) -> tuple[int | None, Metadata | None]:
    """Return the seq_no of the write that made the record, if one of these did, and its fields; None if it is gone."""
    made_by: int | None = None
    for write in writes:
        if write.operation == "delete":
            state = None
        elif state is None and write.operation in ("add", "upsert"):
            made_by, state = write.seq_no, _merged({}, write)
        elif state is not None and write.operation != "add":
            state = _merged(state, write)
    return made_by, state


def _merged(state: Metadata, write: QueuedWrite) -> Metadata:
    merged = {**state, **(write.metadata or {})}
    return {key: value for key, value in merged.items() if value is not None}


def _is_uniform(values: list[Any]) -> bool:
    kinds = set(map(type, values))
    return len(kinds) == 1 and kinds <= {str, int, float, bool} and (float not in kinds or all(map(isfinite, values)))
