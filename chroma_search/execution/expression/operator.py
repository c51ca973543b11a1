"""Upstream's module `chromadb.execution.expression.operator`: filters, ranks, grouping and paging."""

from chroma_search.dsl import *  # noqa: F403 - the same names under upstream's path
from chroma_search.dsl import Where as SearchWhere
from chroma_search.dsl import __all__ as _names

__all__ = [*_names, "SearchWhere"]  # type: ignore[reportUnsupportedDunderAll]  # one list, not two
