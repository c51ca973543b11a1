"""Reads a folder of Chroma before 0.4, two Parquet files, by bringing it into the form of 0.4: queued writes.

What follows (`chroma_tables.py` and on) then needs to know nothing of it. Those releases kept the vectors, in full,
with the records; their index folder is not needed. The new form is a database in a temporary folder.

Only what `persist()` wrote is there; such a client wrote at its end, or when it was told to.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from chroma_search.errors import CorruptionError

COLLECTIONS, EMBEDDINGS = "chroma-collections.parquet", "chroma-embeddings.parquet"
BATCH_ROWS = 5_000
ADD = 0
NULLABLE = ("embedding", "document", "metadata")

_TABLES = (
    "CREATE TABLE collections (id TEXT, name TEXT, dimension INTEGER)",
    "CREATE TABLE collection_metadata (collection_id TEXT, key TEXT, str_value TEXT, int_value INTEGER,"
    " float_value REAL)",
    "CREATE TABLE segments (id TEXT, scope TEXT, collection TEXT)",
    "CREATE TABLE embeddings (id INTEGER PRIMARY KEY, segment_id TEXT, embedding_id TEXT, seq_id INTEGER)",
    "CREATE TABLE embedding_metadata (id INTEGER, key TEXT, string_value TEXT, int_value INTEGER, float_value REAL)",
    "CREATE TABLE embeddings_queue (seq_id INTEGER PRIMARY KEY, operation INTEGER, topic TEXT, id TEXT, vector BLOB,"
    " encoding TEXT, metadata TEXT)",
    "CREATE INDEX queue_topic ON embeddings_queue (topic, seq_id)",
)


def connect_parquet(folder: Path, scratch: Path) -> sqlite3.Connection:
    """Return a connection on a new database in `scratch` with what the two files of `folder` hold.

    Raises:
        CorruptionError: a file is damaged, or is not what Chroma writes.
    """
    connection = sqlite3.connect(scratch / "converted.sqlite3")
    try:
        for statement in _TABLES:
            connection.execute(statement)
        for row in _rows(folder / COLLECTIONS, ("uuid", "name", "metadata")):
            _put_collection(connection, *row)
        for row in _rows(folder / EMBEDDINGS, ("collection_uuid", "id", "embedding", "document", "metadata")):
            _put_record(connection, *row)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    connection.isolation_level = None
    return connection


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    from pyarrow import ArrowException  # a heavy library, loaded when it is needed
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
                rows = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
                yield from (_checked(row, columns) for row in rows)
    except (ArrowException, OSError, KeyError, ValueError) as error:
        raise CorruptionError(
            f"{path} is damaged: {error}", path=str(path), expected="a table of Chroma 0.3"
        ) from error


def _checked(row: tuple[Any, ...], columns: tuple[str, ...]) -> tuple[Any, ...]:
    for name, value in zip(columns, row, strict=True):
        kind = list if name == "embedding" else str
        if not isinstance(value, kind) and not (value is None and name in NULLABLE):
            raise ValueError(f"{type(value).__name__} stands in the column {name}")
    return row


def _put_collection(connection: sqlite3.Connection, id_: str, name: str, metadata: str | None) -> None:
    connection.execute("INSERT INTO collections (id, name) VALUES (?, ?)", (id_, name))
    for key, value in _fields(metadata).items():
        column = {str: "str_value", int: "int_value", float: "float_value"}.get(type(value))
        if column is not None:
            connection.execute(
                f"INSERT INTO collection_metadata (collection_id, key, {column}) VALUES (?, ?, ?)", (id_, key, value)
            )


def _put_record(
    connection: sqlite3.Connection,
    collection: str,
    id_: str,
    vector: list[float] | None,
    document: str | None,
    metadata: str | None,
) -> None:
    fields = _fields(metadata)
    if document is not None:
        fields["chroma:document"] = document
    with np.errstate(over="ignore"):  # what no float32 holds is infinite, and no vector then
        blob = None if vector is None else np.array(vector, "<f4").tobytes()
    connection.execute(
        "INSERT INTO embeddings_queue (operation, topic, id, vector, encoding, metadata) VALUES (?, ?, ?, ?, ?, ?)",
        (ADD, f"persistent://default/default/{collection}", id_, blob, "FLOAT32", json.dumps(fields)),
    )


def _fields(text: str | None) -> dict[str, Any]:
    with suppress(ValueError, TypeError, RecursionError):
        form = json.loads(text or "null")
        if isinstance(form, dict):
            return form
    return {}
