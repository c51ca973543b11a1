"""Kill a child that imports a file, or a folder of Chroma: what it was making is there whole under its name, or not.

The folder holds another collection, which no import may touch. A second import begins where a killed one has stopped,
and leaves nothing of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search import ClientAPI, Collection
from chroma_search.errors import ConflictError
from chroma_search.exchange.chroma_folder import import_chroma
from chroma_search.exchange.exporting import export_collection
from chroma_search.exchange.importing import import_collection
from chroma_search.exchange.unfinished import TEMPORARY_NAME
from tests.crash.killing import Ended, assert_sound, assert_swept, run_child
from tests.crash.nursery import Nursery, say

IMPORT_FILE, IMPORT_CHROMA = "tests.crash.import_kill:import_file", "tests.crash.import_kill:import_folder"
NAME, OTHER, N_RECORDS, BATCH_ROWS = "docs", "other", 23, 5

Contents = dict[str, Any]


def import_file(folder: str, path: str) -> None:
    """Import a file into a new collection."""
    with chroma_search.PersistentClient(folder) as client:
        import_collection(client, NAME, path, batch_rows=BATCH_ROWS, progress=lambda done, _: say(done))


def import_folder(folder: str, source: str) -> None:
    """Import all collections of a folder of Chroma."""
    with chroma_search.PersistentClient(folder) as client:
        import_chroma(source, client, progress=lambda progress: say(progress.collection))


def export(path: Path) -> Contents:
    """Write the file that is imported; return what is in it."""
    rng = np.random.default_rng(5)
    with chroma_search.EphemeralClient() as client:
        collection = client.create_collection("source", embedding_function=None)
        collection.add(
            ids=[f"id-{at}" for at in range(N_RECORDS)],
            embeddings=rng.integers(-9, 9, (N_RECORDS, 3)).astype(np.float32),
            documents=[f"text {at}" for at in range(N_RECORDS)],
            metadatas=[{"n": at, "tags": ["a", str(at)]} for at in range(N_RECORDS)],
        )
        collection.delete(ids="id-3")
        export_collection(collection, path)
        return contents(collection)


def contents(collection: Collection) -> Contents:
    """Return all records of a collection."""
    found = collection.get(include=["documents", "metadatas", "embeddings", "uris"])
    columns: Contents = {name: found[name] for name in ("ids", "documents", "metadatas", "uris")}
    return {**columns, "embeddings": [each.tolist() for each in found["embeddings"]]}


def visible(client: ClientAPI) -> dict[str, Contents]:
    """Return what each collection holds that is not under a temporary name."""
    found = client.list_collections()
    return {each.name: contents(each) for each in found if not each.name.startswith(TEMPORARY_NAME)}


def prepare(folder: Path) -> Contents:
    """Make the folder, with another collection in it."""
    with chroma_search.PersistentClient(folder) as client:
        other = client.create_collection(OTHER, embedding_function=None)
        other.add(ids=["x", "y"], embeddings=[[1.0], [2.0]])
        return contents(other)


def kill_file_import(nursery: Nursery, folder: Path, path: Path, source: Contents, **how: Any) -> Ended:
    """Kill an import of `path`, which holds `source`, look at what it left, and import again."""
    other = prepare(folder)
    ended = run_child(nursery, IMPORT_FILE, str(folder), str(path), **how)
    assert_sound(folder)
    with chroma_search.PersistentClient(folder) as client:
        found = visible(client)
        assert found in ({OTHER: other}, {OTHER: other, NAME: source})
        assert NAME in found or ended.was_killed
        if NAME in found:
            with pytest.raises(ConflictError):
                import_collection(client, NAME, path)
        else:
            import_collection(client, NAME, path)
        names = [each.name for each in client.list_collections()]
        assert names == [OTHER, NAME], "an import that was killed after its end leaves nothing either"
        assert visible(client) == {OTHER: other, NAME: source}
    assert_swept(folder)
    return ended


def kill_folder_import(
    nursery: Nursery, folder: Path, origin: Path, expected: dict[str, Contents], **how: Any
) -> Ended:
    """Kill an import of a folder of Chroma, look at what it left, and import again."""
    other = prepare(folder)
    ended = run_child(nursery, IMPORT_CHROMA, str(folder), str(origin), **how)
    assert_sound(folder)
    whole = {OTHER: other, **expected}
    with chroma_search.PersistentClient(folder) as client:
        found = visible(client)
        assert found in ({OTHER: other}, whole)
        if found == whole:
            with pytest.raises(ConflictError):
                import_chroma(origin, client)
        else:
            assert ended.was_killed
            import_chroma(origin, client)
        assert visible(client) == whole
        assert client.count_collections() == len(whole)
    assert_swept(folder)
    return ended
