"""Chroma's Search API in the user's own process.

    import chroma_search
    from chroma_search import K, Knn, Search

    client = chroma_search.EphemeralClient()

Every public name of the package is here; a name is loaded when it is first used, so that the import itself costs
nothing. `install_as_chromadb()` lets programs that say `import chromadb` run on this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chroma_search.version import __version__

if TYPE_CHECKING:
    from chroma_search.api import AdminAPI, AsyncClientAPI, ClientAPI
    from chroma_search.api.types import (
        ID,
        URI,
        CollectionMetadata,
        DataLoader,
        Document,
        Documents,
        Embeddable,
        Embedding,
        Embeddings,
        IDs,
        Image,
        Images,
        Include,
        Metadata,
        Metadatas,
        OneOrMany,
        UpdateCollectionMetadata,
        UpdateMetadata,
        URIs,
        WhereDocument,
    )
    from chroma_search.client.async_embedded import AsyncAdminClient, AsyncEphemeralClient, AsyncPersistentClient
    from chroma_search.client.embedded import AdminClient, Client, EphemeralClient
    from chroma_search.client.maintenance import (
        BackupReport,
        RepairReport,
        VerifyReport,
        back_up,
        repair,
        verify,
    )
    from chroma_search.client.persistent import PersistentClient
    from chroma_search.client.unavailable import CloudClient
    from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings, configure, get_settings
    from chroma_search.dropin import install_as_chromadb, uninstall_as_chromadb
    from chroma_search.dsl import (
        Abs,
        Aggregate,
        And,
        Bm25,
        Contains,
        Decay,
        Div,
        EndsWith,
        Eq,
        Exists,
        Exp,
        Field,
        GroupBy,
        Gt,
        Gte,
        IEndsWith,
        IEquals,
        If,
        In,
        IStartsWith,
        ISubstring,
        K,
        Key,
        Knn,
        Limit,
        Log,
        Lt,
        Lte,
        Max,
        MaxK,
        Min,
        MinK,
        Mul,
        Ne,
        Nin,
        Not,
        NotContains,
        NotRegex,
        Or,
        OrderBy,
        Pow,
        Rank,
        Regex,
        Rrf,
        Search,
        Select,
        SortKey,
        Sqrt,
        StartsWith,
        Sub,
        Substring,
        Sum,
        Val,
        Where,
        decay,
    )
    from chroma_search.embeddings import (
        ChromaBm25EmbeddingFunction,
        DefaultEmbeddingFunction,
        EmbeddingFunction,
        LsaEmbeddingFunction,
        ONNXMiniLM_L6_V2,
        SentenceTransformerEmbeddingFunction,
        SparseEmbeddingFunction,
        register_embedding_function,
        register_sparse_embedding_function,
    )
    from chroma_search.errors import (
        ChromaError,
        ChromaSearchError,
        ConflictError,
        DuplicateIDError,
        InvalidArgumentError,
        InvalidInputError,
        NotFoundError,
        QuerySyntaxError,
        RemoteError,
        UnsupportedError,
    )
    from chroma_search.front.async_collection import AsyncCollection
    from chroma_search.front.collection import Collection
    from chroma_search.front.read_level import ReadLevel
    from chroma_search.http.async_client import AsyncHttpClient
    from chroma_search.http.client import HttpClient
    from chroma_search.model.results import (
        DeleteResult,
        GetResult,
        IndexingStatus,
        QueryResult,
        SearchResult,
        SearchResultRow,
    )
    from chroma_search.model.sparse_vector import SparseVector, SparseVectors
    from chroma_search.schema import (
        BoolInvertedIndexConfig,
        Cmek,
        CmekProvider,
        FloatInvertedIndexConfig,
        FtsIndexConfig,
        HnswIndexConfig,
        IntInvertedIndexConfig,
        Schema,
        SpannIndexConfig,
        SparseVectorIndexConfig,
        StringInvertedIndexConfig,
        VectorIndexConfig,
    )

_HOMES: dict[str, str] = {
    name: module
    for module, names in {
        "api": "AdminAPI AsyncClientAPI ClientAPI",
        "api.types": (
            "CollectionMetadata DataLoader Document Documents Embeddable Embedding Embeddings ID IDs Image "
            "Images Include Metadata Metadatas OneOrMany URI URIs UpdateCollectionMetadata UpdateMetadata "
            "WhereDocument"
        ),
        "client.async_embedded": "AsyncAdminClient AsyncEphemeralClient AsyncPersistentClient",
        "client.embedded": "AdminClient Client EphemeralClient",
        "client.maintenance": "BackupReport RepairReport VerifyReport back_up repair verify",
        "client.persistent": "PersistentClient",
        "client.unavailable": "CloudClient",
        "config": "DEFAULT_DATABASE DEFAULT_TENANT Settings configure get_settings",
        "dropin": "install_as_chromadb uninstall_as_chromadb",
        "dsl": (
            "Abs Aggregate And Bm25 Contains Decay Div EndsWith Eq Exists Exp Field GroupBy Gt Gte IEndsWith "
            "IEquals IStartsWith ISubstring If In K Key Knn Limit Log Lt Lte Max MaxK Min MinK Mul Ne Nin "
            "Not NotContains NotRegex Or OrderBy Pow Rank Regex Rrf Search Select SortKey Sqrt StartsWith "
            "Sub Substring Sum Val Where decay"
        ),
        "embeddings": (
            "ChromaBm25EmbeddingFunction DefaultEmbeddingFunction EmbeddingFunction LsaEmbeddingFunction "
            "ONNXMiniLM_L6_V2 SentenceTransformerEmbeddingFunction SparseEmbeddingFunction "
            "register_embedding_function register_sparse_embedding_function"
        ),
        "errors": (
            "ChromaError ChromaSearchError ConflictError DuplicateIDError InvalidArgumentError "
            "InvalidInputError NotFoundError QuerySyntaxError RemoteError UnsupportedError"
        ),
        "front.async_collection": "AsyncCollection",
        "front.collection": "Collection",
        "front.read_level": "ReadLevel",
        "http.async_client": "AsyncHttpClient",
        "http.client": "HttpClient",
        "model.results": "DeleteResult GetResult IndexingStatus QueryResult SearchResult SearchResultRow",
        "model.sparse_vector": "SparseVector SparseVectors",
        "schema": (
            "BoolInvertedIndexConfig Cmek CmekProvider FloatInvertedIndexConfig FtsIndexConfig "
            "HnswIndexConfig IntInvertedIndexConfig Schema SpannIndexConfig SparseVectorIndexConfig "
            "StringInvertedIndexConfig VectorIndexConfig"
        ),
    }.items()
    for name in names.split()
}
"""Where each public name is defined, below this package; the block above says the same to type checkers."""

_MODULES = ("api", "base_types", "config", "dsl", "errors", "execution", "types", "utils")
"""Submodules that can be reached as attributes without importing them first, as with Chroma."""

__all__ = [
    "DEFAULT_DATABASE",
    "DEFAULT_TENANT",
    "ID",
    "URI",
    "Abs",
    "AdminAPI",
    "AdminClient",
    "Aggregate",
    "And",
    "AsyncAdminClient",
    "AsyncClientAPI",
    "AsyncCollection",
    "AsyncEphemeralClient",
    "AsyncHttpClient",
    "AsyncPersistentClient",
    "BackupReport",
    "Bm25",
    "BoolInvertedIndexConfig",
    "ChromaBm25EmbeddingFunction",
    "ChromaError",
    "ChromaSearchError",
    "Client",
    "ClientAPI",
    "CloudClient",
    "Cmek",
    "CmekProvider",
    "Collection",
    "CollectionMetadata",
    "ConflictError",
    "Contains",
    "DataLoader",
    "Decay",
    "DefaultEmbeddingFunction",
    "DeleteResult",
    "Div",
    "Document",
    "Documents",
    "DuplicateIDError",
    "Embeddable",
    "Embedding",
    "EmbeddingFunction",
    "Embeddings",
    "EndsWith",
    "EphemeralClient",
    "Eq",
    "Exists",
    "Exp",
    "Field",
    "FloatInvertedIndexConfig",
    "FtsIndexConfig",
    "GetResult",
    "GroupBy",
    "Gt",
    "Gte",
    "HnswIndexConfig",
    "HttpClient",
    "IDs",
    "IEndsWith",
    "IEquals",
    "IStartsWith",
    "ISubstring",
    "If",
    "Image",
    "Images",
    "In",
    "Include",
    "IndexingStatus",
    "IntInvertedIndexConfig",
    "InvalidArgumentError",
    "InvalidInputError",
    "K",
    "Key",
    "Knn",
    "Limit",
    "Log",
    "LsaEmbeddingFunction",
    "Lt",
    "Lte",
    "Max",
    "MaxK",
    "Metadata",
    "Metadatas",
    "Min",
    "MinK",
    "Mul",
    "Ne",
    "Nin",
    "Not",
    "NotContains",
    "NotFoundError",
    "NotRegex",
    "ONNXMiniLM_L6_V2",
    "OneOrMany",
    "Or",
    "OrderBy",
    "PersistentClient",
    "Pow",
    "QueryResult",
    "QuerySyntaxError",
    "Rank",
    "ReadLevel",
    "Regex",
    "RemoteError",
    "RepairReport",
    "Rrf",
    "Schema",
    "Search",
    "SearchResult",
    "SearchResultRow",
    "Select",
    "SentenceTransformerEmbeddingFunction",
    "Settings",
    "SortKey",
    "SpannIndexConfig",
    "SparseEmbeddingFunction",
    "SparseVector",
    "SparseVectorIndexConfig",
    "SparseVectors",
    "Sqrt",
    "StartsWith",
    "StringInvertedIndexConfig",
    "Sub",
    "Substring",
    "Sum",
    "URIs",
    "UnsupportedError",
    "UpdateCollectionMetadata",
    "UpdateMetadata",
    "Val",
    "VectorIndexConfig",
    "VerifyReport",
    "Where",
    "WhereDocument",
    "__version__",
    "back_up",
    "configure",
    "decay",
    "get_settings",
    "install_as_chromadb",
    "register_embedding_function",
    "register_sparse_embedding_function",
    "repair",
    "uninstall_as_chromadb",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Load a public name, or a submodule."""
    from importlib import import_module

    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value  # found without this function from now on
        return value
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
