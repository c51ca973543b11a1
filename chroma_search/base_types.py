"""Upstream's names for the types of arguments (`chromadb.base_types`), for annotations.

`Where` is here, as there, the type of a filter *dict*; the class of filter objects is `chroma_search.dsl.Where`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, SparseVector, SparseVectors

LiteralValue: TypeAlias = str | int | float | bool
MetadataListValue: TypeAlias = list[str | int | float | bool]
Metadata: TypeAlias = Mapping[str, LiteralValue | SparseVector | MetadataListValue | None]
UpdateMetadata: TypeAlias = Metadata
PyVector: TypeAlias = Sequence[float] | Sequence[int]
Vector: TypeAlias = NDArray[np.int32 | np.float32]

LogicalOperator: TypeAlias = Literal["$and", "$or"]
WhereOperator: TypeAlias = Literal["$gt", "$gte", "$lt", "$lte", "$ne", "$eq"]
InclusionExclusionOperator: TypeAlias = Literal["$in", "$nin"]
ArrayContainsOperator: TypeAlias = Literal["$contains", "$not_contains"]
WhereDocumentOperator: TypeAlias = Literal["$contains", "$not_contains", "$regex", "$not_regex", "$and", "$or"]
OperatorExpression: TypeAlias = dict[str, Any]
Where: TypeAlias = dict[str, Any]
WhereDocument: TypeAlias = dict[str, Any]

__all__ = [
    "SPARSE_VECTOR_TYPE_VALUE",
    "TYPE_KEY",
    "ArrayContainsOperator",
    "InclusionExclusionOperator",
    "LiteralValue",
    "LogicalOperator",
    "Metadata",
    "MetadataListValue",
    "OperatorExpression",
    "PyVector",
    "SparseVector",
    "SparseVectors",
    "UpdateMetadata",
    "Vector",
    "Where",
    "WhereDocument",
    "WhereDocumentOperator",
    "WhereOperator",
]
