"""The shapes of requests, as pydantic models: the edge where JSON from outside becomes something with types.

Here is checked what can be told from the JSON alone; a wrong shape is 422. What the values mean (filters, ranks,
metadata, names) is checked where it is read and is 400. Unknown fields are ignored, as upstream does, except where it
does not. Types are strict: `"5"` is no number and `true` is no 1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, FailFast, Field, Tag

from chroma_search.server.documented_types import (
    AS_NULLABLE_VECTORS,
    AS_VECTORS,
    CollectionMetadata,
    CollectionMetadataUpdate,
    Filter,
    MetadataChange,
    Name,
    RecordId,
    TenantName,
)

MAX_U32 = 2**32 - 1

MAX_STORED_DEPTH = 64
"""Deepest nesting of what is stored as it was sent. What JSON can be read of can be nested deeper than what can be
written, so one such configuration would break every answer that shows its collection."""

U32 = Annotated[int, Field(ge=0, le=MAX_U32)]
JsonObject = dict[str, Any]


def _shallow(form: JsonObject) -> JsonObject:
    level: list[Any] = [form]
    for _ in range(MAX_STORED_DEPTH):
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
        level = [each for each in level if isinstance(each, (dict, list))]
        if not level:
            return form
    raise ValueError(f"nested more than {MAX_STORED_DEPTH} levels deep")


def _without_null(form: JsonObject) -> JsonObject:
    if any(value is None for value in form.values()):
        raise ValueError("null is no value of a key")
    return form


StoredObject = Annotated[JsonObject, AfterValidator(_shallow)]


def _encoding(vectors: Any) -> str:
    first = next((each for each in vectors if each is not None), None) if isinstance(vectors, list) else None
    return "base64" if isinstance(first, str) else "numbers"


class FirstMistake(FailFast):
    """Ends a list at its first mistake: a large wrong body must not make a list of millions of them.

    pydantic's own marker has no hash, which unions of annotated types need.
    """

    def __hash__(self) -> int:
        return id(self)


# The first entry tells which encoding it is: a union would try one after the other on thousands of entries.
Vector = Annotated[list[float], FirstMistake()]
Vectors = Annotated[
    Annotated[list[Vector], FirstMistake(), Tag("numbers")] | Annotated[list[str], FirstMistake(), Tag("base64")],
    Discriminator(_encoding),
    AS_VECTORS,
]
"""Lists of numbers, or base64 of little-endian float32."""
NullableVectors = Annotated[
    Annotated[list[Vector | None], FirstMistake(), Tag("numbers")]
    | Annotated[list[str | None], FirstMistake(), Tag("base64")],
    Discriminator(_encoding),
    AS_NULLABLE_VECTORS,
]
Ids = Annotated[list[str], FirstMistake()]
RecordIds = Annotated[list[RecordId], FirstMistake()]
Texts = Annotated[list[str | None], FirstMistake()]
Metadatas = Annotated[list[MetadataChange | None], FirstMistake()]
VectorEncoding = Literal["numbers", "base64"]
"""How an answer writes vectors (ours); base64 of little-endian float32 is what clients may send, too."""
Include = list[Literal["distances", "documents", "embeddings", "metadatas", "uris"]]


class Body(BaseModel):
    """What all bodies share."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class CreateTenant(Body):
    """A tenant to create."""

    name: TenantName


class UpdateTenant(Body):
    """The resource name of a tenant."""

    resource_name: str


class CreateDatabase(Body):
    """A database to create."""

    name: Name


class CreateCollection(Body):
    """A collection to create, or to open."""

    name: Name
    metadata: Annotated[CollectionMetadata, AfterValidator(_without_null)] | None = None
    configuration: StoredObject | None = None
    schema_form: StoredObject | None = Field(None, alias="schema")
    get_or_create: bool = False


class HnswUpdate(Body):
    """What may change of an HNSW index."""

    model_config = ConfigDict(strict=True, extra="forbid")

    ef_search: U32 | None = None
    max_neighbors: U32 | None = None
    num_threads: U32 | None = None
    batch_size: U32 | None = None
    sync_threshold: U32 | None = None
    resize_factor: float | None = None


class SpannUpdate(Body):
    """What may change of a SPANN index."""

    search_nprobe: U32 | None = None
    ef_search: U32 | None = None


class ConfigurationUpdate(Body):
    """What may change of a configuration."""

    hnsw: HnswUpdate | None = None
    spann: SpannUpdate | None = None
    embedding_function: StoredObject | None = None


class UpdateCollection(Body):
    """What may change of a collection."""

    new_name: Name | None = None
    new_metadata: CollectionMetadataUpdate | None = None
    new_configuration: ConfigurationUpdate | None = None


class ForkCollection(Body):
    """The name of a fork."""

    new_name: Name


class AddRecords(Body):
    """Records to insert, or to insert or change."""

    ids: RecordIds
    embeddings: Vectors
    documents: Texts | None = None
    uris: Texts | None = None
    metadatas: Metadatas | None = None


class UpdateRecords(Body):
    """Changes to records; what is null stays as it is."""

    ids: RecordIds
    embeddings: NullableVectors | None = None
    documents: Texts | None = None
    uris: Texts | None = None
    metadatas: Metadatas | None = None


class DeleteRecords(Body):
    """Which records to delete."""

    ids: Ids | None = None
    where: Filter | None = None
    where_document: Filter | None = None
    limit: U32 | None = None


class GetRecords(Body):
    """Which records to return."""

    ids: Ids | None = None
    where: Filter | None = None
    where_document: Filter | None = None
    limit: U32 | None = None
    offset: U32 | None = None
    include: Include = ["metadatas", "documents"]
    vector_encoding: VectorEncoding = "numbers"


class QueryRecords(Body):
    """Whose nearest records to return."""

    query_embeddings: Annotated[list[Vector], FirstMistake()]
    n_results: U32 | None = None
    ids: Ids | None = None
    where: Filter | None = None
    where_document: Filter | None = None
    include: Include = ["metadatas", "documents", "distances"]
    exact: bool = False
    vector_encoding: VectorEncoding = "numbers"


ReadLevel = Literal["index_and_wal", "index_only", "index_and_bounded_wal"]


class SearchRecords(Body):
    """Searches. Ours: a search may be a text of the query language; `params`, `exact` and `strict` as in Python."""

    searches: list[JsonObject | str]
    read_level: ReadLevel = "index_and_wal"
    params: JsonObject | None = None
    exact: bool = False
    strict: bool = False
    vector_encoding: VectorEncoding = "numbers"


class ExplainSearch(Body):
    """A search to explain (ours)."""

    search: JsonObject | str
    mode: Literal["plan", "verbose", "analyze"] = "plan"
    format: Literal["text", "json"] = "text"
    params: JsonObject | None = None
    exact: bool = False
    strict: bool = False


class Page(BaseModel):
    """`limit` and `offset` of a query string."""

    model_config = ConfigDict(extra="ignore")

    limit: U32 | None = None
    offset: U32 = 0


class Level(BaseModel):
    """`read_level` of a query string; every level sees every write here."""

    model_config = ConfigDict(extra="ignore")

    read_level: ReadLevel = "index_and_wal"
