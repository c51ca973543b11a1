"""Leaves that read a metadata column: the number itself, and decay around an origin. Every allowed record is scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl import Decay
from chroma_search.planner.operators.knn import Match
from chroma_search.planner.operators.ranked import Ranked, best, in_segment, joined


def field_values(key: str, matches: Sequence[Match]) -> Ranked:
    """Return the allowed records with a number under the key, that number as their score."""
    parts: list[Ranked] = []
    for number, match in enumerate(matches):
        segment = match.view.segment
        if not match.n_matching or not segment.has_values(key):
            continue
        numbers, rows = segment.column(key).numbers()
        if match.mask is not None:
            allowed = match.mask.test(rows)
            numbers, rows = numbers[allowed], rows[allowed]
        parts.append(in_segment(number, rows, segment.rows.offset_ids, numbers))
    return best(joined(parts))


def decayed(leaf: Decay, values: Ranked) -> Ranked:
    """Return the same records with their decay factor (formula: `dsl.leaves.Decay`)."""
    return best(values.scored(decay_factor(leaf, values.scores)))


def decay_factor(leaf: Decay, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor of each number, 1 at the origin, float64."""
    with np.errstate(all="ignore"):
        reach = np.maximum(0.0, np.abs(numbers - leaf.origin) - leaf.offset) / leaf.scale
        if leaf.kind == "linear":
            return np.maximum(0.0, 1.0 - (1.0 - leaf.factor) * reach)
        return np.power(leaf.factor, reach * reach if leaf.kind == "gauss" else reach)
