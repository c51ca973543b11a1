"""Calls an embedding function and checks that one vector came back per text.

Functions need not subclass our protocols (Chroma's own classes do not), and `embed_query` is never wrapped; so what
comes back is normalised here, whoever wrote the function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from chroma_search.embeddings.protocol import EmbeddingFunction, SparseEmbeddingFunction
from chroma_search.embeddings.vectors import Embeddings, normalize_embeddings, normalize_sparse_vectors
from chroma_search.errors import InvalidInputError
from chroma_search.model.sparse_vector import SparseVectors

V = TypeVar("V")


def embed_documents(function: EmbeddingFunction[Any], inputs: Sequence[Any]) -> Embeddings:
    """Return one float32 vector per document (or image), in order.

    Raises:
        InvalidInputError: the function returned no vectors, or another number of them.
        Exception: whatever the function raises.
    """
    return _one_each(normalize_embeddings(function(list(inputs))), inputs, function)


def embed_queries(function: EmbeddingFunction[Any], inputs: Sequence[Any]) -> Embeddings:
    """Return one float32 vector per query by `embed_query`, or by the function itself if it has no such method."""
    embed: Any = getattr(function, "embed_query", function)
    return _one_each(normalize_embeddings(embed(input=list(inputs))), inputs, function)


def embed_sparse_documents(function: SparseEmbeddingFunction[Any], inputs: Sequence[Any]) -> SparseVectors:
    """Return one sparse vector per document, in order; errors as `embed_documents`."""
    return _one_each(normalize_sparse_vectors(function(list(inputs))), inputs, function)


def embed_sparse_queries(function: SparseEmbeddingFunction[Any], inputs: Sequence[Any]) -> SparseVectors:
    """Return one sparse vector per query by `embed_query`, or by the function itself if it has no such method."""
    embed: Any = getattr(function, "embed_query", function)
    return _one_each(normalize_sparse_vectors(embed(input=list(inputs))), inputs, function)


def _one_each(vectors: list[V], inputs: Sequence[Any], function: object) -> list[V]:
    if len(vectors) != len(inputs):
        raise InvalidInputError(
            f"{type(function).__name__} returned an unexpected number of embeddings: {len(vectors)} for {len(inputs)} "
            "inputs; it must return one per input"
        )
    return vectors
