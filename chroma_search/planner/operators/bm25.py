"""The BM25 leaf: records by minus their BM25 score, with statistics of the whole collection (live records only)."""

from __future__ import annotations

from collections.abc import Sequence

from chroma_search.dsl import Bm25
from chroma_search.indexes.base import TextStatistics
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.indexes.text.bm25 import mean_okapi_idf, merged_frequencies, merged_statistics
from chroma_search.planner.operators.knn import Match
from chroma_search.planner.operators.ranked import Ranked, best, in_segment, joined
from chroma_search.planner.view import SegmentReader, SegmentView


def best_matches(leaf: Bm25, matches: Sequence[Match], views: Sequence[SegmentView], analyzer: Analyzer) -> Ranked:
    """Return the `leaf.limit` allowed records that match the query's words best; measure = -score."""
    terms = analyzer.tokens(leaf.query)
    parts: list[Ranked] = []
    if terms:
        statistics = collection_statistics(leaf.key, terms, views, analyzer)
        mean_idf = mean_idf_of_vocabulary(leaf.key, statistics.n_docs, views, analyzer) if leaf.idf == "okapi" else None
        for number, match in enumerate(matches):
            segment = match.view.segment
            if not match.n_matching or not _has_text(segment, leaf.key):
                continue
            found = segment.postings(leaf.key, analyzer).score(
                terms, statistics, leaf.k1, leaf.b, leaf.idf, leaf.limit, match.mask, mean_idf
            )
            parts.append(in_segment(number, found.rows, segment.rows.offset_ids, found.distances))
    return best(joined(parts), leaf.limit)


def collection_statistics(
    key: str, terms: Sequence[str], views: Sequence[SegmentView], analyzer: Analyzer
) -> TextStatistics:
    """Return the statistics of all segments together."""
    return merged_statistics(
        view.segment.postings(key, analyzer).statistics(terms, view.live_mask)
        for view in views
        if _has_text(view.segment, key)
    )


def mean_idf_of_vocabulary(key: str, n_docs: int, views: Sequence[SegmentView], analyzer: Analyzer) -> float:
    """Return the mean idf over every word of the live records, which the okapi idf needs."""
    frequencies = merged_frequencies(
        view.segment.postings(key, analyzer).vocabulary_frequencies(view.live_mask)
        for view in views
        if _has_text(view.segment, key)
    )
    return mean_okapi_idf(frequencies.values(), n_docs)


def _has_text(segment: SegmentReader, key: str) -> bool:
    return key == "#document" or segment.has_values(key)
