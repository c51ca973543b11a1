"""Upstream's module `chromadb.api.types`: types of arguments and results, embedding functions, schemas.

The index configurations are pydantic models and are loaded when first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from chroma_search import schema as _schema
from chroma_search.base_types import (
    SPARSE_VECTOR_TYPE_VALUE,
    TYPE_KEY,
    LiteralValue,
    LogicalOperator,
    Metadata,
    OperatorExpression,
    PyVector,
    SparseVector,
    SparseVectors,
    UpdateMetadata,
    Vector,
    Where,
    WhereDocument,
    WhereDocumentOperator,
    WhereOperator,
)
from chroma_search.embeddings.default import DefaultEmbeddingFunction
from chroma_search.embeddings.protocol import (
    EmbeddingFunction,
    SparseEmbeddingFunction,
    validate_embedding_function,
    validate_sparse_embedding_function,
)
from chroma_search.embeddings.vectors import (
    Document,
    Documents,
    Embeddable,
    Embedding,
    Embeddings,
    Image,
    Images,
    OneOrMany,
    normalize_embeddings,
)
from chroma_search.front.embedding import DataLoader
from chroma_search.front.read_level import ReadLevel
from chroma_search.model.distance import Space
from chroma_search.model.results import (
    DeleteResult,
    GetResult,
    IndexingStatus,
    QueryResult,
    SearchResult,
    SearchResultRow,
)
from chroma_search.schema.value_types import DOCUMENT_KEY, EMBEDDING_KEY

if TYPE_CHECKING:
    from chroma_search.schema import (
        BoolInvertedIndexConfig,
        Cmek,
        CmekProvider,
        FloatInvertedIndexConfig,
        FtsIndexConfig,
        HnswIndexConfig,
        IndexConfig,
        IntInvertedIndexConfig,
        Schema,
        SpannIndexConfig,
        SparseVectorIndexConfig,
        StringInvertedIndexConfig,
        ValueTypes,
        VectorIndexConfig,
    )

ID: TypeAlias = str
IDs: TypeAlias = list[ID]
URI: TypeAlias = str
URIs: TypeAlias = list[URI]
PyEmbedding: TypeAlias = PyVector
PyEmbeddings: TypeAlias = list[PyEmbedding]
Metadatas: TypeAlias = list[Metadata]
CollectionMetadata: TypeAlias = Mapping[str, Any]
UpdateCollectionMetadata: TypeAlias = UpdateMetadata
Loadable: TypeAlias = list[Image | None]
Include: TypeAlias = list[Literal["documents", "embeddings", "metadatas", "distances", "uris", "data"]]

IncludeMetadataDocuments: Include = ["metadatas", "documents"]
IncludeMetadataDocumentsEmbeddings: Include = ["metadatas", "documents", "embeddings"]
IncludeMetadataDocumentsDistances: Include = ["metadatas", "documents", "distances"]
IncludeMetadataDocumentsEmbeddingsDistances: Include = ["metadatas", "documents", "embeddings", "distances"]

__all__ = [
    "DOCUMENT_KEY",
    "EMBEDDING_KEY",
    "ID",
    "SPARSE_VECTOR_TYPE_VALUE",
    "TYPE_KEY",
    "URI",
    "BoolInvertedIndexConfig",
    "Cmek",
    "CmekProvider",
    "CollectionMetadata",
    "DataLoader",
    "DefaultEmbeddingFunction",
    "DeleteResult",
    "Document",
    "Documents",
    "Embeddable",
    "Embedding",
    "EmbeddingFunction",
    "Embeddings",
    "FloatInvertedIndexConfig",
    "FtsIndexConfig",
    "GetResult",
    "HnswIndexConfig",
    "IDs",
    "Image",
    "Images",
    "Include",
    "IncludeMetadataDocuments",
    "IncludeMetadataDocumentsDistances",
    "IncludeMetadataDocumentsEmbeddings",
    "IncludeMetadataDocumentsEmbeddingsDistances",
    "IndexConfig",
    "IndexingStatus",
    "IntInvertedIndexConfig",
    "LiteralValue",
    "Loadable",
    "LogicalOperator",
    "Metadata",
    "Metadatas",
    "OneOrMany",
    "OperatorExpression",
    "PyEmbedding",
    "PyEmbeddings",
    "QueryResult",
    "ReadLevel",
    "Schema",
    "SearchResult",
    "SearchResultRow",
    "Space",
    "SpannIndexConfig",
    "SparseEmbeddingFunction",
    "SparseVector",
    "SparseVectorIndexConfig",
    "SparseVectors",
    "StringInvertedIndexConfig",
    "URIs",
    "UpdateCollectionMetadata",
    "UpdateMetadata",
    "ValueTypes",
    "Vector",
    "VectorIndexConfig",
    "Where",
    "WhereDocument",
    "WhereDocumentOperator",
    "WhereOperator",
    "normalize_embeddings",
    "validate_embedding_function",
    "validate_sparse_embedding_function",
]


def __getattr__(name: str) -> Any:
    """Return the classes of schemas, loaded on demand."""
    if name in _schema.__all__:
        return getattr(_schema, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
