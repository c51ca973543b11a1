"""StringColumn: substring, prefix, suffix, equality and pattern tests over the strings of one segment, always exact.

A test looks at every string until that has cost as much as a trigram index would (the rent-or-buy rule); from then on
the index names the rows that may match and only those are looked at. The figures behind the rule are a model, no clock,
so a given sequence of tests always takes the same paths.
Not for: words and ranking (`inverted.py`), ranges of strings (`scalar/`).
Invariant: None never matches; an empty string is a string. Case-insensitive means equal after `str.casefold`.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InternalError, InvalidArgumentError
from chroma_search.indexes.base import StringTest
from chroma_search.indexes.scalar.compact_mask import mask_of_hits
from chroma_search.indexes.text.regex import compile_regex
from chroma_search.indexes.text.trigram import GRAM_BYTES, TrigramIndex
from chroma_search.model.mask import Mask

Rows = NDArray[np.int64]

PLAIN_NS_PER_TEXT, PLAIN_NS_PER_CHAR = 60.0, 0.1
REGEX_NS_PER_TEXT, REGEX_NS_PER_CHAR = 400.0, 2.0
BUILD_NS_PER_CHAR = 60.0
"""Model of what looking at a string and indexing it cost, in nanoseconds (100,000 English texts of 100 characters)."""
LOOKUP_NS = 200_000.0
"""Looking at strings that costs less than this is not worth asking the index."""
REGEX_BATCH_TEXTS = 32_768
REGEX_BATCH_CHARS = 16_000_000
"""Strings are copied to Arrow in batches, so that a pattern over a large column does not double its memory."""

_PLAIN_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "substring": operator.contains,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "equals": operator.eq,
}
OPERATIONS = (*_PLAIN_TESTS, "regex")


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a test looks at strings: the function over them, what any match contains, and what looking costs."""

    look: Callable[[Sequence[str]], NDArray[np.bool_]]
    literals: tuple[str, ...]
    ns_per_text: float
    ns_per_char: float


class StringColumn:
    """One string or None per row.

    Args:
        texts: the strings; the sequence is kept, not copied.
    """

    def __init__(self, texts: Sequence[str | None]) -> None:
        self.n_rows = len(texts)
        self._texts = texts
        present = np.fromiter((text is not None for text in texts), np.bool_, len(texts))
        self._present = None if present.all() else present
        self._mean_chars: float | None = None
        self._looked_ns = 0.0
        self._trigrams: TrigramIndex | None = None
        self._folded: StringColumn | None = None
        self._building = threading.Lock()

    @property
    def has_trigrams(self) -> bool:
        """True when the trigram index was made."""
        return self._trigrams is not None

    def build_trigrams(self) -> None:
        """Make the trigram index now, for instance before a segment is first searched."""
        with self._building:
            if self._trigrams is None:
                self._trigrams = TrigramIndex.build(self._texts)

    def test(self, test: StringTest, rows_mask: Mask | None = None) -> Mask:
        """Return the rows whose string passes the test, exactly.

        Args:
            test: operation and text; see `StringTest`.
            rows_mask: rows to look at, or None for all; no other row is in the answer.

        Raises:
            InvalidArgumentError: no pattern of the dialect ("Regex syntax error ..."), or `ignore_case` with a pattern.
        """
        if rows_mask is not None and rows_mask.is_all:
            rows_mask = None
        if test.ignore_case:
            if test.op == "regex":
                raise InvalidArgumentError("ignore_case does not go with a regex; begin the pattern with (?i)")
            return self._casefolded().test(StringTest(test.op, test.text.casefold()), rows_mask)
        plan = _plan_of(test)
        candidates = self._candidates(plan, self.n_rows if rows_mask is None else rows_mask.count())
        if candidates is not None:
            rows_mask = candidates if rows_mask is None else candidates & rows_mask
        rows = self._rows_to_look_at(rows_mask)
        texts: Any = self._texts if rows is None else [self._texts[row] for row in rows.tolist()]
        return mask_of_hits(self.n_rows, plan.look(texts), rows)

    def _rows_to_look_at(self, rows_mask: Mask | None) -> Rows | None:
        """Return the rows of the mask that have a string, ascending; None for every row of a column without None."""
        if rows_mask is None:
            return None if self._present is None else np.flatnonzero(self._present)
        rows = rows_mask.to_rows()
        return rows if self._present is None else rows[self._present[rows]]

    def _candidates(self, plan: _Plan, n_rows: int) -> Mask | None:
        """Ask the trigram index when there is one or it has become worth making."""
        cost_ns = n_rows * (plan.ns_per_text + plan.ns_per_char * self._mean_length())
        is_selective = any(len(each.encode("utf-8", "surrogatepass")) >= GRAM_BYTES for each in plan.literals)
        if cost_ns < LOOKUP_NS or not is_selective:
            return None
        if self._trigrams is None:
            self._looked_ns += cost_ns
            if self._looked_ns < BUILD_NS_PER_CHAR * self._mean_length() * self.n_rows:
                return None
            if self._building.locked():  # another thread is at it: looking is faster than waiting
                return None
            self.build_trigrams()
        assert self._trigrams is not None
        return self._trigrams.candidates(plan.literals)

    def _mean_length(self) -> float:
        if self._mean_chars is None:
            self._mean_chars = sum(len(text) for text in self._texts if text) / max(1, self.n_rows)
        return self._mean_chars

    def _casefolded(self) -> StringColumn:
        """Return the column of the casefolded strings, made on first use and kept."""
        if self._folded is None:
            self._folded = StringColumn([None if text is None else text.casefold() for text in self._texts])
        return self._folded


def _plan_of(test: StringTest) -> _Plan:
    if test.op == "regex":
        compiled = compile_regex(test.text)

        def look_for_pattern(texts: Sequence[str]) -> NDArray[np.bool_]:
            batches = (compiled.matches(texts[first:last]) for first, last in _batches(texts))
            return np.concatenate([np.empty(0, np.bool_), *batches])

        return _Plan(look_for_pattern, compiled.literals, REGEX_NS_PER_TEXT, REGEX_NS_PER_CHAR)
    if test.op not in _PLAIN_TESTS:
        raise InternalError(f"no string test {test.op!r}", invariant=f"a string test is one of {', '.join(OPERATIONS)}")
    passes = _PLAIN_TESTS[test.op]

    def look(texts: Sequence[str]) -> NDArray[np.bool_]:
        return np.fromiter(map(passes, texts, repeat(test.text)), np.bool_, len(texts))

    return _Plan(look, (test.text,), PLAIN_NS_PER_TEXT, PLAIN_NS_PER_CHAR)


def _batches(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return bounds of batches of at most so many strings and, on average, so many characters."""
    n_chars = sum(map(len, texts))
    size = min(REGEX_BATCH_TEXTS, max(1, len(texts) * REGEX_BATCH_CHARS // max(1, n_chars)))
    return [(first, min(first + size, len(texts))) for first in range(0, len(texts), size)]
