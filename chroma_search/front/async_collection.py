"""AsyncCollection: `Collection` with `await`, method by method, with the same arguments, checks and results.

Embedding a text and preparing a write take milliseconds to seconds, so they run in a worker thread: the event loop goes
on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from chroma_search.dsl import Search
from chroma_search.embeddings.vectors import Document, Image, OneOrMany
from chroma_search.front.argument_types import MetadataForm, TextForm, VectorForm, WhereDocumentFilter, WhereFilter
from chroma_search.front.backend import AsyncCollectionBackend
from chroma_search.front.collection_calls import GET_INCLUDE, PEEK_INCLUDE, QUERY_INCLUDE
from chroma_search.front.embedding import DataLoader
from chroma_search.front.handle import CollectionHandle
from chroma_search.front.read_level import ReadLevel
from chroma_search.front.search_forms import SearchForm, search_result
from chroma_search.front.threads import in_thread
from chroma_search.model.results import DeleteResult, GetResult, IndexingStatus, QueryResult, SearchResult
from chroma_search.requests import ExplainMode, RunOptions
from chroma_search.schema import UpdateCollectionConfiguration
from chroma_search.schema.names import validate_collection_name

T = TypeVar("T")


class AsyncCollection(CollectionHandle):
    """A collection of records. Made by an async client, not by hand. Each method is that of `Collection`, awaited."""

    def __init__(
        self,
        backend: AsyncCollectionBackend,
        embedding_function: Any | None = None,
        data_loader: DataLoader | None = None,
    ) -> None:
        super().__init__(backend.facts, embedding_function, data_loader)
        self._backend = backend

    async def count(self, read_level: ReadLevel = ReadLevel.INDEX_AND_WAL) -> int:
        """Return the number of records."""
        return await self._backend.count(read_level)

    async def add(
        self,
        ids: OneOrMany[str],
        embeddings: VectorForm | None = None,
        metadatas: MetadataForm | None = None,
        documents: TextForm | None = None,
        images: OneOrMany[Image] | None = None,
        uris: TextForm | None = None,
    ) -> None:
        """Insert records; ids that exist already are skipped."""
        batch = await in_thread(self._calls.write, "add", ids, embeddings, metadatas, documents, images, uris)
        await self._backend.write("add", batch)

    async def update(
        self,
        ids: OneOrMany[str],
        embeddings: VectorForm | None = None,
        metadatas: MetadataForm | None = None,
        documents: TextForm | None = None,
        images: OneOrMany[Image] | None = None,
        uris: TextForm | None = None,
    ) -> None:
        """Change records; ids that do not exist are ignored."""
        batch = await in_thread(self._calls.write, "update", ids, embeddings, metadatas, documents, images, uris)
        await self._backend.write("update", batch)

    async def upsert(
        self,
        ids: OneOrMany[str],
        embeddings: VectorForm | None = None,
        metadatas: MetadataForm | None = None,
        documents: TextForm | None = None,
        images: OneOrMany[Image] | None = None,
        uris: TextForm | None = None,
    ) -> None:
        """Change the records that exist, as `update`, and insert the others, as `add`."""
        batch = await in_thread(self._calls.write, "upsert", ids, embeddings, metadatas, documents, images, uris)
        await self._backend.write("upsert", batch)

    async def delete(
        self,
        ids: OneOrMany[str] | None = None,
        where: WhereFilter | None = None,
        where_document: WhereDocumentFilter | None = None,
        limit: int | None = None,
    ) -> DeleteResult:
        """Delete the records that have one of the ids and pass the filters; at least one of them must be given."""
        selection = self._calls.delete(ids, where, where_document, limit)
        return {"deleted": await self._backend.delete(selection)}

    async def get(
        self,
        ids: OneOrMany[str] | None = None,
        where: WhereFilter | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: WhereDocumentFilter | None = None,
        include: list[str] = GET_INCLUDE,
    ) -> GetResult:
        """Return records in the order in which they were added, whatever the order of `ids`."""
        selection, included = self._calls.get(ids, where, limit, offset, where_document, include)
        found = await self._backend.get(selection, included.columns)
        return await self._ready(self._calls.get_result, included, found, waits="data" in included.names)

    async def peek(self, limit: int = 10) -> GetResult:
        """Return the first records, with documents, metadatas and embeddings."""
        return await self.get(limit=limit, include=PEEK_INCLUDE)

    async def query(
        self,
        query_embeddings: VectorForm | None = None,
        query_texts: OneOrMany[Document] | None = None,
        query_images: OneOrMany[Image] | None = None,
        query_uris: OneOrMany[str] | None = None,
        ids: OneOrMany[str] | None = None,
        n_results: int = 10,
        where: WhereFilter | None = None,
        where_document: WhereDocumentFilter | None = None,
        include: list[str] = QUERY_INCLUDE,
        *,
        exact: bool = False,
    ) -> QueryResult:
        """Return the nearest records to each query, by ascending distance."""
        queries = query_embeddings, query_texts, query_images, query_uris
        rest = ids, n_results, where, where_document, include
        request, included = await self._ready(self._calls.query, *queries, *rest, waits=query_embeddings is None)
        answers = await self._backend.query(request, included.columns, RunOptions(exact=exact))
        return await self._ready(self._calls.query_result, included, answers, waits="data" in included.names)

    async def search(
        self,
        searches: OneOrMany[Search] | SearchForm | Sequence[SearchForm],
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        params: Mapping[str, Any] | None = None,
        exact: bool = False,
        strict: bool = False,
    ) -> SearchResult:
        """Run one search or several against one state of the collection."""
        clauses = await in_thread(self._calls.search, searches, params, strict=strict)
        answers = await self._backend.search(clauses, RunOptions(exact=exact, strict=strict), read_level)
        return search_result(clauses, answers)

    @overload
    async def explain(
        self,
        search: SearchForm,
        mode: ExplainMode = "plan",
        format: Literal["text"] = "text",
        *,
        params: Mapping[str, Any] | None = None,
        exact: bool = False,
        strict: bool = False,
    ) -> str: ...
    @overload
    async def explain(
        self,
        search: SearchForm,
        mode: ExplainMode = "plan",
        *,
        format: Literal["json"],
        params: Mapping[str, Any] | None = None,
        exact: bool = False,
        strict: bool = False,
    ) -> dict[str, Any]: ...
    async def explain(
        self,
        search: SearchForm,
        mode: ExplainMode = "plan",
        format: Literal["text", "json"] = "text",
        *,
        params: Mapping[str, Any] | None = None,
        exact: bool = False,
        strict: bool = False,
    ) -> str | dict[str, Any]:
        """Return how a search is run: a tree, read from the bottom, with the reason of each choice (ours)."""
        clauses = await in_thread(self._calls.explain, search, mode, format, params, strict=strict)
        return await self._backend.explain(clauses, RunOptions(exact=exact, strict=strict), mode, format)

    async def modify(
        self,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        configuration: UpdateCollectionConfiguration | None = None,
    ) -> None:
        """Rename the collection, replace its metadata, or change what may be changed of its configuration."""
        await self._backend.modify(self._calls.modify(name, metadata, configuration))

    async def fork(self, new_name: str) -> AsyncCollection:
        """Return a new collection with the records of this one, which both change independently afterwards."""
        return AsyncCollection(await self._backend.fork(validate_collection_name(new_name)), *self._calls.given)

    async def fork_count(self) -> int:
        """Return how many forks there are in the lineage of this collection."""
        return await self._backend.fork_count()

    async def get_indexing_status(self) -> IndexingStatus:
        """Return how many of the records have reached an index; the others are found by comparing with each."""
        return await self._backend.indexing_status()

    async def flush(self) -> None:
        """Give the rows that are not indexed yet an index (ours)."""
        await self._backend.flush()

    async def compact(self) -> None:
        """Bring all records into one segment, without what was deleted (ours)."""
        await self._backend.compact()

    async def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file of this collection (ours)."""
        await self._backend.purge()

    async def stats(self) -> dict[str, Any]:
        """Return where the records are: counts, dimension, segments and their indexes (ours)."""
        return await self._backend.stats()

    @staticmethod
    async def _ready(function: Callable[..., T], *args: Any, waits: bool) -> T:
        """Return what the function gives; in a thread when it waits for somebody."""
        return await in_thread(function, *args) if waits else function(*args)
