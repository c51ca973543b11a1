"""Read only the columns of the records that the result shows or a stage needs."""

from __future__ import annotations

from dataclasses import replace

from chroma_search.dsl.page import COLUMNS, Select
from chroma_search.planner.logical import LogicalPlan


def prune_columns(plan: LogicalPlan) -> LogicalPlan:
    """Fill `columns` from the selection.

    `SELECT #document, title` reads `documents` and `metadatas`, not `embeddings`.
    """
    return plan if plan.columns is not None else replace(plan, columns=columns_read(plan.select))


def columns_read(select: Select) -> frozenset[str]:
    """Return the columns, out of `documents embeddings metadatas`, that a selection shows."""
    names = select.names
    columns = {
        "documents": "#document" in names,
        "embeddings": "#embedding" in names,
        "metadatas": "#metadata" in names or any(name not in COLUMNS for name in names),
    }
    return frozenset(column for column, is_read in columns.items() if is_read)
