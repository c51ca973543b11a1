"""The optimizer: apply the rules in order until none changes the plan, and check after each that it kept the meaning.

A rule that breaks an invariant is a bug of ours: it is named in the error, never skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

from chroma_search.dsl.where import Comparison, Not, StringMatch, Where
from chroma_search.errors import InternalError
from chroma_search.planner.logical import INDEX_LEAVES, LeafRef, LogicalPlan, Range, walk
from chroma_search.planner.rules import RULES, Rule

MAX_ROUNDS = 20
"""The rules shrink the plan or leave it, so a few rounds suffice; more is a bug."""


def optimize(plan: LogicalPlan) -> LogicalPlan:
    """Return an equal plan that no rule can improve.

    Raises:
        InternalError: a rule broke an invariant, or the rules did not come to rest.
    """
    optimized = plan
    for _, optimized in steps(plan):  # noqa: B007  # the last one counts
        pass
    return optimized


def steps(plan: LogicalPlan) -> Iterator[tuple[str, LogicalPlan]]:
    """Yield each rule's name with the plan after it, for the rules that changed the plan."""
    for _ in range(MAX_ROUNDS):
        before = plan
        for rule in RULES:
            after = rule(plan)
            if after is not plan:
                check_invariants(plan, after, rule)
                plan = after
                yield rule.__name__, plan
        if plan is before:
            return
    raise InternalError("the rules did not come to rest", invariant="fixpoint", plan=repr(plan))


def check_invariants(before: LogicalPlan, after: LogicalPlan, rule: Rule) -> None:
    """Check that a rule kept what no rule may change.

    Raises:
        InternalError: names the rule and the invariant.
    """
    kept = (
        ("the filter names no new keys", _filter_keys(after.where) <= _filter_keys(before.where)),
        ("the rank reads the same leaves", _leaf_set(after) == _leaf_set(before)),
        ("every leaf reference has its leaf", all(ref < len(after.leaves) for ref in _references(after))),
        ("grouping, order, page and selection stay", _tail(after) == _tail(before)),
        ("a rank stays a rank", (after.rank is None) == (before.rank is None)),
    )
    for invariant, holds in kept:
        if not holds:
            raise InternalError(f"rule {rule.__name__} broke: {invariant}", invariant=invariant, plan=repr(after))


def _filter_keys(where: Where | None) -> frozenset[str]:
    if where is None:
        return frozenset()
    keys: set[str] = set()
    for node in walk(where):
        if isinstance(node, (Comparison, Range, StringMatch)) or hasattr(node, "key"):
            keys.add(node.key)  # type: ignore[attr-defined]  # every filter leaf has a key
        assert isinstance(node, (Where, Not))
    return frozenset(keys)


def _leaf_set(plan: LogicalPlan) -> frozenset[object]:
    inline = () if plan.rank is None else (node for node in walk(plan.rank) if isinstance(node, INDEX_LEAVES))
    return frozenset([*inline, *plan.leaves])


def _references(plan: LogicalPlan) -> list[int]:
    return [] if plan.rank is None else [node.index for node in walk(plan.rank) if isinstance(node, LeafRef)]


def _tail(plan: LogicalPlan) -> tuple[object, ...]:
    return (plan.group_by, plan.order_by, plan.limit, plan.select)
