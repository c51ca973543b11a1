"""lancedb: a table with a vector column and a column per field; one graph (one partition) when asked to index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import HnswFlat
from numpy.typing import NDArray

from benchmarks.ingest.rivals.protocol import EF_CONSTRUCTION, MAX_NEIGHBORS, Batch

COLUMNS = ["id", "document", "set", "bucket", "price", "year", "flag"]


class Lance:
    """lancedb's synchronous client on a local folder."""

    acknowledged = "in new files that a new manifest names, not synced; searchable"

    def create(self, folder: Path, dimension: int) -> None:
        schema = pa.schema(
            [
                ("id", pa.string()),
                ("document", pa.string()),
                ("set", pa.string()),
                ("bucket", pa.int64()),
                ("price", pa.float64()),
                ("year", pa.int64()),
                ("flag", pa.bool_()),
                ("vector", pa.list_(pa.float32(), dimension)),
            ]
        )
        self._table = lancedb.connect(folder).create_table("bench", schema=schema)

    def open(self, folder: Path) -> None:
        self._table = lancedb.connect(folder).open_table("bench")

    def add(self, batch: Batch) -> None:
        self._table.add(_rows(batch))

    def update(self, batch: Batch) -> None:
        self._table.merge_insert("id").when_matched_update_all().execute(_rows(batch))

    def delete(self, ids: Sequence[str]) -> None:
        self._table.delete(f"id IN ({', '.join(repr(id) for id in ids)})")

    def query(self, vector: NDArray[np.float32], k: int) -> list[str]:
        return self._table.search(vector).select([*COLUMNS, "_distance"]).limit(k).to_arrow()["id"].to_pylist()

    def count(self) -> int:
        return self._table.count_rows()

    def finish_index(self) -> None:
        if self._table.list_indices():
            self._table.optimize()
            return
        graph = HnswFlat(distance_type="l2", num_partitions=1, m=MAX_NEIGHBORS, ef_construction=EF_CONSTRUCTION)
        self._table.create_index("vector", config=graph)

    def compact(self) -> str:
        self._table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
        return "table.optimize(cleanup_older_than=0)"

    def close(self) -> None:
        """Do nothing: a table has no files open between calls."""


def _rows(batch: Batch) -> pa.Table:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(batch.vectors.ravel()), batch.vectors.shape[1])
    fields = {name: [each[name] for each in batch.metadatas] for name in COLUMNS[2:]}
    return pa.table({"id": batch.ids, "document": batch.documents, **fields, "vector": vectors})
