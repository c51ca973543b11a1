"""Compute the parts of a rank that hold only constants.

Only whole sub-trees of constants are folded: moving a constant across another operand would change rounding.
"""

from __future__ import annotations

from dataclasses import replace

from chroma_search.dsl import Val
from chroma_search.dsl.node import Node
from chroma_search.dsl.rank import Rank
from chroma_search.planner.logical import LogicalPlan, transform
from chroma_search.planner.operators.rank_functions import apply_to_constants


def fold_constants(plan: LogicalPlan) -> LogicalPlan:
    """Replace an operator over constants by its value.

    `knn($q) * (2 + 3)` becomes `knn($q) * 5.0`.
    """
    if plan.rank is None:
        return plan
    rank = transform(plan.rank, _folded)
    return plan if rank is plan.rank else replace(plan, rank=rank)


def _folded(node: Node) -> Node:
    if not isinstance(node, Rank) or isinstance(node, Val):
        return node
    children = list(node.children())
    if not children or not all(isinstance(child, Val) for child in children):
        return node
    value = apply_to_constants(node, [child.value for child in children if isinstance(child, Val)])
    return node if value is None else Val(value)
