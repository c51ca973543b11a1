"""Which embedding function turns the text of a query into a vector (spec 3.9): a pure choice, no call.

For `#embedding`, the first that exists of: the function given when the collection was opened, unless it is the default
one; the one in its configuration; the one in its schema under `#embedding`; the schema's default; the default function.
For any other key, the function of its enabled sparse index, else of its enabled dense index.

The key is its name, a string. Upstream compares `Key` objects with `==`, which builds a condition and is always true,
and so embeds `Knn(query="text", key=K("sparse"))` with the dense function; passing the name rules that out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from chroma_search.embeddings.default import DefaultEmbeddingFunction
from chroma_search.embeddings.protocol import EmbeddingFunction, SparseEmbeddingFunction
from chroma_search.errors import InvalidInputError, WrongTypeError
from chroma_search.record import record

Dense: TypeAlias = EmbeddingFunction[Any]
Sparse: TypeAlias = SparseEmbeddingFunction[Any]

EMBEDDING_KEY = "#embedding"


@record()
class KeyFunctions:
    """The functions that a schema has for one key.

    Attributes:
        sparse: function of the key's sparse index, or None if it has none or the index is disabled.
        dense: function of the key's dense index; for `#embedding` disabled or not.
    """

    sparse: Sparse | None = None
    dense: Dense | None = None


@record()
class EmbeddingSources:
    """Everything a collection knows about embedding functions.

    Attributes:
        given: function passed by the caller who opened the collection; None if that caller passed None.
        configured: function of the collection's configuration, or None.
        of_key: gives the schema's functions for a key, or None for a key that the schema does not name.
        schema_default: dense function of the schema's defaults, or None.
    """

    given: Dense | None
    configured: Dense | None = None
    of_key: Callable[[str], KeyFunctions | None] = lambda key: None
    schema_default: Dense | None = None


def resolve_dense_function(sources: EmbeddingSources) -> Dense:
    """Return the function for documents, and for queries of `#embedding`.

    Raises:
        InvalidInputError: there is none, and the caller who opened the collection ruled out the default one by None.
    """
    if sources.given is not None and not isinstance(sources.given, DefaultEmbeddingFunction):
        return sources.given
    named = sources.of_key(EMBEDDING_KEY)
    for function in (sources.configured, named.dense if named else None, sources.schema_default, sources.given):
        if function is not None:
            return function
    raise InvalidInputError(
        "You must provide an embedding function to compute embeddings: pass embedding_function=... when opening the "
        "collection, or pass vectors instead of texts"
    )


def resolve_query_function(key: str, sources: EmbeddingSources) -> Dense | Sparse:
    """Return the function that embeds a text query for a key.

    Args:
        key: name of the key, such as `#embedding` or a metadata key with an index; of a `Key`, its `name`.
        sources: the functions of the collection.

    Raises:
        InvalidInputError: the schema does not name the key, or has no function for it.
        WrongTypeError: the key is no string.
    """
    if not isinstance(key, str):
        raise WrongTypeError(f"A key must be given by its name, a string, got {type(key).__name__}")
    if key == EMBEDDING_KEY:
        return resolve_dense_function(sources)
    named = sources.of_key(key)
    if named is None:
        raise InvalidInputError(
            f"Cannot embed string query for key {key!r}: key not found in schema; pass a vector as query, or create an "
            "index with an embedding function for the key"
        )
    function = named.sparse if named.sparse is not None else named.dense
    if function is None:
        raise InvalidInputError(
            f"Cannot embed string query for key {key!r}: no embedding function configured for it in the schema; "
            "pass a vector as query, or create the index with embedding_function=..."
        )
    return function
