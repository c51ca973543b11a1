"""Collection: the handle through which users write and search, with upstream's methods, arguments and defaults.

It checks what callers pass (`inputs.py`, `filters.py`), embeds texts (`embedding.py`), hands the engine plain requests
and gives back upstream's shapes. Ours: `search` runs in this process and takes texts of the query language; `explain`,
`flush`, `compact`, `stats`; filters may be texts. A handle holds no data: what another handle changed shows at once.

Not for: deciding anything about records; that is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal, NoReturn, overload
from uuid import UUID

from chroma_search.client.embedding import DataLoader, Embedder
from chroma_search.client.filters import read_filter
from chroma_search.client.inputs import (
    Records,
    checked_delete_limit,
    checked_include,
    checked_n_results,
    checked_page,
    named_call,
    optional_ids,
    query_ids,
    read_query,
    read_records,
)
from chroma_search.client.metadata_input import own_metadatas
from chroma_search.client.progress import busy
from chroma_search.client.read_level import ReadLevel
from chroma_search.client.search_forms import SearchForm, as_clauses, search_result
from chroma_search.client.system import System
from chroma_search.dsl import Search, Where
from chroma_search.embeddings.protocol import validate_embedding_function
from chroma_search.embeddings.vectors import Document, Image, OneOrMany
from chroma_search.engine.collection import CollectionEngine
from chroma_search.engine.requests import ExplainMode, RunOptions, Selection, WriteBatch
from chroma_search.errors import InvalidInputError, NotFoundError, UnsupportedError, WrongTypeError
from chroma_search.model.results import DeleteResult, GetResult, IndexingStatus, QueryResult, SearchResult
from chroma_search.schema import CollectionConfiguration, Schema, UpdateCollectionConfiguration
from chroma_search.schema.collection_metadata import validate_metadata_update
from chroma_search.schema.configuration import load_collection_configuration_from_json, updated_configuration
from chroma_search.schema.index_rules import IndexRules
from chroma_search.schema.names import validate_collection_name
from chroma_search.schema.schema_form import complete_form

WhereFilter = Mapping[str, Any] | Where | str
"""A filter: upstream's dict, or (ours) a `Where` or a text of the query language."""
WhereDocumentFilter = Mapping[str, Any] | str
VectorForm = Any
"""A vector or a list of them: lists of numbers, or arrays."""
# `Sequence` stands for a list here: to a type checker a list[dict[str, int]] is no list[Mapping[str, Any] | None].
MetadataForm = Mapping[str, Any] | Sequence[Mapping[str, Any] | None]
"""The metadata of one record, or a list with a dict or None per record."""
TextForm = Document | Sequence[Document | None]
"""A document (or URI), or a list with a text or None per record."""

GET_INCLUDE = ["metadatas", "documents"]
QUERY_INCLUDE = ["metadatas", "documents", "distances"]
_STORED = ("documents", "metadatas", "embeddings", "uris")


