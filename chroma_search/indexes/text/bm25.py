"""BM25: what a term weighs in a collection, and how the statistics of segments add up to the collection's.

score(d) = sum over the query's terms, repeats included and in their order, of
    idf * (tf * (k1 + 1) / (tf + k1 * (1 - b + b * len / avg_len)))
evaluated in float64 in exactly that order of operations, which is also that of the rank_bm25 package; so a score does
not depend on the split into segments. N, df and lengths are those of the collection's live records that have a text.
Sources: Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3; the `lucene`
idf as in Lucene's BM25Similarity; the `okapi` idf as in rank_bm25.BM25Okapi (epsilon 0.25).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from chroma_search.errors import InternalError, InvalidArgumentError
from chroma_search.indexes.base import TextStatistics

IDF_KINDS = ("lucene", "okapi")
OKAPI_EPSILON = 0.25
"""A term in more than half of the documents weighs this share of the mean idf instead of its own, negative one."""


def merged_statistics(parts: Iterable[TextStatistics]) -> TextStatistics:
    """Return the statistics of all segments together; each part was asked for the same terms in the same order."""
    n_docs = n_tokens = 0
    frequency: list[int] = []
    for part in parts:
        n_docs += part.n_docs
        n_tokens += part.n_tokens
        frequency = [sum(each) for each in zip_longest(frequency, part.document_frequency, fillvalue=0)]
    return TextStatistics(n_docs, n_tokens, tuple(frequency))


def merged_frequencies(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the document frequency of every term of the collection from those of its segments."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def mean_okapi_idf(frequencies: Iterable[int], n_docs: int) -> float:
    """Return the mean raw okapi idf over a vocabulary, 0.0 when it is empty.

    Args:
        frequencies: document frequency of each distinct term, from 1 to `n_docs`, in any order.
        n_docs: live documents of the collection.
    """
    histogram = sorted(Counter(frequencies).items())
    n_terms = sum(n for _, n in histogram)
    # fsum rounds once, so the mean does not depend on the order of the vocabulary
    return math.fsum(_raw_okapi(n_docs, df) * n for df, n in histogram) / n_terms if n_terms else 0.0


def term_weights(statistics: TextStatistics, idf: str, mean_idf: float | None = None) -> list[float]:
    """Return the idf of each query term, in the order of `statistics.document_frequency`.

    Args:
        statistics: of the whole collection.
        idf: `lucene` or `okapi`.
        mean_idf: for `okapi`: `mean_okapi_idf` over the vocabulary of the whole collection.

    Raises:
        InvalidArgumentError: another idf.
        InternalError: `okapi` without the mean.
    """
    n = statistics.n_docs
    if idf == "lucene":
        return [math.log(1.0 + (n - df + 0.5) / (df + 0.5)) for df in statistics.document_frequency]
    if idf == "okapi":
        if mean_idf is None:
            raise InternalError("okapi idf asked for without the mean idf", invariant="mean_idf comes with idf='okapi'")
        return [_okapi(n, df, mean_idf) for df in statistics.document_frequency]
    raise InvalidArgumentError(f"BM25 idf must be one of {', '.join(IDF_KINDS)}, got {idf!r}")


def mean_length(statistics: TextStatistics) -> float:
    """Return the mean number of tokens of a document, 0.0 without documents."""
    return statistics.n_tokens / statistics.n_docs if statistics.n_docs else 0.0


def query_statistics(
    terms: Sequence[str], frequencies: Mapping[str, int], n_docs: int, n_tokens: int
) -> TextStatistics:
    """Return the statistics of a query from those of the whole vocabulary."""
    return TextStatistics(n_docs, n_tokens, tuple(frequencies.get(term, 0) for term in terms))


def _okapi(n_docs: int, df: int, mean_idf: float) -> float:
    if not df:
        return 0.0  # a term that no document holds
    raw = _raw_okapi(n_docs, df)
    return raw if raw >= 0 else OKAPI_EPSILON * mean_idf


def _raw_okapi(n_docs: int, df: int) -> float:
    return math.log(n_docs - df + 0.5) - math.log(df + 0.5)
