"""Upstream's module `chromadb.execution.expression.plan`: the search as a whole."""

from chroma_search.dsl import Search

__all__ = ["Search"]
