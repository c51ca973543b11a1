"""The text queries of a search: which there are, and the search with vectors in their place."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar, cast

import numpy as np

from chroma_search.dsl import Knn
from chroma_search.dsl.node import Node
from chroma_search.model.sparse_vector import SparseVector

N = TypeVar("N", bound=Node)


def text_queries(node: Node | None) -> list[Knn]:
    """Return the `Knn` nodes below that search for a text, without recursion: the tree may be too deep."""
    found: list[Knn] = []
    stack = [] if node is None else [node]
    while stack:
        each = stack.pop()
        if isinstance(each, Knn) and isinstance(each.query, str):
            found.append(each)
        stack.extend(each.children())
    return found


def embedded(node: N, vectors: dict[str, dict[str, Any]]) -> N:
    """Return the tree with each text query replaced by its vector; parts without one stay the same objects."""
    if isinstance(node, Knn):
        if not isinstance(node.query, str):
            return node
        vector: np.ndarray[Any, Any] | SparseVector = vectors[node.key][node.query]
        return replace(node, query=vector)
    changes: dict[str, Any] = {}
    for each in fields(node):
        value: Any = getattr(node, each.name)
        if isinstance(value, Node):
            new: Any = embedded(value, vectors)
        elif isinstance(value, tuple):
            parts = cast("tuple[Any, ...]", value)
            new = tuple(embedded(part, vectors) if isinstance(part, Node) else part for part in parts)
            new = value if all(a is b for a, b in zip(parts, new, strict=True)) else new
        else:
            continue
        if new is not value:
            changes[each.name] = new
    return replace(node, **changes) if changes else node
