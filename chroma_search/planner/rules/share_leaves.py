"""Take the index leaves out of the rank, so that each distinct one runs once."""

from __future__ import annotations

from dataclasses import replace

from chroma_search.dsl.node import Node
from chroma_search.planner.logical import INDEX_LEAVES, LeafRef, LogicalPlan, transform


def share_leaves(plan: LogicalPlan) -> LogicalPlan:
    """Replace `knn`, `bm25`, field and decay leaves by references to a list of distinct leaves.

    `knn($q) + log(knn($q))` becomes `leaf0 + log(leaf0)` with one leaf.
    """
    if plan.rank is None:
        return plan
    if (
        isinstance(plan.rank, INDEX_LEAVES) and not plan.leaves
    ):  # the commonest rank; comparing leaves reads their query
        return replace(plan, rank=LeafRef(0), leaves=(plan.rank,))
    places = {leaf: at for at, leaf in enumerate(plan.leaves)}

    def shared(node: Node) -> Node:
        if not isinstance(node, INDEX_LEAVES):
            return node
        return LeafRef(places.setdefault(node, len(places)))

    rank = transform(plan.rank, shared)
    return plan if rank is plan.rank else replace(plan, rank=rank, leaves=tuple(places))
