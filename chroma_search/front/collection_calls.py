"""The calls of a collection without who answers them: arguments become requests, answers become results.

`Collection` and `AsyncCollection` differ in nothing but `await`, and both use these functions, so that an argument is
checked once, by one rule, with one message, for every client. Checks come first, then embedding, then the request.

Not for: the rules themselves (`inputs.py`, `filters.py`, `search_forms.py`), embedding (`embedding.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chroma_search.embeddings.protocol import validate_embedding_function
from chroma_search.errors import InvalidInputError, WrongTypeError
from chroma_search.front.backend import CollectionFacts
from chroma_search.front.embedding import DataLoader, Embedder
from chroma_search.front.filters import read_filter
from chroma_search.front.inputs import (
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
from chroma_search.front.metadata_input import own_metadatas
from chroma_search.model.results import GetResult, QueryResult
from chroma_search.record import record
from chroma_search.requests import Found, Modification, NearestRequest, Selection, WriteBatch, WriteKind
from chroma_search.schema.collection_metadata import validate_metadata_update
from chroma_search.schema.configuration import updated_configuration
from chroma_search.schema.names import validate_collection_name

if TYPE_CHECKING:
    from chroma_search.dsl import SearchClauses

GET_INCLUDE = ["metadatas", "documents"]
PEEK_INCLUDE = ["metadatas", "documents", "embeddings"]
QUERY_INCLUDE = ["metadatas", "documents", "distances"]
_STORED = ("documents", "metadatas", "embeddings", "uris")
_EMBEDDABLE: dict[WriteKind, tuple[str, ...]] = {
    "add": ("documents", "images", "uris"),
    "update": ("documents", "images"),
    "upsert": ("documents", "images"),
}


@record()
class Included:
    """Columns of a result.

    Attributes:
        names: as the caller named them, with `uris` where `data` needs it.
        columns: those of them that are stored.
    """

    names: list[str]

    @property
    def columns(self) -> frozenset[str]:
        """The columns to ask for."""
        return frozenset(name for name in self.names if name in _STORED)


class CollectionCalls:
    """Checks and embeds for one handle on a collection, and builds its results.

    Args:
        facts: the collection.
        embedding_function: given by who opened it, or None.
        data_loader: loads URIs, or None.
    """

    def __init__(
        self, facts: CollectionFacts, embedding_function: Any | None = None, data_loader: DataLoader | None = None
    ) -> None:
        if embedding_function is not None:
            validate_embedding_function(embedding_function)
        self.facts = facts
        self.given = embedding_function, data_loader
        self.embedder = Embedder(facts, embedding_function, data_loader)

    def write(
        self, kind: WriteKind, ids: Any, embeddings: Any, metadatas: Any, documents: Any, images: Any, uris: Any
    ) -> WriteBatch:
        """Return the rows of a write, with everything computed that is to be computed."""
        with named_call(kind):
            given = read_records(ids, embeddings, metadatas, documents, images, uris, keep_none=kind != "add")
            needs_vectors = kind != "update" or given.documents is not None or given.images is not None
            return self._batch(given, _EMBEDDABLE[kind] if needs_vectors else ())

    def delete(self, ids: Any, where: Any, where_document: Any, limit: Any) -> Selection:
        """Return which records to delete."""
        with named_call("delete"):
            if ids is None and where is None and where_document is None:
                raise InvalidInputError("At least one of ids, where, or where_document must be provided")
            most = checked_delete_limit(limit, has_filter=where is not None or where_document is not None)
            return Selection(optional_ids(ids), read_filter(where, where_document), most)

    def get(
        self, ids: Any, where: Any, limit: Any, offset: Any, where_document: Any, include: Any
    ) -> tuple[Selection, Included]:
        """Return which records to get, and what of them."""
        with named_call("get"):
            included = self._included(include, refused=("distances",))
            most, first = checked_page(limit, offset)
            return Selection(optional_ids(ids), read_filter(where, where_document), most, first), included

    def get_result(self, included: Included, found: Found) -> GetResult:
        """Return the result of `get`."""
        names = included.names
        return GetResult(
            ids=found.ids,
            embeddings=found.embeddings if "embeddings" in names else None,
            documents=found.documents if "documents" in names else None,
            uris=found.uris if "uris" in names else None,
            included=names,
            data=self.embedder.load(found.uris) if "data" in names else None,
            metadatas=own_metadatas(found.metadatas) if "metadatas" in names else None,
        )

    def query(
        self,
        query_embeddings: Any,
        query_texts: Any,
        query_images: Any,
        query_uris: Any,
        ids: Any,
        n_results: Any,
        where: Any,
        where_document: Any,
        include: Any,
    ) -> tuple[NearestRequest, Included]:
        """Return the queries as vectors, and what to give of the records found."""
        with named_call("query"):
            included = self._included(include)
            vectors, kind, values = read_query(query_embeddings, query_texts, query_images, query_uris)
            condition = read_filter(where, where_document)
            wanted = checked_n_results(n_results)
            only = query_ids(ids)
            if vectors is None:
                vectors = self.embedder.embed_queries(kind, values)
            return NearestRequest(vectors, wanted, only, condition), included

    def query_result(self, included: Included, answers: Sequence[Found]) -> QueryResult:
        """Return the result of `query`."""
        names = included.names
        uris = [each.uris for each in answers]
        return QueryResult(
            ids=[each.ids for each in answers],
            embeddings=[each.embeddings for each in answers] if "embeddings" in names else None,
            documents=[each.documents for each in answers] if "documents" in names else None,
            uris=uris if "uris" in names else None,
            included=names,
            data=[self.embedder.load(each) for each in uris] if "data" in names else None,
            metadatas=[own_metadatas(each.metadatas) for each in answers] if "metadatas" in names else None,
            distances=[each.scores for each in answers] if "distances" in names else None,
        )

    def search(self, searches: Any, params: Mapping[str, Any] | None, *, strict: bool) -> list[SearchClauses]:
        """Return the searches, their texts embedded."""
        from chroma_search.front.search_forms import as_clauses  # the language, which `query()` does not need

        return self.embedder.embed_searches(as_clauses(searches, params), strict=strict)

    def explain(
        self, search: Any, mode: Any, format: Any, params: Mapping[str, Any] | None, *, strict: bool
    ) -> SearchClauses:
        """Return the one search to explain, its texts embedded."""
        if mode not in ("plan", "verbose", "analyze"):
            raise InvalidInputError(f"explain mode must be plan, verbose or analyze, got {mode!r}")
        if format not in ("text", "json"):
            raise InvalidInputError(f"explain format must be text or json, got {format!r}")
        if isinstance(search, (list, tuple)):
            raise WrongTypeError("explain takes one search, not a list: explain each of them")
        (clauses,) = self.search(search, params, strict=strict)
        return clauses

    def modify(self, name: Any, metadata: Any, configuration: Any) -> Modification:
        """Return what is to be changed."""
        new_name = None if name is None else validate_collection_name(name)
        new_metadata = None
        if metadata is not None:
            if not metadata:
                raise InvalidInputError("Expected metadata to be a non-empty dict, got 0 metadata attributes")
            new_metadata = validate_metadata_update(metadata)
        if configuration is None:
            return Modification(new_name, new_metadata)
        config = updated_configuration(self.facts.config, configuration)
        changes = {key: value for key, value in configuration.items() if value is not None}
        if "embedding_function" in changes:
            changes["embedding_function"] = config.embedding_function
        return Modification(new_name, new_metadata, config, changes)

    def _included(self, include: Any, *, refused: Sequence[str] = ()) -> Included:
        """Return the columns to include; `data` brings `uris` with it, as upstream."""
        names = checked_include(include, refused=refused)
        if "data" in names:
            self.embedder.check_loader()
            if "uris" not in names:
                names.append("uris")
        return Included(names)

    def _batch(self, given: Records, embeddable: Sequence[str]) -> WriteBatch:
        vectors = given.vectors
        if vectors is None and embeddable:
            vectors = self.embedder.embed_records(*given.embeddable(embeddable))
        metadatas = self.embedder.fill_sparse(given.metadatas, given.documents)
        return WriteBatch(given.ids, vectors, given.documents, metadatas, given.uris)
