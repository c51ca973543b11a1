"""Push `NOT` down to the tests, where an operator of its own answers it.

Every positive test is false for a missing key and its negative twin is true, so `NOT (x = 1)` is exactly `x != 1`, and
De Morgan's laws hold. Tests without a twin (`>`, substring) keep their `NOT`.
"""

from __future__ import annotations

from dataclasses import replace

from chroma_search.dsl import And, Contains, Eq, Exists, In, Ne, Nin, Not, NotContains, NotRegex, Or, Regex, Where
from chroma_search.dsl.node import Node
from chroma_search.planner.logical import LogicalPlan, transform


def push_negations(plan: LogicalPlan) -> LogicalPlan:
    """Remove every `NOT` that can be expressed without.

    `NOT (a = 1 AND NOT b > 2)` becomes `a != 1 OR b > 2`.
    """
    if plan.where is None:
        return plan
    where = transform(plan.where, _pushed)
    return plan if where is plan.where else replace(plan, where=where)


def _pushed(node: Node) -> Node:
    return _negated(node.condition, node) if isinstance(node, Not) else node


def _negated(where: Where, unchanged: Where) -> Where:
    match where:
        case Not():
            return where.condition
        case And():
            return Or(tuple(_negated(each, Not(each)) for each in where.conditions))
        case Or():
            return And(tuple(_negated(each, Not(each)) for each in where.conditions))
        case Eq():
            return Ne(where.key, where.value)
        case Ne():
            return Eq(where.key, where.value)
        case In():
            return Nin(where.key, where.values)
        case Nin():
            return In(where.key, where.values)
        case Contains():
            return NotContains(where.key, where.value)
        case NotContains():
            return Contains(where.key, where.value)
        case Regex():
            return NotRegex(where.key, where.pattern)
        case NotRegex():
            return Regex(where.key, where.pattern)
        case Exists():
            return Exists(where.key, not where.value)
        case _:
            return unchanged
