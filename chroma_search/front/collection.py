"""Collection: the handle through which users write and search, with upstream's methods, arguments and defaults.

It checks and embeds (`collection_calls.py`), asks its backend, which is the engine of this process or a server, and
gives back upstream's shapes. Ours: `search` takes texts of the query language; `explain`, `flush`, `compact`, `stats`;
filters may be texts. A handle holds no data: what another handle changed shows at once.

Not for: deciding anything about records; that is the engine's. `async_collection.py` is the same with `await`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from chroma_search.front.argument_types import MetadataForm, TextForm, VectorForm, WhereDocumentFilter, WhereFilter
from chroma_search.front.backend import CollectionBackend
from chroma_search.front.collection_calls import GET_INCLUDE, PEEK_INCLUDE, QUERY_INCLUDE
from chroma_search.front.embedding import DataLoader
from chroma_search.front.handle import CollectionHandle
from chroma_search.front.read_level import ReadLevel
from chroma_search.model.results import DeleteResult, GetResult, IndexingStatus, QueryResult, SearchResult
from chroma_search.requests import RunOptions
from chroma_search.schema.names import validate_collection_name

if TYPE_CHECKING:
    from chroma_search.dsl import Search
    from chroma_search.embeddings.vectors import Document, Image, OneOrMany
    from chroma_search.front.search_forms import SearchForm
    from chroma_search.requests import ExplainMode
    from chroma_search.schema import UpdateCollectionConfiguration


class Collection(CollectionHandle):
    """A collection of records. Made by a client, not by hand.

    Two handles are equal when they are on the same collection.
    """

    def __init__(
        self,
        backend: CollectionBackend,
        embedding_function: Any | None = None,
        data_loader: DataLoader | None = None,
    ) -> None:
        super().__init__(backend.facts, embedding_function, data_loader)
        self._backend = backend

    def count(self, read_level: ReadLevel = ReadLevel.INDEX_AND_WAL) -> int:
        """Return the number of records.

        Args:
            read_level: how fresh; what this package answers always sees every write.
        """
        return self._backend.count(read_level)

    def add(
        self,
        ids: OneOrMany[str],
        embeddings: VectorForm | None = None,
        metadatas: MetadataForm | None = None,
        documents: TextForm | None = None,
        images: OneOrMany[Image] | None = None,
        uris: TextForm | None = None,
    ) -> None:
        """Insert records; ids that exist already are skipped.

        Args:
            ids: one id or a list, unique within the call.
            embeddings: float vectors, shape (n, dim) or (dim,); None computes them from documents, images or uris.
            metadatas, documents, images, uris: one value or a list, as long as `ids`.

        Raises:
            ValueError: something cannot be stored, or there is nothing to embed; nothing is written then.
            TypeError: a metadata key that is no string.
            DuplicateIDError: an id stands twice in the call.
        """
        batch = self._calls.write("add", ids, embeddings, metadatas, documents, images, uris)
        self._backend.write("add", batch)

    def update(
        self,
        ids: OneOrMany[str],
        embeddings: VectorForm | None = None,
        metadatas: MetadataForm | None = None,
        documents: TextForm | None = None,
        images: OneOrMany[Image] | None = None,
        uris: TextForm | None = None,
    ) -> None:
        """Change records; ids that do not exist are ignored.

        What is None stays as it is. Metadata is merged key by key; a value of None deletes the key. A new document
        without embeddings is embedded.

        Raises:
            ValueError, TypeError, DuplicateIDError: as `add`.
        """
        batch = self._calls.write("update", ids, embeddings, metadatas, documents, images, uris)
        self._backend.write("update", batch)

    def upsert(
        self,
        ids: OneOrMany[str],
        embeddings: VectorForm | None = None,
        metadatas: MetadataForm | None = None,
        documents: TextForm | None = None,
        images: OneOrMany[Image] | None = None,
        uris: TextForm | None = None,
    ) -> None:
        """Change the records that exist, as `update`, and insert the others, as `add`.

        Raises:
            ValueError, TypeError, DuplicateIDError: as `add`.
        """
        batch = self._calls.write("upsert", ids, embeddings, metadatas, documents, images, uris)
        self._backend.write("upsert", batch)

    def delete(
        self,
        ids: OneOrMany[str] | None = None,
        where: WhereFilter | None = None,
        where_document: WhereDocumentFilter | None = None,
        limit: int | None = None,
    ) -> DeleteResult:
        """Delete the records that have one of the ids and pass the filters; at least one of them must be given.

        Args:
            ids, where, where_document: which records.
            limit: delete at most so many, the oldest first; only with a filter.

        Returns:
            `{"deleted": n}`; by ids alone, n is the number of ids asked for, as upstream.

        Raises:
            ValueError: no selector, or one that is not valid.
        """
        selection = self._calls.delete(ids, where, where_document, limit)
        return {"deleted": self._backend.delete(selection)}

    def get(
        self,
        ids: OneOrMany[str] | None = None,
        where: WhereFilter | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: WhereDocumentFilter | None = None,
        include: list[str] = GET_INCLUDE,
    ) -> GetResult:
        """Return records in the order in which they were added, whatever the order of `ids`.

        Args:
            ids, where, where_document: which records; all of them together. Unknown ids are passed over.
            limit, offset: slice of what was found.
            include: columns out of `documents embeddings metadatas uris data`.

        Raises:
            ValueError: an argument that is not valid, or `data` without a data loader.
        """
        selection, included = self._calls.get(ids, where, limit, offset, where_document, include)
        return self._calls.get_result(included, self._backend.get(selection, included.columns))

    def peek(self, limit: int = 10) -> GetResult:
        """Return the first records, with documents, metadatas and embeddings."""
        return self.get(limit=limit, include=PEEK_INCLUDE)

    def query(
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
        """Return the nearest records to each query, by ascending distance.

        Args:
            query_embeddings: float vectors, shape (q, dim) or (dim,); or one of the next three, to be embedded.
            query_texts, query_images, query_uris: one value or a list.
            ids, where, where_document: search only these records; unknown ids are passed over.
            n_results: records per query, from 1; fewer come back when fewer match.
            include: columns out of `documents embeddings metadatas distances uris data`.
            exact: compare with every record instead of using an index (ours).

        Raises:
            ValueError: an argument that is not valid.
            TypeError: n_results below 1.
            DimensionMismatchError: another dimension than the collection's.
        """
        request, included = self._calls.query(
            query_embeddings, query_texts, query_images, query_uris, ids, n_results, where, where_document, include
        )
        answers = self._backend.query(request, included.columns, RunOptions(exact=exact))
        return self._calls.query_result(included, answers)

    def search(
        self,
        searches: OneOrMany[Search] | SearchForm | Sequence[SearchForm],
        read_level: ReadLevel = ReadLevel.INDEX_AND_WAL,
        *,
        params: Mapping[str, Any] | None = None,
        exact: bool = False,
        strict: bool = False,
    ) -> SearchResult:
        """Run one search or several against one state of the collection.

        Args:
            searches: a `Search`, or a list. Ours: a text such as `"WHERE year >= 2024 RANK knn($q) LIMIT 5"`, or JSON.
            read_level: how fresh; what this package answers always sees every write.
            params: values of the `$name` parameters of texts (ours).
            exact: every part by exact search, no index that approximates (ours).
            strict: refuse what Chroma's own Search API does not have (ours).

        Returns:
            Columns with an entry per search, in the order of the searches; `rows()` gives records.

        Raises:
            ValueError: a search that is not valid; then none of them runs.
            TypeError: something that is no search.
        """
        from chroma_search.front.search_forms import search_result  # 0.06 s with the language, of no use to `query()`

        clauses = self._calls.search(searches, params, strict=strict)
        answers = self._backend.search(clauses, RunOptions(exact=exact, strict=strict), read_level)
        return search_result(clauses, answers)

    @overload
    def explain(
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
    def explain(
        self,
        search: SearchForm,
        mode: ExplainMode = "plan",
        *,
        format: Literal["json"],
        params: Mapping[str, Any] | None = None,
        exact: bool = False,
        strict: bool = False,
    ) -> dict[str, Any]: ...
    def explain(
        self,
        search: SearchForm,
        mode: ExplainMode = "plan",
        format: Literal["text", "json"] = "text",
        *,
        params: Mapping[str, Any] | None = None,
        exact: bool = False,
        strict: bool = False,
    ) -> str | dict[str, Any]:
        """Return how a search is run: a tree, read from the bottom, with the reason of each choice (ours).

        Args:
            search: as for `search`, one.
            mode: `plan`; `verbose` adds the plan after each rewriting; `analyze` runs it and adds counts and times.
            format: `text`, or `json` for a dict.
            params, exact, strict: as for `search`.

        Raises:
            ValueError: a search that is not valid, an unknown mode or format.
        """
        clauses = self._calls.explain(search, mode, format, params, strict=strict)
        return self._backend.explain(clauses, RunOptions(exact=exact, strict=strict), mode, format)

    def modify(
        self,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        configuration: UpdateCollectionConfiguration | None = None,
    ) -> None:
        """Rename the collection, replace its metadata, or change what may be changed of its configuration.

        Raises:
            ValueError: a name, metadata or configuration that is not allowed; nothing is changed then.
            ConflictError: the name is taken.
            NotFoundError: the collection was deleted.
        """
        self._backend.modify(self._calls.modify(name, metadata, configuration))

    def fork(self, new_name: str) -> Collection:
        """Make a collection in the same database with the records, configuration, schema and metadata of this moment.

        It costs little: both share what is in segments, in memory and on the disk. From then on each changes for
        itself; what one of them deletes and purges is still in the files of the other.

        Args:
            new_name: 3-512 characters of `[a-zA-Z0-9._-]`.

        Raises:
            ValueError: a name that is not allowed.
            ConflictError: the name is taken. NotFoundError: the collection was deleted.
            StorageError: the disk is full or fails; nothing is changed then.
            UnsupportedError: Chroma's own server of one node forks nothing.
        """
        return Collection(self._backend.fork(validate_collection_name(new_name)), *self._calls.given)

    def fork_count(self) -> int:
        """Return the number of forks in the lineage: a collection and all its forks, and theirs, say the same.

        Raises:
            NotFoundError: the collection was deleted. UnsupportedError: as `fork`.
        """
        return self._backend.fork_count()

    def get_indexing_status(self) -> IndexingStatus:
        """Return how much of what was written is indexed; the rest is found by comparing with each record.

        Each record that a call added, changed or deleted is one operation, over the whole life of the collection.
        """
        return self._backend.indexing_status()

    def flush(self) -> None:
        """Give the rows that are not indexed yet an index (ours).

        Raises:
            UnsupportedError: of a server, which does it by itself; so do `compact`, `purge` and `stats`.
        """
        self._backend.flush()

    def compact(self) -> None:
        """Bring all records into one segment, without what was deleted (ours)."""
        self._backend.compact()

    def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file of this collection (ours).

        Raises:
            LockedError: another process is reading all the time, so that its files cannot be cut.
        """
        self._backend.purge()

    def stats(self) -> dict[str, Any]:
        """Return where the records are: counts, dimension, segments and their indexes (ours)."""
        return self._backend.stats()
