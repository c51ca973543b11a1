"""Responses as results: records column by column, as an engine gives them.

A reader looks at the content type first: JSON is the only one today, and the place for another is `_columns`. Vectors
stand in it as lists of numbers or as base64.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chroma_search.http.call import JSON_TYPE, Response
from chroma_search.model.results import IndexingStatus
from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, SparseVector
from chroma_search.requests import Found


def read_get(response: Response) -> Found:
    """Return the records of a `get`."""
    form = _columns(response)
    return Found(
        ids=form["ids"],
        documents=form.get("documents"),
        metadatas=_metadatas(form.get("metadatas")),
        uris=form.get("uris"),
        embeddings=_vectors(form.get("embeddings")),
    )


def read_query(response: Response) -> list[Found]:
    """Return the records of each query, distances as scores.

    Distances are float32 on both sides; the digits of JSON are read back to that.
    """
    form = _columns(response)
    return [
        Found(
            ids=ids,
            scores=_distances(_entry(form, "distances", at)),
            documents=_entry(form, "documents", at),
            metadatas=_metadatas(_entry(form, "metadatas", at)),
            uris=_entry(form, "uris", at),
            embeddings=_vectors(_entry(form, "embeddings", at)),
        )
        for at, ids in enumerate(form["ids"])
    ]


def read_search(response: Response) -> list[Found]:
    """Return the records of each search."""
    form = _columns(response)
    return [
        Found(
            ids=ids,
            scores=_entry(form, "scores", at),
            documents=_entry(form, "documents", at),
            metadatas=_metadatas(_entry(form, "metadatas", at)),
            embeddings=_vectors(_entry(form, "embeddings", at)),
        )
        for at, ids in enumerate(form["ids"])
    ]


def read_count(response: Response) -> int:
    """Return a number."""
    return int(response.json())


def read_deleted(response: Response) -> int:
    """Return how many records a `delete` deleted."""
    return int(response.json()["deleted"])


def read_indexing_status(response: Response) -> IndexingStatus:
    """Return how much is indexed."""
    form = response.json()
    return IndexingStatus(
        num_indexed_ops=int(form["num_indexed_ops"]),
        num_unindexed_ops=int(form["num_unindexed_ops"]),
        total_ops=int(form["total_ops"]),
        op_indexing_progress=float(form["op_indexing_progress"]),
    )


def _columns(response: Response) -> dict[str, Any]:
    if response.content_type != JSON_TYPE:
        raise TypeError(f"content type {response.content_type!r}")
    form: Any = response.json()
    if not isinstance(form, dict):
        raise TypeError(f"{type(form).__name__} instead of an object")
    return cast("dict[str, Any]", form)


def _entry(form: dict[str, Any], name: str, at: int) -> Any:
    """Return the part of a column that belongs to one query, or None."""
    column = form.get(name)
    return None if column is None else column[at]


def _metadatas(metadatas: Sequence[dict[str, Any] | None] | None) -> list[dict[str, Any] | None] | None:
    """Return metadata with sparse vectors in place of their tagged dicts."""
    if metadatas is None:
        return None
    for metadata in metadatas:
        for key, value in (metadata or {}).items():
            if isinstance(value, dict) and cast("dict[str, Any]", value).get(TYPE_KEY) == SPARSE_VECTOR_TYPE_VALUE:
                cast("dict[str, Any]", metadata)[key] = SparseVector.from_dict(cast("dict[str, Any]", value))
    return list(metadatas)


def _vectors(rows: Sequence[Sequence[float]] | Sequence[str] | None) -> NDArray[np.float32] | None:
    """Return vectors, float32, shape (n, dim), from lists of numbers (Chroma) or base64 of little-endian float32."""
    if rows is None:
        return None
    if not rows:
        return np.empty((0, 0), np.float32)
    if not isinstance(rows[0], str):
        return np.array(rows, dtype=np.float32)
    texts = cast("Sequence[str]", rows)
    raw = [a2b_base64(text) for text in texts]
    # It is four times faster than b64decode(validate=True), and passes over characters that do not belong: so the
    # lengths are compared.
    if any(len(data) * 4 != len(text) * 3 - text.count("=") * 4 for data, text in zip(raw, texts, strict=True)):
        raise ValueError("a vector that is no base64")
    if len(set(map(len, raw))) > 1:
        raise ValueError("vectors of unequal dimension")
    values = np.frombuffer(bytearray().join(raw), dtype="<f4")  # a bytearray, for the caller may change the array
    return values.astype(np.float32, copy=False).reshape(len(rows), -1)


def _distances(values: Sequence[float] | None) -> list[float] | None:
    return None if values is None else np.array(values, dtype=np.float32).astype(np.float64).tolist()
