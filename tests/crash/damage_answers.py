"""What a client answers about a folder: every collection counted, read, searched; each error as what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import chroma_search
from chroma_search.errors import ChromaSearchError, CorruptionError, FormatVersionError, NotFoundError, StorageError
from chroma_search.model.sparse_vector import SparseVector

PLACES = (("default_tenant", "default_database"), ("second_tenant", "inner"))
COLUMNS = ["documents", "metadatas", "uris", "embeddings"]
TEXT = "WHERE #document CONTAINS '文書' RANK bm25('graph flush') LIMIT 7"


def answers_of(folder: Path, only: str | None = None) -> dict[str, Any]:
    """Open a folder, ask everything, close it.

    Args:
        folder: the folder.
        only: id or name of the collection to ask everything; the others are only counted.

    Returns:
        `listing`: names and facts of all collections, or an error; `collections`: by id, the answers of each. An error
        is a dict with the key `error`.
    """
    clients: list[Any] = []
    found: dict[str, Any] = {"listing": [], "collections": {}}
    try:
        for tenant, database in PLACES:
            client = guarded(lambda t=tenant, d=database: chroma_search.PersistentClient(folder, tenant=t, database=d))
            if is_error(client):
                if client["error"] != "NotFoundError":
                    found["listing"] = client
                continue
            clients.append(client)
            collections = guarded(client.list_collections)
            if is_error(collections):
                found["listing"] = collections
                continue
            for each in collections:
                found["listing"].append([tenant, database, each.name, str(each.id), repr(each.metadata)])
                found["collections"][str(each.id)] = collection_answers(each, only in (None, str(each.id), each.name))
        return found
    finally:
        for client in clients:
            closed = guarded(client.close)
            if is_error(closed):
                found["listing"] = closed


def collection_answers(collection: Any, asks_all: bool = True) -> dict[str, Any]:
    """Ask a collection everything, or count it."""
    if not asks_all:
        return {"count": guarded(collection.count)}
    dim = {"notes": 32, "pages": 3}.get(collection.name, 2)
    query = np.linspace(-1, 1, dim, dtype=np.float32)
    sparse = SparseVector(indices=[3, 10, 20, 30], values=[1.0, 0.5, 2.0, 1.0])
    knn = chroma_search.Knn(query=sparse, key="sparse", limit=9)
    near = chroma_search.Knn(query=query.tolist(), limit=8)
    asked: dict[str, Callable[[], Any]] = {
        "count": collection.count,
        "query": lambda: _page(collection.query(query[None], n_results=6, include=["distances"])),
        "records": lambda: digest_of(collection.get(include=COLUMNS)),
        "exact": lambda: _page(collection.search(_ranked(near), exact=True)),
        "sparse": lambda: _page(collection.search(_ranked(knn))),
        "filter": lambda: _page(collection.get(where={"$and": [{"group": {"$gte": 2}}, {"share": {"$lt": 0.5}}]})),
        "ids": lambda: _page(collection.get(ids=["notes-2", "notes-501", "pages-3", "late-1", "notes-801"])),
        "texts": lambda: _page(collection.search(TEXT)),
    }
    found = {"count": guarded(asked.pop("count"))}
    if is_error(found["count"]):  # it does not open: one more call is enough
        asked = {"exact": asked["exact"]}
    return {**found, **{name: guarded(call) for name, call in asked.items()}}


def _ranked(rank: Any) -> Any:
    return chroma_search.Search().rank(rank).limit(8).select("#score")


def _page(found: Any) -> str:
    return _digest([(name, found[name]) for name in ("ids", "distances", "scores") if name in found])


def guarded(call: Callable[[], Any]) -> Any:
    """Return what a call gives, or its error as a dict: `error` (class), `typed` (ours, of the disk), path, text."""
    try:
        return call()
    except Exception as error:
        typed = isinstance(error, (CorruptionError, FormatVersionError, NotFoundError)) or _is_gone(error)
        path = str(getattr(error, "path", ""))
        ours = isinstance(error, ChromaSearchError)
        return {"error": type(error).__name__, "typed": typed, "ours": ours, "path": path, "text": str(error)[:600]}


def _is_gone(error: Exception) -> bool:
    """Tell whether it is our error of a file that is missing; its message names the file."""
    return isinstance(error, StorageError) and isinstance(error.__cause__, FileNotFoundError)


def is_error(found: Any) -> bool:
    """Tell whether it is an error of `guarded`."""
    return isinstance(found, dict) and "error" in found


def records_of(found: Any) -> list[list[Any]]:
    """Return the records of a `get` with all columns, one list each; equal texts for equal values."""
    rows = zip(*(found[name] for name in ("ids", "documents", "metadatas", "uris", "embeddings")), strict=True)
    return [[id_, text, _canonical(facts), uri, _vector(vector)] for id_, text, facts, uri, vector in rows]


def digest_of(found: Any) -> str:
    """Return a digest of the records of a `get`, in their order."""
    return _digest(records_of(found))


def _canonical(metadata: Any) -> str | None:
    return None if metadata is None else repr(sorted(metadata.items()))


def _vector(vector: Any) -> str:
    return hashlib.blake2b(np.asarray(vector, "<f4").tobytes(), digest_size=8).hexdigest()


def _digest(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
