"""chromadb: a `PersistentClient`. It writes to an SQLite queue and adds to its graph before a call returns."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import chromadb
import numpy as np
from chromadb.config import Settings
from numpy.typing import NDArray

from benchmarks.ingest.rivals.protocol import EF_CONSTRUCTION, MAX_NEIGHBORS, Batch

VACUUM_S = 600


class Chroma:
    """The upstream project, in the user's own process."""

    acknowledged = "in the queue, an SQLite table, synced; searchable"

    def create(self, folder: Path, dimension: int) -> None:
        self._connect(folder)
        graph: Any = {"space": "l2", "max_neighbors": MAX_NEIGHBORS, "ef_construction": EF_CONSTRUCTION}
        self._collection = self._client.create_collection(
            "bench", configuration={"hnsw": graph}, embedding_function=None
        )

    def open(self, folder: Path) -> None:
        self._connect(folder)
        self._collection = self._client.get_collection("bench", embedding_function=None)

    def add(self, batch: Batch) -> None:
        self._collection.add(
            ids=batch.ids, embeddings=batch.vectors, documents=batch.documents, metadatas=cast(Any, batch.metadatas)
        )

    def update(self, batch: Batch) -> None:
        self._collection.update(
            ids=batch.ids, embeddings=batch.vectors, documents=batch.documents, metadatas=cast(Any, batch.metadatas)
        )

    def delete(self, ids: Sequence[str]) -> None:
        self._collection.delete(ids=list(ids))

    def query(self, vector: NDArray[np.float32], k: int) -> list[str]:
        return self._collection.query(query_embeddings=[vector], n_results=k)["ids"][0]

    def count(self) -> int:
        return self._collection.count()

    def finish_index(self) -> None:
        """Do nothing: the graph is built as records come, a bounded rest is searched one by one."""

    def compact(self) -> str:
        """Run its command; it needs the folder for itself, so this process lets go and opens again."""
        command = Path(sys.executable).with_name("chroma")
        if not command.exists():
            found = shutil.which("chroma")
            if found is None:
                return ""
            command = Path(found)
        self.close()
        arguments = [str(command), "vacuum", "--path", str(self._folder), "--force", "--timeout", str(VACUUM_S)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        self.open(self._folder)
        return "chroma vacuum" if done.returncode == 0 else ""

    def close(self) -> None:
        cast(Any, self._client).close()  # which its type leaves out

    def _connect(self, folder: Path) -> None:
        self._folder = folder
        self._client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
