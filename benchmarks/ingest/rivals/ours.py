"""chroma_search: a `PersistentClient`, defaults but for the graph's parameters, which are the defaults too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chroma_search
from benchmarks.ingest.rivals.protocol import EF_CONSTRUCTION, MAX_NEIGHBORS, Batch


class Ours:
    """This project."""

    acknowledged = "in the collection's log (SQLite, WAL, synchronous=FULL), synced; searchable"

    def create(self, folder: Path, dimension: int) -> None:
        self._client = chroma_search.PersistentClient(folder)
        graph: Any = {"space": "l2", "max_neighbors": MAX_NEIGHBORS, "ef_construction": EF_CONSTRUCTION}
        self._collection = self._client.create_collection(
            "bench", configuration={"hnsw": graph}, embedding_function=None
        )

    def open(self, folder: Path) -> None:
        self._client = chroma_search.PersistentClient(folder)
        self._collection = self._client.get_collection("bench", embedding_function=None)

    def add(self, batch: Batch) -> None:
        self._collection.add(
            ids=batch.ids, embeddings=batch.vectors, documents=batch.documents, metadatas=batch.metadatas
        )

    def update(self, batch: Batch) -> None:
        self._collection.update(
            ids=batch.ids, embeddings=batch.vectors, documents=batch.documents, metadatas=batch.metadatas
        )

    def delete(self, ids: Sequence[str]) -> None:
        self._collection.delete(ids=list(ids))

    def query(self, vector: NDArray[np.float32], k: int) -> list[str]:
        return self._collection.query(query_embeddings=[vector], n_results=k)["ids"][0]

    def count(self) -> int:
        return self._collection.count()

    def finish_index(self) -> None:
        self._collection.flush()
        progress = self._collection.get_indexing_status().op_indexing_progress
        if progress < 1:
            raise RuntimeError(f"flush() has returned with {progress:.1%} of the records indexed")

    def compact(self) -> str:
        self._collection.compact()
        return "collection.compact()"

    def close(self) -> None:
        self._client.close()
