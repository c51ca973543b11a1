"""Upstream's package `chromadb.execution`: only the query language, `chromadb.execution.expression`."""

from chroma_search.execution import expression

__all__ = ["expression"]
