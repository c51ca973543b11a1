"""The BM25 leaf: records by minus their BM25 score, with statistics of the whole collection (live records only)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chroma_search.dsl import Bm25
from chroma_search.indexes.base import TextStatistics
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.planner.operators.knn import Match
from chroma_search.planner.operators.ranked import Ranked, best
from chroma_search.planner.view import SegmentView


def best_matches(leaf: Bm25, matches: Sequence[Match], views: Sequence[SegmentView], analyzer: Analyzer) -> Ranked:
    """Return the `leaf.limit` allowed records that match the query's words best; measure = -score."""
    terms = analyzer.tokens(leaf.query)
    offsets = [np.empty(0, np.int64)]
    measures = [np.empty(0, np.float64)]
    if terms:
        statistics = collection_statistics(leaf.key, terms, views, analyzer)
        for match in matches:
            segment = match.view.segment
            if not match.n_matching or not _has_text(segment, leaf.key):
                continue
            found = segment.postings(leaf.key, analyzer).score(
                terms, statistics, k1=leaf.k1, b=leaf.b, idf=leaf.idf, k=leaf.limit, mask=match.mask
            )
            offsets.append(segment.rows.offset_ids[found.rows])
            measures.append(found.distances)
    return best(np.concatenate(offsets), np.concatenate(measures), leaf.limit)


def collection_statistics(
    key: str, terms: Sequence[str], views: Sequence[SegmentView], analyzer: Analyzer
) -> TextStatistics:
    """Return the statistics of all segments together."""
    n_docs = n_tokens = 0
    frequency = [0] * len(terms)
    for view in views:
        if not _has_text(view.segment, key):
            continue
        part = view.segment.postings(key, analyzer).statistics(terms, view.live_mask)
        n_docs += part.n_docs
        n_tokens += part.n_tokens
        frequency = [total + each for total, each in zip(frequency, part.document_frequency, strict=True)]
    return TextStatistics(n_docs, n_tokens, tuple(frequency))


def _has_text(segment: object, key: str) -> bool:
    return key == "#document" or segment.has_values(key)  # type: ignore[attr-defined]  # a SegmentReader
