"""Flatten nested `AND` and `OR`, drop repeated conditions, unwrap single ones."""

from __future__ import annotations

from dataclasses import replace

from chroma_search.dsl import And, Or, Where
from chroma_search.dsl.node import Node
from chroma_search.planner.logical import LogicalPlan, transform


def flatten_booleans(plan: LogicalPlan) -> LogicalPlan:
    """Bring conditions of one kind to one level.

    `a = 1 AND (b = 2 AND a = 1)` becomes `a = 1 AND b = 2`.
    """
    if plan.where is None:
        return plan
    where = transform(plan.where, _flattened)
    return plan if where is plan.where else replace(plan, where=where)


def _flattened(node: Node) -> Node:
    if not isinstance(node, (And, Or)):
        return node
    kind = type(node)
    parts: list[Where] = []
    for each in node.conditions:
        parts.extend(each.conditions if isinstance(each, kind) else (each,))
    distinct = tuple(dict.fromkeys(parts))
    if len(distinct) == 1:
        return distinct[0]
    return node if len(distinct) == len(node.conditions) else kind(distinct)
