"""zvec: a collection with a graph, a string per document and a column per field of the metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import zvec
from numpy.typing import NDArray

from benchmarks.ingest.rivals.protocol import EF_CONSTRUCTION, MAX_NEIGHBORS, Batch

FIELDS = {
    "document": zvec.DataType.STRING,
    "set": zvec.DataType.STRING,
    "bucket": zvec.DataType.INT64,
    "price": zvec.DataType.DOUBLE,
    "year": zvec.DataType.INT64,
    "flag": zvec.DataType.BOOL,
}


class Zvec:
    """zvec as its documentation shows it."""

    acknowledged = "in its write-ahead log, not synced; searchable"

    def __init__(self) -> None:
        zvec.init(log_level=zvec.LogLevel.ERROR)

    def create(self, folder: Path, dimension: int) -> None:
        graph = zvec.HnswIndexParam(metric_type=zvec.MetricType.L2, m=MAX_NEIGHBORS, ef_construction=EF_CONSTRUCTION)
        schema = zvec.CollectionSchema(
            "bench",
            fields=[zvec.FieldSchema(name, kind) for name, kind in FIELDS.items()],
            vectors=[zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, dimension, graph)],
        )
        self._collection = zvec.create_and_open(str(folder / "bench"), schema)

    def open(self, folder: Path) -> None:
        self._collection = zvec.open(str(folder / "bench"))

    def add(self, batch: Batch) -> None:
        _check(self._collection.insert(_docs(batch)))

    def update(self, batch: Batch) -> None:
        _check(self._collection.update(_docs(batch)))

    def delete(self, ids: Sequence[str]) -> None:
        _check(self._collection.delete(list(ids)))

    def query(self, vector: NDArray[np.float32], k: int) -> list[str]:
        return [doc.id for doc in self._collection.query(zvec.Query("vector", vector=vector), topk=k)]

    def count(self) -> int:
        return self._collection.stats.doc_count

    def finish_index(self) -> None:
        self._collection.optimize()
        self._collection.flush()

    def compact(self) -> str:
        self._collection.optimize()
        self._collection.flush()
        return "collection.optimize()"

    def close(self) -> None:
        self._collection.close()


class FlushedZvec(Zvec):
    """zvec with a `flush()` after each write, which its documentation calls forcing pending writes to disk."""

    acknowledged = "after flush(); searchable"

    def add(self, batch: Batch) -> None:
        super().add(batch)
        self._collection.flush()

    def update(self, batch: Batch) -> None:
        super().update(batch)
        self._collection.flush()

    def delete(self, ids: Sequence[str]) -> None:
        super().delete(ids)
        self._collection.flush()


def _docs(batch: Batch) -> list[zvec.Doc]:
    rows = zip(batch.ids, batch.vectors, batch.documents, batch.metadatas, strict=True)
    return [
        zvec.Doc(id=id, vectors={"vector": vector}, fields={"document": document, **metadata})
        for id, vector, document, metadata in rows
    ]


def _check(statuses: Iterable[zvec.Status]) -> None:
    for status in statuses:
        if not status.ok():
            raise RuntimeError(f"zvec: {status}")
