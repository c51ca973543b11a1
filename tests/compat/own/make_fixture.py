"""Make the folder of this version that every later one must open: `python -m tests.compat.own.make_fixture`.

Run it once for each version of the format, before a release; a stored fixture is never made anew.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import chroma_search
from chroma_search import Bm25, K, Knn, Rrf, Search, SparseVector
from chroma_search.storage import log
from chroma_search.storage.log import LONG_VERSION as FORMAT_VERSION

HERE = Path(__file__).parent
N, DIM = 300, 6
COLUMNS = ["documents", "metadatas", "embeddings", "uris"]


def vector_of(row: int) -> list[float]:
    """Return a vector that is written the same way everywhere: quarters, no rounding."""
    return [((row * 7919 + at * 104729) % 256) / 4 - 32 for at in range(DIM)]


def fill(folder: Path) -> None:
    """Write what a folder can hold: flushed and unflushed records, updates, deletes, every type of metadata."""
    with chroma_search.PersistentClient(folder) as client:
        for kind in ("hnsw", "spann"):
            configuration: Any = {kind: {"space": "l2"}}
            collection = client.create_collection(
                f"of-{kind}", metadata={"kind": kind}, configuration=configuration, embedding_function=None
            )
            rows = range(N)
            collection.add(
                [f"id{row}" for row in rows],
                [vector_of(row) for row in rows],
                [
                    {"n": row, "half": row / 2, "even": row % 2 == 0, "tags": ["a", f"t{row % 3}"], "é": "ü"}
                    if row % 10
                    else None
                    for row in rows
                ],
                [None if row % 7 == 0 else f"text {row} of the fox and \N{SNOWMAN}" for row in rows],
            )
            collection.update(["id1"], metadatas=[{"sparse": SparseVector([1, 5], [0.5, 2.0])}])
            collection.flush()
            collection.delete(["id2", "id3"])
            collection.upsert(["id4", "new"], [vector_of(1000), vector_of(1001)], documents=["changed", "a new fox"])
        admin = chroma_search.AdminClient(client.get_settings())
        admin.create_tenant("other")
        admin.create_database("theirs", "other")
    with chroma_search.PersistentClient(folder, tenant="other", database="theirs") as client:
        client.create_collection("empty", embedding_function=None)


def answers(client: Any, name: str) -> dict[str, Any]:
    """Return what a collection answers, as JSON holds it."""
    collection = client.get_collection(name, embedding_function=None)
    found = collection.get(include=COLUMNS)
    kept = {
        "metadata": collection.metadata,
        "ids": found["ids"],
        "documents": found["documents"],
        "metadatas": [plain(each) for each in found["metadatas"]],
        "embeddings": np.asarray(found["embeddings"]).tolist(),
    }
    near = collection.query(query_embeddings=[vector_of(5)], n_results=5, where={"n": {"$gt": 4}})
    kept["query"] = {"ids": near["ids"], "distances": near["distances"]}
    rank = Rrf([Knn(vector_of(9), return_rank=True), Bm25("new fox", return_rank=True)])
    search = Search(rank=rank).where(K("even") == True).limit(5).select(K.SCORE)  # noqa: E712 - a filter
    hits = collection.search(search, exact=True)
    kept["search"] = {"ids": hits["ids"], "scores": hits["scores"]}
    return kept


def plain(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return metadata with sparse vectors in their JSON form."""
    if metadata is None:
        return None
    return {key: each.to_dict() if isinstance(each, SparseVector) else each for key, each in metadata.items()}


def main() -> None:
    """Write the fixture of this version of the format."""
    target = HERE / str(FORMAT_VERSION)
    target.mkdir()
    log.LONG_BYTES = 100  # so that some entries lie in a file of their own
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held) / "data"
        fill(folder)
        with zipfile.ZipFile(target / "folder.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(folder.rglob("*")):
                packed.write(path, path.relative_to(folder))
        with chroma_search.PersistentClient(folder, mode="r") as client:
            expected = {name: answers(client, name) for name in ("of-hnsw", "of-spann")}
    (target / "expected.json").write_text(json.dumps(expected, indent=1))


if __name__ == "__main__":
    main()
