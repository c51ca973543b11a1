"""Reads the tables of a Chroma database: collections, records and the queue, whichever release wrote them.

Columns and tables came and went from 0.4.0 to 1.5.9 (tenants since 0.4.15, arrays in metadata since 1.5, `topic` until
0.5); what a database lacks has the meaning that it had then. Positions in the queue (seq_no) are integers here, also
where the release stored them as bytes.

Not for: deciding what the rows mean together (`chroma_records.py`, `chroma_vectors.py`). Reads only what it is asked
for, a batch at a time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT
from chroma_search.errors import CorruptionError

Operation = Literal["add", "update", "upsert", "delete"]
OPERATIONS: Mapping[int, Operation] = {0: "add", 1: "update", 2: "upsert", 3: "delete"}

IDS_PER_QUERY = 500
"""Values in one IN (...): SQLite before 3.32 takes 999."""

VECTOR_DTYPES = {"FLOAT32": "<f4", "INT32": "<i4"}

Metadata = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourceCollection:
    """A collection as its rows say.

    Attributes:
        id, name, tenant, database: of the collection.
        dimension: of its vectors, None before the first one.
        metadata: its own metadata, or None.
        configuration, schema: JSON as stored, None where the release had none.
        topic: under what name its writes stand in the queue.
        vector_segment, metadata_segment: ids; the first one names the folder of the vector index.
        index_metadata: the `hnsw:*` values that the vector segment was made with.
        vectors_applied, records_applied: seq_no up to which each segment has everything; None when it has nothing.
    """

    id: str
    name: str
    tenant: str
    database: str
    dimension: int | None
    metadata: Metadata | None
    configuration: Any
    schema: Any
    topic: str
    vector_segment: str | None
    metadata_segment: str | None
    index_metadata: Metadata = field(default_factory=dict[str, Any])
    vectors_applied: int | None = None
    records_applied: int | None = None


@dataclass(frozen=True, slots=True)
class QueuedWrite:
    """One row of the queue, without its vector."""

    seq_no: int
    operation: Operation
    id: str
    has_vector: bool
    metadata: Metadata | None


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One row of the records: its key among them, the user's id, and the last write that reached it."""

    key: int
    id: str
    seq_no: int


