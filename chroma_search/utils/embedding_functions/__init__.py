"""Upstream's package `chromadb.utils.embedding_functions`.

The functions that this package carries are here under upstream's names. The others (they call hosted services) can be
imported, so that a program that merely names one still runs; making one raises UnsupportedError.
"""

from __future__ import annotations

from typing import Any, NoReturn

from chroma_search.embeddings import (
    UNSUPPORTED_FUNCTIONS,
    ChromaBm25EmbeddingFunction,
    DefaultEmbeddingFunction,
    EmbeddingFunction,
    LsaEmbeddingFunction,
    ONNXMiniLM_L6_V2,
    SentenceTransformerEmbeddingFunction,
    SparseEmbeddingFunction,
    config_to_embedding_function,
    known_embedding_functions,
    register_embedding_function,
    register_sparse_embedding_function,
    sparse_known_embedding_functions,
    unsupported_function,
)

__all__ = [
    "ChromaBm25EmbeddingFunction",
    "DefaultEmbeddingFunction",
    "EmbeddingFunction",
    "LsaEmbeddingFunction",
    "ONNXMiniLM_L6_V2",
    "SentenceTransformerEmbeddingFunction",
    "SparseEmbeddingFunction",
    "config_to_embedding_function",
    "known_embedding_functions",
    "register_embedding_function",
    "register_sparse_embedding_function",
    "sparse_known_embedding_functions",
]


class _NotCarried:
    """Base of the stand-ins for functions that this package does not carry."""

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise unsupported_function(cls.__name__)


def __getattr__(name: str) -> Any:
    """Return the stand-in for one of upstream's other functions."""
    if name in UNSUPPORTED_FUNCTIONS:
        return type(name, (_NotCarried,), {"__doc__": f"{name} of Chroma, which this package does not carry."})
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
