"""The dense vector index kinds by name. A new kind is one file in `indexes/vector/` and one line here.

Names only: a kind's module, and the native library behind it, is imported when a segment first needs it.
"""

from __future__ import annotations

import importlib
from typing import cast

from chroma_search.errors import InvalidConfigError
from chroma_search.indexes.base import VectorIndex

VECTOR_INDEX_KINDS: dict[str, str] = {
    "coded": "chroma_search.indexes.vector.coded:CodedIndex",
    "flat": "chroma_search.indexes.vector.flat:FlatIndex",
    "hnsw": "chroma_search.indexes.vector.hnsw:HnswIndex",
    "spann": "chroma_search.indexes.vector.spann:SpannIndex",
}
"""Kind -> `module:class`."""


def vector_index(kind: str) -> type[VectorIndex]:
    """Return the class of an index kind.

    Raises:
        InvalidConfigError: no kind of that name.
    """
    target = VECTOR_INDEX_KINDS.get(kind)
    if target is None:
        raise InvalidConfigError(
            f"unknown vector index kind {kind!r}, choose one of {sorted(VECTOR_INDEX_KINDS)}", path="vector_index"
        )
    module_name, _, class_name = target.partition(":")
    return cast("type[VectorIndex]", getattr(importlib.import_module(module_name), class_name))
