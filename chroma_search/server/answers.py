"""The shapes of answers: how they are described, and how they are written as JSON.

Numbers are written as they are stored: a float32 of an embedding as the shortest decimal that reads back as the same
float32; NaN and infinities, which JSON has not, as null.
"""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from typing_extensions import NotRequired, TypedDict

from chroma_search.model.sparse_vector import SparseVector
from chroma_search.server.documented_types import CollectionMetadata, Metadata, Uuid

Heartbeat = TypedDict("Heartbeat", {"nanosecond heartbeat": int})


class Tenant(TypedDict):
    """A tenant."""

    name: str
    resource_name: str | None


class DatabaseAnswer(TypedDict):
    """A database."""

    id: Uuid
    name: str
    tenant: str


class Identity(TypedDict):
    """Who calls."""

    user_id: str
    tenant: str
    databases: list[str]


class Readiness(TypedDict):
    """Whether calls are answered."""

    is_executor_ready: bool
    is_log_client_ready: bool


class PreFlight(TypedDict):
    """What a client should know before it writes."""

    max_batch_size: int
    supports_base64_encoding: bool


class CollectionAnswer(TypedDict):
    """A collection."""

    id: Uuid
    name: str
    configuration_json: dict[str, Any]
    schema: dict[str, Any] | None
    metadata: CollectionMetadata | None
    dimension: int | None
    tenant: str
    database: str
    log_position: int
    version: int


class ForkCount(TypedDict):
    """How many forks there are in a lineage."""

    count: int


class IndexingStatus(TypedDict):
    """How much of what was written has reached an index."""

    op_indexing_progress: float
    num_unindexed_ops: int
    num_indexed_ops: int
    total_ops: int


class Deleted(TypedDict):
    """How many records were deleted."""

    deleted: int


class GetAnswer(TypedDict):
    """Records, column by column; a column that was not asked for is null."""

    ids: list[str]
    embeddings: list[list[float]] | list[str] | None
    documents: list[str | None] | None
    uris: list[str | None] | None
    metadatas: list[Metadata | None] | None
    include: list[str]


class QueryAnswer(TypedDict):
    """Records per query, column by column."""

    ids: list[list[str]]
    embeddings: list[list[list[float]] | list[str]] | None
    documents: list[list[str | None]] | None
    uris: list[list[str | None]] | None
    metadatas: list[list[Metadata | None]] | None
    distances: list[list[float | None]] | None
    include: list[str]


class SearchAnswer(TypedDict):
    """Records per search, column by column; a column that a search did not select is null for it."""

    ids: list[list[str]]
    documents: list[list[str | None] | None]
    embeddings: list[list[list[float]] | list[str] | None]
    metadatas: list[list[Metadata | None] | None]
    scores: list[list[float | None] | None]
    select: list[list[str]]


class ExplainAnswer(TypedDict):
    """How a search is run: a text, or a tree."""

    explanation: str | dict[str, Any]


class Nothing(TypedDict):
    """An empty object: success."""


class ErrorAnswer(TypedDict):
    """An error."""

    error: str
    message: str
    retry_after_s: NotRequired[float]


def encoded_vectors(vectors: NDArray[np.float32] | None, encoding: Literal["numbers", "base64"]) -> Any:
    """Return vectors as an answer writes them: an array, which becomes lists of numbers, or a base64 text per row."""
    if vectors is None or encoding == "numbers":
        return vectors
    return [base64.b64encode(row.astype("<f4", copy=False).tobytes()).decode("ascii") for row in vectors]


def to_json(answer: Any) -> bytes:
    """Return an answer as JSON."""
    return orjson.dumps(answer, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS)


def _plain(value: Any) -> Any:
    if isinstance(value, SparseVector):
        return value.to_dict()
    if isinstance(value, np.ndarray):
        return value.tolist()  # not contiguous
    raise TypeError(f"{type(value).__name__} has no JSON form")
