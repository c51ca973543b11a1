"""InvertedIndex: the words of one segment's texts as posting lists, and BM25 over them.

A posting list holds the rows of one term, ascending, with the term's count in each. Statistics are not stored but
counted over the rows that live, because BM25 weighs by the whole collection as it is now. Term at a time, no pruning:
every row that shares a term with the query is scored, so answers are exact whatever k is.
Not for: analysis (`analyzer.py`), what a term weighs (`bm25.py`), substrings (`string_column.py`).
Invariant: a row without a text (None) is no document; one with an empty text is a document of length 0.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.base import TextStatistics
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.indexes.text.bm25 import mean_length, term_weights
from chroma_search.kernels import bm25 as kernel
from chroma_search.model.candidates import Candidates
from chroma_search.model.mask import Mask

MANY_POSTINGS_PER_ROW = 16
"""From so many postings per allowed row on, the rows are looked up in the posting list, not the other way round."""
SAMPLE_STRIDE = 32
SEPARATOR = "\n"
"""Between stored terms, which hold none: they are letters, digits and marks."""


class _Vocabulary(dict[str, int]):
    """Number of each term, given in the order in which terms appear."""

    def __missing__(self, term: str) -> int:
        number = self[term] = len(self)
        return number


class InvertedIndex:
    """Posting lists of one segment; make it with `build`.

    Attributes:
        n_rows: rows of the segment.
        analyzer: how its texts were cut into terms; queries must be cut the same way.
    """

    __slots__ = ("_counts", "_has_text", "_lengths", "_norms", "_numbers", "_rows", "_starts", "analyzer", "n_rows")

    def __init__(
        self,
        analyzer: Analyzer,
        numbers: dict[str, int],
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        counts: NDArray[np.int32],
        lengths: NDArray[np.int64],
        has_text: NDArray[np.bool_],
    ) -> None:
        self.n_rows = len(lengths)
        self.analyzer = analyzer
        self._numbers = numbers
        self._starts = starts
        self._rows = rows
        self._counts = counts
        self._lengths = lengths
        self._has_text = has_text
        self._norms: tuple[tuple[float, float, float], NDArray[np.float64]] | None = None

    @classmethod
    def build(cls, texts: Sequence[str | None], analyzer: Analyzer) -> InvertedIndex:
        """Index one text per row, None where the row has none."""
        vocabulary = _Vocabulary()
        number_of = vocabulary.__getitem__
        numbers = array("i")
        lengths = np.zeros(len(texts), np.int64)
        for row, text in enumerate(texts):
            if text:
                terms = analyzer.tokens(text)
                numbers.extend(map(number_of, terms))
                lengths[row] = len(terms)
        starts, rows, counts = _posting_lists(np.frombuffer(numbers, np.int32), lengths, len(vocabulary))
        has_text = np.fromiter((text is not None for text in texts), np.bool_, len(texts))
        return cls(analyzer, dict(vocabulary), starts, rows, counts, lengths, has_text)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store; `from_arrays` opens them again."""
        return {
            "terms": np.frombuffer(SEPARATOR.join(self._numbers).encode(), np.uint8),
            "starts": self._starts,
            "rows": self._rows,
            "counts": self._counts.astype(np.uint8 if self._counts.max(initial=0) < 256 else np.int32),
            "lengths": self._lengths,
            "has_text": self._has_text,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], analyzer: Analyzer) -> InvertedIndex:
        """Open what `to_arrays` has given of an index under this analyzer."""
        terms = arrays["terms"].tobytes().decode()
        numbers = {term: at for at, term in enumerate(terms.split(SEPARATOR))} if terms else {}
        counts = arrays["counts"].astype(np.int32)
        return cls(analyzer, numbers, arrays["starts"], arrays["rows"], counts, arrays["lengths"], arrays["has_text"])

    @classmethod
    def merged(cls, parts: Sequence[tuple[InvertedIndex, NDArray[np.int64]]]) -> InvertedIndex:
        """Return the index of some rows of several segments, without cutting a text again.

        Args:
            parts: each an index, all under one analyzer, with the rows to take: int64, ascending.
        """
        vocabulary = _Vocabulary()
        numbers, rows, counts = [[np.empty(0, np.int32)] for _ in range(3)]
        first = 0
        for index, taken in parts:
            places = np.full(index.n_rows, -1, np.int32)
            places[taken] = np.arange(first, first + len(taken), dtype=np.int32)
            first += len(taken)
            own = np.fromiter(map(vocabulary.__getitem__, index._numbers), np.int32, index.n_terms)
            place = places[index._rows]
            is_taken = place >= 0
            numbers.append(np.repeat(own, np.diff(index._starts))[is_taken])
            rows.append(place[is_taken])
            counts.append(index._counts[is_taken])
        number, row, count = (np.concatenate(each) for each in (numbers, rows, counts))
        order = np.argsort(number, kind="stable")  # rows of a term stay ascending: parts follow each other
        sizes = np.bincount(number, minlength=len(vocabulary))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[sizes > 0], dtype=np.int64)])
        left = (term for term, size in zip(vocabulary, sizes.tolist(), strict=True) if size)  # no list is empty
        lengths = np.concatenate([np.empty(0, np.int64), *(index._lengths[taken] for index, taken in parts)])
        has_text = np.concatenate([np.empty(0, np.bool_), *(index._has_text[taken] for index, taken in parts)])
        terms = {term: at for at, term in enumerate(left)}
        return cls(parts[0][0].analyzer, terms, starts, row[order], count[order], lengths, has_text)

    @property
    def n_terms(self) -> int:
        """Distinct terms of all rows, dead ones included."""
        return len(self._numbers)

    @property
    def n_postings(self) -> int:
        """Pairs of term and row."""
        return len(self._rows)

    def statistics(self, terms: Sequence[str], live: Mask | None) -> TextStatistics:
        """Return what BM25 needs of this segment, exact over the live rows (None: all live)."""
        spans = [self._span(term) for term in terms]
        if live is None or live.is_all:
            n_docs, n_tokens = int(np.count_nonzero(self._has_text)), int(self._lengths.sum())
            return TextStatistics(n_docs, n_tokens, tuple(end - start for start, end in spans))
        bits = live.to_bits()
        frequency = tuple(int(np.count_nonzero(bits[self._rows[start:end]])) for start, end in spans)
        is_document = self._has_text & bits
        return TextStatistics(int(np.count_nonzero(is_document)), int(self._lengths[is_document].sum()), frequency)

    def vocabulary_frequencies(self, live: Mask | None) -> dict[str, int]:
        """Return the document frequency of every term that a live row holds (the okapi idf needs their mean)."""
        frequencies = np.diff(self._starts)
        if live is not None and not live.is_all and len(frequencies):
            alive = live.to_bits()[self._rows]
            frequencies = np.add.reduceat(alive, self._starts[:-1], dtype=np.int64)  # no list is empty
        return {term: n for term, n in zip(self._numbers, frequencies.tolist(), strict=True) if n}

    def score(
        self,
        terms: Sequence[str],
        statistics: TextStatistics,
        k1: float = 1.2,
        b: float = 0.75,
        idf: str = "lucene",
        k: int = 10,
        mask: Mask | None = None,
        mean_idf: float | None = None,
    ) -> Candidates:
        """Return the best rows for a query.

        Args:
            terms: the query's terms from `analyzer.tokens`; a term given twice counts twice.
            statistics: of the whole collection, for exactly these terms in this order.
            k1: saturation of repeated words, >= 0.
            b: weight of the length, 0..1.
            idf: `lucene` or `okapi`.
            k: candidates wanted, >= 1.
            mask: rows allowed, or None for all.
            mean_idf: for `okapi`, see `bm25.mean_okapi_idf`.

        Returns:
            rows that hold a term of the query, distance = -score: at least the k best, with all ties of the k-th.

        Raises:
            InvalidArgumentError: an unknown idf.
        """
        k1, b = float(k1), float(b)
        weights = term_weights(statistics, idf, mean_idf)
        average = mean_length(statistics)
        lists = [(*self._allowed(*self._span(term), mask), weight) for term, weight in zip(terms, weights, strict=True)]
        lists = [each for each in lists if len(each[0])]
        if not lists or average <= 0:
            return Candidates.empty()
        rows, scores = kernel.scores(lists, self._length_norms(k1, b, average), k1)
        visited = sum(len(each[0]) for each in lists)
        if len(rows) > k:
            best = np.flatnonzero(scores >= _kth_greatest(scores, k))
            rows, scores = rows[best], scores[best]
        return Candidates(rows, 0.0 - scores, exact=True, visited=visited)

    def _span(self, term: str) -> tuple[int, int]:
        number = self._numbers.get(term)
        return (0, 0) if number is None else (int(self._starts[number]), int(self._starts[number + 1]))

    def _allowed(self, start: int, end: int, mask: Mask | None) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return rows and counts of the posting list `start..end`, those within the mask."""
        rows, counts = self._rows[start:end], self._counts[start:end]
        if mask is None or mask.is_all or start == end:
            return rows, counts
        if mask.rows is not None and not mask.exclude and len(mask.rows) * MANY_POSTINGS_PER_ROW < len(rows):
            wanted = mask.rows.astype(np.int32)
            at = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
            at = at[rows[at] == wanted]
        else:
            at = np.flatnonzero(mask.to_bits()[rows])
        return rows[at], counts[at]

    def _length_norms(self, k1: float, b: float, average: float) -> NDArray[np.float64]:
        """Return k1 * (1 - b + b * len / average) per row, float64, shape (n_rows,); the last one is remembered."""
        asked = (k1, b, average)
        kept = self._norms
        if kept is None or kept[0] != asked:
            norms: NDArray[np.float64] = k1 * (1 - b + b * self._lengths.astype(np.float64) / average)
            kept = self._norms = asked, norms
        return kept[1]


def _kth_greatest(scores: NDArray[np.float64], k: int) -> np.float64:
    """Return the k-th greatest score; k is below their number."""
    if len(scores) > SAMPLE_STRIDE * k:
        # The k-th greatest of a part bounds that of the whole from below, and comparing is faster than partitioning.
        part = scores[::SAMPLE_STRIDE]
        scores = scores[scores >= np.partition(part, len(part) - k)[len(part) - k]]
    return np.partition(scores, len(scores) - k)[len(scores) - k]


def _posting_lists(
    numbers: NDArray[np.int32], lengths: NDArray[np.int64], n_terms: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Group tokens by term: bounds of each list int64 (n_terms + 1,), its rows ascending int32, their counts int32."""
    row_bits = max(1, (len(lengths) - 1).bit_length())
    tokens = numbers.astype(np.int64) << row_bits
    tokens |= np.repeat(np.arange(len(lengths)), lengths)
    tokens.sort()
    is_first = np.ones(len(tokens), np.bool_)
    np.not_equal(tokens[1:], tokens[:-1], out=is_first[1:])
    firsts = np.flatnonzero(is_first)
    counts = np.diff(firsts, append=len(tokens)).astype(np.int32)
    pairs = tokens[firsts]
    starts = np.zeros(n_terms + 1, np.int64)
    np.cumsum(np.bincount(pairs >> row_bits, minlength=n_terms), out=starts[1:])
    return starts, (pairs & ((1 << row_bits) - 1)).astype(np.int32), counts
