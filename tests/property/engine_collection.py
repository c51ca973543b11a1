"""EngineCollection: the real engine under the oracle's method names, so that one history is replayed on both.

It goes straight to the engine, past the client, because the tests here steer what a user does not: strategies that are
forced, and where the tail is sealed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from chroma_search.dsl import And, Search, SearchClauses
from chroma_search.dsl.search import as_where
from chroma_search.dsl.where_document import where_document_to_where
from chroma_search.engine.collection import CollectionEngine
from chroma_search.engine.collection_home import LOG
from chroma_search.model.distance import Space
from chroma_search.requests import Found, RunOptions, Selection, WriteBatch
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.schema.index_params import IndexKind
from chroma_search.storage.log import SqliteLog

EVERYTHING = frozenset({"documents", "metadatas", "embeddings", "uris"})
EXACT = RunOptions(exact=True)


class EngineCollection:
    """A collection engine, in memory or in a folder; `kind` is the approximate index of its sealed segments.

    Or the one that is given.
    """

    def __init__(
        self,
        space: Space = "l2",
        *,
        kind: IndexKind = "hnsw",
        params: dict[str, Any] | None = None,
        folder: Path | None = None,
        engine: CollectionEngine | None = None,
    ) -> None:
        if engine is not None:
            self.engine = engine
            return
        config = CollectionConfig(space, kind, params or {})
        if folder is not None:
            SqliteLog(folder / LOG).close()  # as the database does when it makes the collection
        self.engine = CollectionEngine("c", "t", "d", config, folder=folder)

    def add(self, **columns: Any) -> None:
        self.engine.add(batch(**columns))

    def update(self, **columns: Any) -> None:
        self.engine.update(batch(**columns))

    def upsert(self, **columns: Any) -> None:
        self.engine.upsert(batch(**columns))

    def delete(self, ids: Any = None, where: Any = None, where_document: Any = None, limit: Any = None) -> Any:
        chosen = Selection(ids, both(where, where_document), limit)
        return {"deleted": self.engine.delete(chosen)}

    def count(self) -> int:
        return self.engine.count()

    def get(
        self, ids: Any = None, where: Any = None, limit: Any = None, offset: Any = None, where_document: Any = None
    ) -> dict[str, Any]:
        chosen = Selection(ids, both(where, where_document), limit, offset or 0)
        return every_column(self.engine.get(chosen, EVERYTHING))

    def query(
        self,
        query_embeddings: Any,
        ids: Any = None,
        n_results: int = 10,
        where: Any = None,
        where_document: Any = None,
        options: RunOptions = EXACT,
    ) -> dict[str, Any]:
        vectors = np.array(query_embeddings, np.float32)
        found = self.engine.query(vectors, n_results, ids, both(where, where_document), EVERYTHING, options)
        answers: dict[str, Any] = {name: [] for name in (*every_column(Found([])), "distances")}
        for each in found:
            for name, column in every_column(each).items():
                answers[name].append(column)
            answers["distances"].append(each.scores)
        return answers

    def search(self, search: Search | SearchClauses, options: RunOptions = EXACT) -> dict[str, Any]:
        return self.search_batch([search], options)[0]

    def search_batch(self, searches: list[Any], options: RunOptions = EXACT) -> list[dict[str, Any]]:
        clauses = [each.clauses if isinstance(each, Search) else each for each in searches]
        found = self.engine.search(clauses, options)
        return [search_columns(each, one) for each, one in zip(found, clauses, strict=True)]

    def flush(self) -> None:
        self.engine.flush()

    def compact(self) -> None:
        self.engine.compact()


def batch(
    ids: Any, embeddings: Any = None, documents: Any = None, metadatas: Any = None, uris: Any = None
) -> WriteBatch:
    vectors = None if embeddings is None else np.array(embeddings, np.float32)
    return WriteBatch(ids, vectors, documents, metadatas, uris)


def both(where: Any, where_document: Any) -> Any:
    parts = [as_where(where), None if where_document is None else where_document_to_where(where_document)]
    conditions = [each for each in parts if each is not None]
    return conditions[0] if len(conditions) == 1 else And(conditions) if conditions else None


def every_column(found: Found) -> dict[str, Any]:
    embeddings = None if found.embeddings is None else [each.tolist() for each in found.embeddings]
    return {
        "ids": found.ids,
        "embeddings": embeddings,
        "documents": found.documents,
        "metadatas": found.metadatas,
        "uris": found.uris,
    }


def search_columns(found: Found, clauses: SearchClauses) -> dict[str, Any]:
    columns = every_column(found)
    return {
        **{name: columns[name] for name in ("ids", "documents", "embeddings", "metadatas")},
        "scores": found.scores,
        "select": clauses.select.echo(),
    }
