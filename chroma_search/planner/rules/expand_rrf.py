"""Write reciprocal rank fusion as arithmetic, so that the evaluator needs to know no fusion."""

from __future__ import annotations

from dataclasses import replace

from chroma_search.dsl import Rrf
from chroma_search.dsl.node import Node
from chroma_search.planner.logical import LogicalPlan, transform


def expand_rrf(plan: LogicalPlan) -> LogicalPlan:
    """Replace each `Rrf` by its sum of reciprocal positions.

    `rrf(a, b)` becomes `-1 * (1.0 / (60 + a) + 1.0 / (60 + b))`.
    """
    if plan.rank is None:
        return plan
    rank = transform(plan.rank, _expanded)
    return plan if rank is plan.rank else replace(plan, rank=rank)


def _expanded(node: Node) -> Node:
    return node.expanded() if isinstance(node, Rrf) else node
