"""The group operator: keep the k best records of each group (spec 4).

Groups by a tuple of metadata values; a missing value is a group of its own, 1 and 1.0 fall together. In a group the
whole key tuple orders the records, ascending for MinK (missing first) and descending for MaxK (missing last), ties in
rank order. The kept records come back in rank order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chroma_search.dsl import GroupBy, MaxK
from chroma_search.model.values import group_key, sort_key
from chroma_search.planner.operators.ranked import Ranked


def keep_best_of_groups(ranked: Ranked, metadatas: Sequence[dict[str, Any] | None], group_by: GroupBy) -> Ranked:
    """Return the ranked records that their group keeps.

    Args:
        ranked: all records, in rank order.
        metadatas: one per record, same order.
        group_by: keys and aggregate, active.
    """
    aggregate = group_by.aggregate
    assert aggregate is not None
    scores = ranked.scores.tolist()
    groups: dict[tuple[Any, ...], list[int]] = {}
    for at, metadata in enumerate(metadatas):
        held = metadata or {}
        groups.setdefault(tuple(group_key(held.get(name)) for name in group_by.names), []).append(at)

    descending = isinstance(aggregate, MaxK)

    def order(at: int) -> tuple[Any, ...]:
        held = metadatas[at] or {}
        return tuple(
            score_key(scores[at], descending=descending) if name == "#score" else sort_key(held.get(name))
            for name in aggregate.names
        )

    kept: list[int] = []
    for members in groups.values():
        members.sort(key=order, reverse=descending)  # stable, also in reverse: ties stay in rank order
        kept.extend(members[: aggregate.k])
    places = np.array(sorted(kept), np.int64)
    return ranked.picked(places)


def score_key(score: float, *, descending: bool = False) -> tuple[bool, float]:
    """Return a key that orders scores, NaN last whichever way the keys are sorted."""
    is_nan = math.isnan(score)
    return (is_nan is not descending, 0.0 if is_nan else score)
