"""From scored records to the answer: order, groups, columns (3.6, 4, 6, 7)."""

from __future__ import annotations

from typing import Any

from chroma_search.dsl import GroupBy, MaxK, OrderBy, Select
from chroma_search.model.values import group_key, sort_key
from tests.oracle.record import Record, score_order

Scores = dict[int, float]


def by_score(records: list[Record], scores: Scores) -> list[Record]:
    """Sort by score, ties by insertion (3.6)."""
    return sorted(records, key=lambda record: (score_order(scores[record.offset]), record.offset))


def field_order(record: Record, name: str, scores: Scores, descending: bool) -> Any:
    """Return the sort key of a field or of the score; a NaN score stays last when sorting in reverse."""
    if name != "#score":
        return sort_key(record.value(name))  # a missing value is the smallest (4.3)
    is_nan, score = score_order(scores[record.offset])
    return (is_nan is not descending, score)


def best_of_groups(ranked: list[Record], scores: Scores, group_by: GroupBy) -> list[Record]:
    """Return the k first of each group, ties as ranked, all in the order of score again (4); missing is a group."""
    groups: dict[Any, list[Record]] = {}
    for record in ranked:
        held = record.metadata or {}
        groups.setdefault(tuple(group_key(held.get(name)) for name in group_by.names), []).append(record)
    aggregate, descending = group_by.aggregate, isinstance(group_by.aggregate, MaxK)
    assert aggregate is not None
    kept: list[Record] = []
    for group in groups.values():
        keys = {each.id: [field_order(each, name, scores, descending) for name in aggregate.names] for each in group}
        kept += sorted(group, key=lambda record: keys[record.id], reverse=descending)[: aggregate.k]
    return by_score(kept, scores)


def in_order(ranked: list[Record], scores: Scores, order_by: OrderBy) -> list[Record]:
    """Sort by fields; missing values and NaN scores come last in both directions, ties as ranked (ours)."""
    for key in reversed(order_by.keys):  # sorts are stable: the most important key sorts last
        orders = {each.id: field_order(each, key.key, scores, key.descending) for each in ranked}
        missing = [each for each in ranked if key.key != "#score" and each.value(key.key) is None]
        present = [each for each in ranked if each not in missing]
        ranked = sorted(present, key=lambda record: orders[record.id], reverse=key.descending) + missing
    return ranked


def columns(page: list[Record], scores: Scores, select: Select) -> dict[str, Any]:
    """Return the selected columns of one search, None for the others (6, 7.2)."""
    names = select.echo()
    fields = [name for name in names if name not in ("#document", "#embedding", "#metadata", "#score")]
    metadatas = [dict(each.metadata or {}) for each in page]
    if "#metadata" not in names:
        metadatas = [{name: value for name, value in each.items() if name in fields} for each in metadatas]
    return {
        "ids": [each.id for each in page],
        "documents": [each.document for each in page] if "#document" in names else None,
        "embeddings": [each.embedding for each in page] if "#embedding" in names else None,
        "metadatas": [each or None for each in metadatas] if "#metadata" in names or fields else None,
        "scores": [scores[each.offset] for each in page] if "#score" in names else None,
        "select": names,
    }
