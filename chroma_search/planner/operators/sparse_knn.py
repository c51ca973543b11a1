"""The sparse leaf: records by 1 - dot of sparse vectors; idf scales the query where the key asks for it (spec 3.8)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chroma_search.model.sparse_vector import SparseVector
from chroma_search.planner.operators.knn import Match
from chroma_search.planner.operators.ranked import Ranked, best, in_segment, joined
from chroma_search.planner.view import SegmentView


def nearest_sparse(
    query: SparseVector, key: str, k: int, matches: Sequence[Match], views: Sequence[SegmentView], *, with_idf: bool
) -> Ranked:
    """Return the k allowed records with the smallest 1 - dot among those that share a dimension with the query.

    Args:
        query: non-zero dimensions and weights.
        key: metadata key that holds the records' sparse vectors.
        k: records wanted.
        matches: allowed rows per segment.
        views: all segments: idf counts every live record, not only those that match.
        with_idf: scale the query by idf(t) = ln(1 + (N - n_t + 0.5) / (n_t + 0.5)).
    """
    weights = idf_weights(query, key, views) if with_idf else [float(value) for value in query.values]
    parts: list[Ranked] = []
    for number, match in enumerate(matches):
        segment = match.view.segment
        if not match.n_matching or not segment.has_values(key):
            continue
        found = segment.sparse(key).search(query.indices, weights, min(k, match.n_matching), match.mask)
        parts.append(in_segment(number, found.rows, segment.rows.offset_ids, found.distances))
    return best(joined(parts), k)


def idf_weights(query: SparseVector, key: str, views: Sequence[SegmentView]) -> list[float]:
    """Return the query's weights times the idf of each dimension over all live records."""
    n_live = sum(view.n_live for view in views)
    frequency = np.zeros(len(query.indices), np.int64)
    for view in views:
        if view.segment.has_values(key):
            frequency += view.segment.sparse(key).document_frequency(query.indices, view.live_mask)
    return [
        float(value) * math.log(1.0 + (n_live - n_holding + 0.5) / (n_holding + 0.5))
        for value, n_holding in zip(query.values, frequency.tolist(), strict=True)
    ]
