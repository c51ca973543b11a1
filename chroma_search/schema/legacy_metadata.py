"""Index parameters in collection metadata: the `hnsw:*` keys of old Chroma versions.

They are read once, when a collection is created, and stay in its metadata. Not for: changing an index; `modify` with
such a key changes the metadata and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chroma_search.errors import InvalidConfigError

PREFIX = "hnsw:"
FIELDS: dict[str, str] = {
    "hnsw:space": "space",
    "hnsw:construction_ef": "ef_construction",
    "hnsw:M": "max_neighbors",
    "hnsw:search_ef": "ef_search",
    "hnsw:num_threads": "num_threads",
    "hnsw:batch_size": "batch_size",
    "hnsw:sync_threshold": "sync_threshold",
    "hnsw:resize_factor": "resize_factor",
}


def legacy_hnsw_params(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the index parameters that metadata names, under their present names, unchecked; `{}` for none.

    Raises:
        InvalidConfigError: a key begins with `hnsw:` and is none of the eight.
    """
    found: dict[str, Any] = {}
    for key, value in (metadata or {}).items():
        if not key.startswith(PREFIX) or value is None:
            continue
        if key not in FIELDS:
            raise InvalidConfigError(
                f"Failed to parse hnsw parameters from metadata: unknown key '{key}', expected one of "
                f"{', '.join(FIELDS)}",
                path=f"metadata.{key}",
            )
        found[FIELDS[key]] = value
    return found
