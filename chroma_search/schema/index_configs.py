"""Index configurations that users write: upstream's classes, fields and defaults, as pydantic models.

Bounds of the numbers are not checked here but when a collection is made (`index_params.py`), as upstream does: a schema
may be read, changed and written without an engine. Some names that upstream's engine knows are accepted and dropped;
any other name is a pydantic `ValidationError`. Importing this module loads pydantic (0.1 s); the engine never needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from chroma_search.dsl.key import Key
from chroma_search.embeddings.protocol import validate_embedding_function, validate_sparse_embedding_function
from chroma_search.model.distance import Space
from chroma_search.schema.index_params import SPANN_INTERNALS
from chroma_search.schema.value_types import DOCUMENT_KEY


@cache
def _default_function() -> Any:
    """Return the one default function, so that two untouched configurations are equal."""
    from chroma_search.embeddings.default import DefaultEmbeddingFunction

    return DefaultEmbeddingFunction()


class _IndexConfig(BaseModel):
    """What all configurations share: no field but the declared ones, and those named in `dropped`."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    dropped: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _drop_known_refuse_unknown(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        given: Mapping[str, Any] = data
        unknown = [name for name in given if name not in cls.model_fields and name not in cls.dropped]
        if unknown:
            raise PydanticCustomError(
                "invalid_field",
                "{unknown} is not a valid field for {owner}; valid are: {valid}",
                {
                    "unknown": ", ".join(repr(name) for name in unknown),
                    "owner": cls.__name__,
                    "valid": ", ".join(sorted({*cls.model_fields, *cls.dropped})) or "none",
                },
            )
        return {name: value for name, value in given.items() if name not in cls.dropped}


class FtsIndexConfig(_IndexConfig):
    """Full-text search on `#document`. `algorithm` is accepted and dropped."""

    dropped = frozenset({"algorithm"})


class StringInvertedIndexConfig(_IndexConfig):
    """Filters on string values; no parameters."""


class IntInvertedIndexConfig(_IndexConfig):
    """Filters on int values; no parameters."""


class FloatInvertedIndexConfig(_IndexConfig):
    """Filters on float values; no parameters."""


class BoolInvertedIndexConfig(_IndexConfig):
    """Filters on bool values; no parameters."""


class HnswIndexConfig(_IndexConfig):
    """A navigable small-world graph over dense vectors. None means the default (see `index_params.py`).

    Attributes:
        ef_construction: beam when building.
        max_neighbors: links per node and layer (M).
        ef_search: beam when searching.
        num_threads: threads used for building.
        batch_size, sync_threshold, resize_factor: kept for Chroma's sake; this engine does not need them.
    """

    ef_construction: int | None = None
    max_neighbors: int | None = None
    ef_search: int | None = None
    num_threads: int | None = None
    batch_size: int | None = None
    sync_threshold: int | None = None
    resize_factor: float | None = None


class SpannIndexConfig(_IndexConfig):
    """Posting lists around centroids. None means the default (see `index_params.py`).

    Attributes:
        search_nprobe: lists read per query.
        write_nprobe: lists that a vector may join.
        ef_construction, ef_search, max_neighbors: the graph over the centroids.
        reassign_neighbor_count: neighbouring lists looked at when one is split.
        split_threshold: vectors at which a list is split.
        merge_threshold: vectors below which a list is merged.
    """

    dropped = SPANN_INTERNALS

    search_nprobe: int | None = None
    write_nprobe: int | None = None
    ef_construction: int | None = None
    ef_search: int | None = None
    max_neighbors: int | None = None
    reassign_neighbor_count: int | None = None
    split_threshold: int | None = None
    merge_threshold: int | None = None


def _source_name(value: Any) -> str | None:
    """Return the name of a source key given as str or Key."""
    name = value.name if isinstance(value, Key) else value
    if name is None:
        return None
    if not isinstance(name, str):
        raise ValueError(f"source_key must be str or Key, got {type(name).__name__}")
    if name.startswith("#") and name != DOCUMENT_KEY:
        raise ValueError(f"source_key cannot begin with '#', got '{name}': only '#document' (K.DOCUMENT) may")
    return name


def _checked_function(value: Any, validate: Callable[[object], None]) -> Any:
    """Return an embedding function, or None, after a look at its signature."""
    if value is None:
        return None
    if not callable(value):
        raise ValueError(f"embedding_function must be callable or None, got {type(value).__name__}")
    validate(value)
    return value


class VectorIndexConfig(_IndexConfig):
    """Dense vectors of a collection.

    Attributes:
        space: `cosine`, `l2` or `ip`; None takes the function's default space, else `l2`.
        embedding_function: callable that embeds documents and queries; None for none.
        source_key: where the text comes from (str or Key); only `#document` has a meaning.
        hnsw, spann: parameters of the index; at most one of them.
    """

    space: Space | None = None
    embedding_function: Any | None = Field(default_factory=_default_function)
    source_key: str | None = None
    hnsw: HnswIndexConfig | None = None
    spann: SpannIndexConfig | None = None

    @field_validator("source_key", mode="before")
    @classmethod
    def _check_source_key(cls, value: Any) -> str | None:
        return _source_name(value)

    @field_validator("embedding_function", mode="before")
    @classmethod
    def _check_function(cls, value: Any) -> Any:
        return _checked_function(value, validate_embedding_function)


class SparseVectorIndexConfig(_IndexConfig):
    """Sparse vectors under one metadata key. `algorithm` is accepted and dropped.

    Attributes:
        embedding_function: callable that makes sparse vectors of texts; None for none.
        source_key: where the text comes from (str or Key): `#document` or a metadata key; needs a function.
        bm25: True weighs query terms by their inverse document frequency in the collection.
    """

    dropped = frozenset({"algorithm"})

    embedding_function: Any | None = None
    source_key: str | None = None
    bm25: bool | None = None

    @field_validator("source_key", mode="before")
    @classmethod
    def _check_source_key(cls, value: Any) -> str | None:
        return _source_name(value)

    @field_validator("embedding_function", mode="before")
    @classmethod
    def _check_function(cls, value: Any) -> Any:
        return _checked_function(value, validate_sparse_embedding_function)


IndexConfig: TypeAlias = (
    FtsIndexConfig
    | VectorIndexConfig
    | SparseVectorIndexConfig
    | StringInvertedIndexConfig
    | IntInvertedIndexConfig
    | FloatInvertedIndexConfig
    | BoolInvertedIndexConfig
)
