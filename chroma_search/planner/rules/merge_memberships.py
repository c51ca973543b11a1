"""Merge equalities of one key into one list test, which one lookup answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chroma_search.dsl import And, Eq, In, Ne, Nin, Or, Where
from chroma_search.dsl.node import Node, tagged
from chroma_search.planner.logical import LogicalPlan, transform


def merge_memberships(plan: LogicalPlan) -> LogicalPlan:
    """Join `=`/`IN` under `OR`, and `!=`/`NOT IN` under `AND`, key by key.

    `a = 1 OR a IN (2, 3) OR b = 4` becomes `a IN (1, 2, 3) OR b = 4`.
    """
    if plan.where is None:
        return plan
    where = transform(plan.where, _merged)
    return plan if where is plan.where else replace(plan, where=where)


def _merged(node: Node) -> Node:
    match node:
        case Or():
            conditions = _join(node.conditions, Eq, In)
        case And():
            conditions = _join(node.conditions, Ne, Nin)
        case _:
            return node
    if len(conditions) == len(node.conditions):
        return node
    return conditions[0] if len(conditions) == 1 else type(node)(conditions)


def _join(conditions: Sequence[Where], single: type[Eq | Ne], many: type[In | Nin]) -> tuple[Where, ...]:
    groups: dict[str, list[Where]] = {}
    for each in conditions:
        if isinstance(each, (single, many)):
            groups.setdefault(each.key, []).append(each)
    joined: list[Where] = []
    for each in conditions:
        group = groups.get(each.key, []) if isinstance(each, (single, many)) else []
        if len(group) < 2:
            joined.append(each)
        elif each is group[0]:
            joined.append(many(each.key, _distinct(group)))  # type: ignore[union-attr]  # a test of one key
    return tuple(joined)


def _distinct(tests: Sequence[Where]) -> tuple[Any, ...]:
    by_identity: dict[Any, Any] = {tagged(value): value for value in _operands(tests)}
    return tuple(by_identity.values())


def _operands(tests: Sequence[Where]) -> Iterator[Any]:
    for test in tests:
        if isinstance(test, (In, Nin)):
            yield from test.values
        elif isinstance(test, (Eq, Ne)):
            yield test.value
