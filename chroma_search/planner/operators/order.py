"""The order operator: results by fields instead of by score (ours); missing values last, ties in rank order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chroma_search.dsl import OrderBy
from chroma_search.model.values import sort_key
from chroma_search.planner.operators.ranked import Ranked


def order_by_fields(
    ranked: Ranked, ids: Sequence[str], metadatas: Sequence[dict[str, Any] | None], order_by: OrderBy
) -> Ranked:
    """Return the records ordered by the sort keys, the first key the most important."""
    places = list(range(len(ranked)))
    scores = ranked.scores.tolist()
    for key in reversed(order_by.keys):
        values = [_value(key.key, at, ids, metadatas, scores) for at in range(len(scores))]
        present = [at for at in places if values[at] is not None]
        missing = [at for at in places if values[at] is None]
        present.sort(key=lambda at, values=values: values[at], reverse=key.descending)
        places = present + missing
    order = np.array(places, np.int64)
    return ranked.picked(order)


def _value(
    name: str, at: int, ids: Sequence[str], metadatas: Sequence[dict[str, Any] | None], scores: Sequence[float]
) -> Any:
    if name == "#id":
        return ids[at]
    if name == "#score":
        return None if math.isnan(scores[at]) else scores[at]
    value = (metadatas[at] or {}).get(name)
    return None if value is None else sort_key(value)
