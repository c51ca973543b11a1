"""Merge comparisons of one key under `AND` into one range, which one lookup of a sorted column answers."""

from __future__ import annotations

from dataclasses import replace

from chroma_search.dsl import And, Gt, Gte, Lt, Lte, Where
from chroma_search.dsl.node import Node
from chroma_search.model.values import value_class
from chroma_search.planner.logical import LogicalPlan, Range, transform

_COMPARISONS = (Gt, Gte, Lt, Lte)


def merge_ranges(plan: LogicalPlan) -> LogicalPlan:
    """Join `> >= < <=` on one key and one class of operand (numbers or strings).

    `year >= 2020 AND lang = 'en' AND year < 2024` becomes `range(year >= 2020 AND year < 2024) AND lang = 'en'`.
    """
    if plan.where is None:
        return plan
    where = transform(plan.where, _merged)
    return plan if where is plan.where else replace(plan, where=where)


def _merged(node: Node) -> Node:
    if not isinstance(node, And):
        return node
    groups: dict[tuple[str, int], list[Gt | Gte | Lt | Lte]] = {}
    for each in node.conditions:
        if isinstance(each, _COMPARISONS):
            groups.setdefault((each.key, value_class(each.value)), []).append(each)
    conditions: list[Where] = []
    for each in node.conditions:
        group = groups.get((each.key, value_class(each.value)), []) if isinstance(each, _COMPARISONS) else []
        if len(group) < 2:
            conditions.append(each)
        elif each is group[0]:
            conditions.append(Range(each.key, tuple(group)))  # type: ignore[union-attr]  # a comparison
    if len(conditions) == len(node.conditions):
        return node
    return conditions[0] if len(conditions) == 1 else And(conditions)
