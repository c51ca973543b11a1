"""Upstream's module `chromadb.types`: the types of arguments, and of tenants and databases as clients return them."""

from chroma_search.base_types import (
    InclusionExclusionOperator,
    LiteralValue,
    LogicalOperator,
    Metadata,
    OperatorExpression,
    PyVector,
    UpdateMetadata,
    Vector,
    Where,
    WhereDocument,
    WhereDocumentOperator,
    WhereOperator,
)
from chroma_search.front.backend import DatabaseRecord as Database
from chroma_search.front.backend import TenantRecord as Tenant

__all__ = [
    "Database",
    "InclusionExclusionOperator",
    "LiteralValue",
    "LogicalOperator",
    "Metadata",
    "OperatorExpression",
    "PyVector",
    "Tenant",
    "UpdateMetadata",
    "Vector",
    "Where",
    "WhereDocument",
    "WhereDocumentOperator",
    "WhereOperator",
]
