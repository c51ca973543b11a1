"""Types of the arguments that collections take: for type checkers; `inputs.py` and `filters.py` check the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from chroma_search.dsl import Where
    from chroma_search.embeddings.vectors import Document

WhereFilter: TypeAlias = "Mapping[str, Any] | Where | str"
"""A filter: upstream's dict, or (ours) a `Where` or a text of the query language."""
WhereDocumentFilter = Mapping[str, Any] | str
VectorForm = Any
"""A vector or a list of them: lists of numbers, or arrays."""
# `Sequence` stands for a list here: to a type checker a list[dict[str, int]] is no list[Mapping[str, Any] | None].
MetadataForm = Mapping[str, Any] | Sequence[Mapping[str, Any] | None]
"""The metadata of one record, or a list with a dict or None per record."""
TextForm: TypeAlias = "Document | Sequence[Document | None]"
"""A document (or URI), or a list with a text or None per record."""
