"""Records as the JSON of a write: base64 vectors where the server takes them, and as many bodies as its limits ask for.

A server says how many records it takes in one request (`/pre-flight-checks`), not how many bytes; Chroma refuses more
than 40 MiB unless it is configured otherwise, so a larger body is halved.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.http.call import json_body
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.requests import WriteBatch

T = TypeVar("T")

MAX_BODY_BYTES = 40 * 1024 * 1024
"""Chroma's `max_payload_size_bytes` when nobody configured it."""


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """What a server takes in one request.

    Attributes:
        max_records: records, from 1.
        takes_base64: whether vectors may be base64 of little-endian float32.
        max_bytes: of the body.
    """

    max_records: int
    takes_base64: bool
    max_bytes: int = MAX_BODY_BYTES


def write_bodies(batch: WriteBatch, limits: WriteLimits) -> Iterator[bytes]:
    """Yield the bodies of a write, its rows in order; one record is sent however large it is.

    Raises:
        InvalidInputError: JSON cannot hold a value.
    """
    for start in range(0, len(batch.ids), limits.max_records):
        yield from _halved(_slice(batch, start, start + limits.max_records), limits)


def _halved(batch: WriteBatch, limits: WriteLimits) -> Iterator[bytes]:
    body = json_body(_form(batch, takes_base64=limits.takes_base64))
    n_rows = len(batch.ids)
    if len(body) <= limits.max_bytes or n_rows < 2:
        yield body
        return
    yield from _halved(_slice(batch, 0, n_rows // 2), limits)
    yield from _halved(_slice(batch, n_rows // 2, n_rows), limits)


def _form(batch: WriteBatch, *, takes_base64: bool) -> dict[str, Any]:
    vectors = batch.vectors
    return {
        "ids": batch.ids,
        "embeddings": vectors if vectors is None or not takes_base64 else base64_vectors(vectors),
        "documents": batch.documents,
        "uris": batch.uris,
        "metadatas": None if batch.metadatas is None else [_metadata(each) for each in batch.metadatas],
    }


def base64_vectors(vectors: NDArray[np.float32]) -> list[str]:
    """Return each row as base64 of its little-endian float32 values.

    Args:
        vectors: float32, shape (n, dim).
    """
    rows = np.ascontiguousarray(vectors, dtype="<f4")
    return [b64encode(row).decode("ascii") for row in rows]


def _metadata(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    if metadata is None or not any(isinstance(value, SparseVector) for value in metadata.values()):
        return metadata
    return {key: value.to_dict() if isinstance(value, SparseVector) else value for key, value in metadata.items()}


def _slice(batch: WriteBatch, start: int, end: int) -> WriteBatch:
    return WriteBatch(
        batch.ids[start:end],
        None if batch.vectors is None else batch.vectors[start:end],
        _part(batch.documents, start, end),
        _part(batch.metadatas, start, end),
        _part(batch.uris, start, end),
    )


def _part(column: Sequence[T] | None, start: int, end: int) -> Sequence[T] | None:
    return None if column is None else column[start:end]