class Collection:
    """A collection of records. Made by a client, not by hand.

    Two handles are equal when they are on the same collection.
    """

    def __init__(
        self,
        system: System,
        engine: CollectionEngine,
        embedding_function: Any | None = None,
        data_loader: DataLoader | None = None,
    ) -> None:
        if embedding_function is not None:
            validate_embedding_function(embedding_function)
        self._system = system
        self._engine = engine
        self._rules_of_schema: IndexRules | None = None
        self._embedder = Embedder(system, engine, embedding_function, data_loader, self._rules)

    @property
    def id(self) -> UUID:
        """The id of the collection."""
        return self._engine.id

    @property
    def name(self) -> str:
        """The name; `modify` changes it."""
        return self._engine.name

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The metadata of the collection itself, a copy."""
        held = self._engine.metadata
        return deepcopy(held)

    @property
    def tenant(self) -> str:
        """The tenant it belongs to."""
        return self._engine.tenant

    @property
    def database(self) -> str:
        """The database it is in."""
        return self._engine.database

    @property
    def database_name(self) -> str:
        """The database it is in."""
        return self._engine.database

    @property
    def configuration(self) -> CollectionConfiguration:
        """Index and distance, and the embedding function as an object."""
        form = self.configuration_json
        loaded = load_collection_configuration_from_json({**form, "embedding_function": None})
        loaded["embedding_function"] = self._embedder.configured
        return loaded

    @property
    def configuration_json(self) -> dict[str, Any]:
        """The configuration as JSON."""
        return self._engine.config.to_json()

    @property
    def schema(self) -> Schema:
        """Which index is on for which key, a copy."""
        engine = self._engine
        return Schema.deserialize_from_json(complete_form(engine.schema_form, engine.config, engine.observed_types()))

    def count(self, read_level: ReadLevel = ReadLevel.INDEX_AND_WAL) -> int:
        """Return the number of records.

        Args:
            read_level: accepted for Chroma's sake; every level sees every write here.
        """
        return self._live().count()

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
        with named_call("add"):
            given = read_records(ids, embeddings, metadatas, documents, images, uris, keep_none=False)
            batch = self._batch(given, ("documents", "images", "uris"))
        self._write(self._live().add, batch)

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
        with named_call("update"):
            given = read_records(ids, embeddings, metadatas, documents, images, uris, keep_none=True)
            needs_vectors = given.documents is not None or given.images is not None
            batch = self._batch(given, ("documents", "images") if needs_vectors else ())
        self._write(self._live().update, batch)

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
        with named_call("upsert"):
            given = read_records(ids, embeddings, metadatas, documents, images, uris, keep_none=True)
            batch = self._batch(given, ("documents", "images"))
        self._write(self._live().upsert, batch)

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
        with named_call("delete"):
            if ids is None and where is None and where_document is None:
                raise InvalidInputError("At least one of ids, where, or where_document must be provided")
            most = checked_delete_limit(limit, has_filter=where is not None or where_document is not None)
            selection = Selection(optional_ids(ids), read_filter(where, where_document), most)
        return {"deleted": self._live().delete(selection)}

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
        with named_call("get"):
            names = self._included(include, refused=("distances",))
            most, first = checked_page(limit, offset)
            selection = Selection(optional_ids(ids), read_filter(where, where_document), most, first)
        found = self._live().get(selection, _columns(names))
        return GetResult(
            ids=found.ids,
            embeddings=found.embeddings if "embeddings" in names else None,
            documents=found.documents if "documents" in names else None,
            uris=found.uris if "uris" in names else None,
            included=names,
            data=self._embedder.load(found.uris) if "data" in names else None,
            metadatas=own_metadatas(found.metadatas) if "metadatas" in names else None,
        )

    def peek(self, limit: int = 10) -> GetResult:
        """Return the first records, with documents, metadatas and embeddings."""
        return self.get(limit=limit, include=["metadatas", "documents", "embeddings"])

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
        with named_call("query"):
            names = self._included(include)
            vectors, kind, values = read_query(query_embeddings, query_texts, query_images, query_uris)
            condition = read_filter(where, where_document)
            wanted = checked_n_results(n_results)
            only = query_ids(ids)
            if vectors is None:
                vectors = self._embedder.embed_queries(kind, values)
        answers = self._live().query(vectors, wanted, only, condition, _columns(names), RunOptions(exact=exact))
        uris = [each.uris for each in answers]
        return QueryResult(
            ids=[each.ids for each in answers],
            embeddings=[each.embeddings for each in answers] if "embeddings" in names else None,
            documents=[each.documents for each in answers] if "documents" in names else None,
            uris=uris if "uris" in names else None,
            included=names,
            data=[self._embedder.load(each) for each in uris] if "data" in names else None,
            metadatas=[own_metadatas(each.metadatas) for each in answers] if "metadatas" in names else None,
            distances=[each.scores for each in answers] if "distances" in names else None,
        )

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
            read_level: accepted for Chroma's sake; every level sees every write here.
            params: values of the `$name` parameters of texts (ours).
            exact: every part by exact search, no index that approximates (ours).
            strict: refuse what Chroma's own Search API does not have (ours).

        Returns:
            Columns with an entry per search, in the order of the searches; `rows()` gives records.

        Raises:
            ValueError: a search that is not valid; then none of them runs.
            TypeError: something that is no search.
        """
        clauses = self._embedder.embed_searches(as_clauses(searches, params), strict=strict)
        answers = self._live().search(clauses, RunOptions(exact=exact, strict=strict))
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
        if mode not in ("plan", "verbose", "analyze"):
            raise InvalidInputError(f"explain mode must be plan, verbose or analyze, got {mode!r}")
        if format not in ("text", "json"):
            raise InvalidInputError(f"explain format must be text or json, got {format!r}")
        if isinstance(search, (list, tuple)):
            raise WrongTypeError("explain takes one search, not a list: explain each of them")
        (clauses,) = self._embedder.embed_searches(as_clauses(search, params), strict=strict)
        explanation = self._live().explain(clauses, RunOptions(exact=exact, strict=strict), mode)
        return explanation.to_dict() if format == "json" else str(explanation)

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
        new_name = None if name is None else validate_collection_name(name)
        new_metadata = None
        if metadata is not None:
            if not metadata:
                raise InvalidInputError("Expected metadata to be a non-empty dict, got 0 metadata attributes")
            new_metadata = validate_metadata_update(metadata)
        config = None if configuration is None else updated_configuration(self._engine.config, configuration)
        self._system.database.modify_collection(self._engine, name=new_name, metadata=new_metadata, config=config)

    def fork(self, new_name: str) -> NoReturn:
        """Refuse: a local collection cannot be forked in this version.

        Raises:
            UnsupportedError: always.
        """
        raise _no_fork("fork")

    def fork_count(self) -> NoReturn:
        """Refuse: a local collection cannot be forked in this version.

        Raises:
            UnsupportedError: always.
        """
        raise _no_fork("fork_count")

    def get_indexing_status(self) -> IndexingStatus:
        """Return how many of the records have reached an index; the others are found by comparing with each."""
        segments = self._live().stats()["segments"]
        indexed = sum(each["live"] for each in segments if each["indexes"])
        total = self._live().count()
        return IndexingStatus(
            num_indexed_ops=indexed,
            num_unindexed_ops=total - indexed,
            total_ops=total,
            op_indexing_progress=indexed / total if total else 1.0,
        )

    def flush(self) -> None:
        """Give the rows that are not indexed yet an index (ours)."""
        self._live().flush()

    def compact(self) -> None:
        """Bring all records into one segment, without what was deleted (ours)."""
        self._live().compact()

    def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file of this collection (ours).

        Raises:
            LockedError: another process is reading all the time, so that its files cannot be cut.
        """
        self._live().purge()

    def stats(self) -> dict[str, Any]:
        """Return where the records are: counts, dimension, segments and their indexes (ours)."""
        return self._live().stats()

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Collection) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Collection(name={self.name})"

    def _live(self) -> CollectionEngine:
        """Return the engine, after a look whether the collection is still there (about 1 us).

        Raises:
            NotFoundError: it was deleted.
        """
        engine, database = self._engine, self._system.database
        try:
            if database.get_collection(engine.name, engine.tenant, engine.database) is engine:
                return engine
        except NotFoundError:
            pass
        # Deleted, or renamed between the two look-ups: its id tells.
        return database.get_collection_by_id(engine.id, engine.tenant, engine.database)

    def _rules(self) -> IndexRules:
        if self._rules_of_schema is None:
            functions = self._system.key_functions.get(self._engine.id, {})
            self._rules_of_schema = IndexRules(self._engine.schema_form, functions)
        return self._rules_of_schema

    def _included(self, include: Any, *, refused: Sequence[str] = ()) -> list[str]:
        """Return the columns to include; `data` brings `uris` with it, as upstream."""
        names = checked_include(include, refused=refused)
        if "data" in names:
            self._embedder.check_loader()
            if "uris" not in names:
                names.append("uris")
        return names

    def _write(self, write: Callable[[WriteBatch], None], batch: WriteBatch) -> None:
        with busy(len(batch.ids), f"Indexing {len(batch.ids):,} records"):
            write(batch)

    def _batch(self, given: Records, embeddable: Sequence[str]) -> WriteBatch:
        """Return the rows with everything computed that is to be computed from `embeddable`."""
        vectors = given.vectors
        if vectors is None and embeddable:
            vectors = self._embedder.embed_records(*given.embeddable(embeddable))
        metadatas = self._embedder.fill_sparse(given.metadatas, given.documents)
        return WriteBatch(given.ids, vectors, given.documents, metadatas, given.uris)


def _columns(names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name in names if name in _STORED)


def _no_fork(feature: str) -> UnsupportedError:
    return UnsupportedError(
        f"{feature} is not implemented for local collections: copy with get() and add()",
        feature=feature,
        why="not implemented for local collections",
        instead="copy the records with get(include=['embeddings', ...]) and add()",
    )