class ChromaTables:
    """The tables behind one connection.

    Args:
        connection: see `chroma_sqlite.opened_for_reading`.
        path: of the file, for errors.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        tables = self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._columns = {name: self._columns_of(name) for (name,) in tables}
        for table in ("collections", "segments", "embeddings", "embedding_metadata", "embeddings_queue"):
            if table not in self._columns:
                raise CorruptionError(f"{path} has no table {table}", path=path, expected="a database of Chroma")

    def collections(self) -> list[SourceCollection]:
        """Return all collections in the order in which they were created."""
        places = self._places()
        metadata = self._key_values("collection_metadata", "collection_id")
        of_segments = self._key_values("segment_metadata", "segment_id")
        applied = {id_: self._seq_no(value) for id_, value in self._all("max_seq_id", "segment_id", "seq_id")}
        segments: dict[tuple[str, str], str] = {
            (collection, scope): self._text(id_)
            for id_, scope, collection in self._all("segments", "id", "scope", "collection")
        }
        wanted = ("id", "name", "dimension", "database_id", "config_json_str", "schema_str", "topic")
        found: list[SourceCollection] = []
        for id_, name, dimension, database_id, configuration, schema, topic in self._all("collections", *wanted):
            tenant, database = places.get(database_id, (DEFAULT_TENANT, DEFAULT_DATABASE))
            vectors, records = segments.get((id_, "VECTOR")), segments.get((id_, "METADATA"))
            found.append(
                SourceCollection(
                    id=self._text(id_),
                    name=self._text(name),
                    tenant=self._text(tenant),
                    database=self._text(database),
                    dimension=dimension if isinstance(dimension, int) and dimension > 0 else None,
                    metadata=metadata.get(id_),
                    configuration=_json(configuration),
                    schema=_json(schema),
                    topic=topic if isinstance(topic, str) else f"persistent://default/default/{id_}",
                    vector_segment=vectors,
                    metadata_segment=records,
                    index_metadata=of_segments.get(vectors or "", {}),
                    vectors_applied=applied.get(vectors or ""),
                    records_applied=applied.get(records or ""),
                )
            )
        return found

    def n_records(self, segment: str) -> int:
        """Return how many records a segment has."""
        return int(self._rows("SELECT count(*) FROM embeddings WHERE segment_id = ?", segment)[0][0])

    def records(self, segment: str, *, newest_first: bool = False) -> Iterator[RecordRow]:
        """Give the records of a segment in the order in which their ids first came, or backwards."""
        order = "DESC" if newest_first else "ASC"
        statement = f"SELECT id, embedding_id, seq_id FROM embeddings WHERE segment_id = ? ORDER BY id {order}"
        for key, id_, seq_no in self._connection.execute(statement, (segment,)):
            yield RecordRow(self._seq_no(key), self._text(id_), self._seq_no(seq_no))

    def metadata(self, keys: Sequence[int]) -> dict[int, Metadata]:
        """Return the metadata of records by their keys, documents and URIs among it (`chroma:document`, `chroma:uri`).

        A value that is null in every column (a NaN) is None.
        """
        found: dict[int, Metadata] = {key: {} for key in keys}
        for first in range(0, len(keys), IDS_PER_QUERY):
            some = list(keys[first : first + IDS_PER_QUERY])
            for key, name, value in self._values("embedding_metadata", "id", "string_value", some):
                self._fields(found, key)[name] = value
            if "embedding_metadata_array" in self._columns:
                lists: dict[tuple[int, str], list[Any]] = {}
                for key, name, value in self._values("embedding_metadata_array", "id", "string_value", some):
                    lists.setdefault((key, name), []).append(value)
                for (key, name), values in lists.items():
                    self._fields(found, key)[name] = values
        return found

    def _fields(self, found: dict[int, Metadata], key: Any) -> Metadata:
        # A damaged index of the database may lead to rows that were not asked for.
        fields = found.get(key)
        if fields is None:
            raise self._damaged(f"metadata of record {key!r:.40} stand among those of others")
        return fields

    def queue(self, topic: str) -> Iterator[QueuedWrite]:
        """Give what the queue still has of a collection, oldest first."""
        statement = (
            "SELECT seq_id, operation, id, vector IS NOT NULL, metadata FROM embeddings_queue "
            "WHERE topic = ? ORDER BY seq_id"
        )
        for seq_no, code, id_, has_vector, metadata in self._connection.execute(statement, (topic,)):
            if code not in OPERATIONS:
                raise self._damaged(f"write {seq_no} in the queue has the unknown operation {code!r:.20}")
            form = _json(metadata)
            yield QueuedWrite(
                self._seq_no(seq_no),
                OPERATIONS[code],
                self._text(id_),
                bool(has_vector),
                form if isinstance(form, dict) else None,
            )

    def queued_vectors(self, seq_nos: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Return the vectors of writes in the queue, float32, shape (dimension,) each; what is damaged is left out."""
        found: dict[int, NDArray[np.float32]] = {}
        for first in range(0, len(seq_nos), IDS_PER_QUERY):
            some = list(seq_nos[first : first + IDS_PER_QUERY])
            marks = ",".join("?" * len(some))
            rows = self._rows(f"SELECT seq_id, vector, encoding FROM embeddings_queue WHERE seq_id IN ({marks})", *some)
            for seq_no, blob, encoding in rows:
                dtype = VECTOR_DTYPES.get(encoding)
                if dtype is not None and isinstance(blob, bytes) and blob and len(blob) % 4 == 0:
                    vector = np.frombuffer(blob, dtype).astype(np.float32)
                    if np.isfinite(vector).all():
                        found[seq_no] = vector
        return found

    def _places(self) -> dict[str, tuple[str, str]]:
        return {id_: (tenant, name) for id_, name, tenant in self._all("databases", "id", "name", "tenant_id")}

    def _key_values(self, table: str, owner: str) -> dict[str, Metadata]:
        found: dict[str, Metadata] = {}
        if table in self._columns:
            for id_, key, value in self._values(table, owner, "str_value"):
                found.setdefault(id_, {})[key] = value
        return found

    def _values(
        self, table: str, owner: str, text_column: str, owners: Sequence[Any] | None = None
    ) -> Iterator[tuple[Any, str, Any]]:
        """Give owner, key and value of rows whose value is in the one of four columns that is not null."""
        flag = "bool_value" if "bool_value" in self._columns[table] else "NULL"
        statement = f"SELECT {owner}, key, {text_column}, int_value, float_value, {flag} FROM {table}"
        if owners is not None:
            statement += f" WHERE {owner} IN ({','.join('?' * len(owners))})"
        for id_, key, text, whole, real, truth in self._connection.execute(f"{statement} ORDER BY rowid", owners or ()):
            value = text if text is not None else whole if whole is not None else real
            yield id_, self._text(key), bool(truth) if value is None and truth is not None else value

    def _all(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return columns of all rows in the order of insertion; a column or table that is not there is all None."""
        if table not in self._columns:
            return []
        names = (name if name in self._columns[table] else "NULL" for name in columns)
        return self._rows(f'SELECT {", ".join(names)} FROM "{table}" ORDER BY rowid')

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def _columns_of(self, table: str) -> frozenset[str]:
        return frozenset(row[0] for row in self._rows("SELECT name FROM pragma_table_info(?)", table))

    def _seq_no(self, value: Any) -> int:
        if isinstance(value, int):
            return value
        if isinstance(value, bytes) and len(value) in (8, 24):
            return int.from_bytes(value, "big")
        raise self._damaged(f"{value!r:.40} stands where a number belongs")

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._damaged(f"{value!r:.40} stands where a text belongs")
        return value

    def _damaged(self, why: str) -> CorruptionError:
        return CorruptionError(f"{self._path} is damaged: {why}", path=self._path, expected="a database of Chroma")


def _json(text: Any) -> Any:
    """Return what a JSON text says, None for no text or a broken one."""
    with suppress(ValueError, TypeError, RecursionError):
        return json.loads(text)
    return None
