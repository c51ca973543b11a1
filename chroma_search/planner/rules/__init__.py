"""Rewrite rules: one rule, one file, one function of the file's name, one fixture file of input and expected plans.

A rule takes a plan and returns an equal one, or the same object when it has nothing to do. Order matters little since
the optimizer runs them to a fixpoint; the order here is the one that needs the fewest rounds.
"""

from collections.abc import Callable

from chroma_search.planner.logical import LogicalPlan
from chroma_search.planner.rules.expand_rrf import expand_rrf
from chroma_search.planner.rules.flatten_booleans import flatten_booleans
from chroma_search.planner.rules.fold_constants import fold_constants
from chroma_search.planner.rules.merge_memberships import merge_memberships
from chroma_search.planner.rules.merge_ranges import merge_ranges
from chroma_search.planner.rules.prune_columns import prune_columns
from chroma_search.planner.rules.push_negations import push_negations
from chroma_search.planner.rules.share_leaves import share_leaves

Rule = Callable[[LogicalPlan], LogicalPlan]

RULES: tuple[Rule, ...] = (
    push_negations,
    flatten_booleans,
    merge_memberships,
    merge_ranges,
    expand_rrf,
    fold_constants,
    share_leaves,
    prune_columns,
)

__all__ = ["RULES", "Rule"]
