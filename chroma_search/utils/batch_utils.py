"""Upstream's module `chromadb.utils.batch_utils`: a large write in several calls."""

from __future__ import annotations

from typing import Any

from chroma_search.front.client import ClientFront

Batch = tuple[list[str], Any, "list[Any] | None", "list[Any] | None"]


def create_batches(
    api: ClientFront,
    ids: list[str],
    embeddings: Any | None = None,
    metadatas: list[Any] | None = None,
    documents: list[Any] | None = None,
) -> list[Batch]:
    """Return `(ids, embeddings, metadatas, documents)` in parts of at most `api.get_max_batch_size()` records.

    Written for Chroma's limit of about 5,000 records; here one call takes any number, also over HTTP.
    """
    size = api.get_max_batch_size()
    parts = [slice(start, start + size) for start in range(0, max(len(ids), 1), size)]
    return [
        (
            ids[part],
            None if embeddings is None else embeddings[part],
            None if metadatas is None else metadatas[part],
            None if documents is None else documents[part],
        )
        for part in parts
    ]
