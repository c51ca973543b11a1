"""The filter operator: which rows of one segment match.

Scalar tests ask the key's column, string tests its string column (trigrams, RE2), ids the id table. Tests under `AND`
run cheapest first, and what they left bounds what the dear ones look at. Masks are exact and, for immutable segments,
cached per predicate. Invariant: the answer over rows outside `within` is unspecified; `AND` masks it away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import assert_never

from chroma_search.dsl import (
    And,
    Contains,
    Eq,
    Exists,
    Gt,
    Gte,
    In,
    Lt,
    Lte,
    Ne,
    Nin,
    Not,
    NotContains,
    NotRegex,
    Or,
    Regex,
    Where,
)
from chroma_search.dsl.where import Comparison, StringMatch
from chroma_search.errors import InternalError
from chroma_search.indexes.base import (
    Equals,
    HasElement,
    InNumericRange,
    InStringRange,
    IsPresent,
    OneOf,
    ScalarRequest,
    StringTest,
)
from chroma_search.model.cancellation import checkpoint
from chroma_search.model.mask import Mask
from chroma_search.model.numeric_range import NumericRange
from chroma_search.planner.logical import Range
from chroma_search.planner.view import SegmentReader, SegmentView

MAX_CACHED_OPERANDS = 1_000
"""A list test with more operands is not cached: hashing it would cost as much as answering it."""

STRING_TESTS = (Regex, NotRegex, StringMatch)


def matching_rows(where: Where | None, ids: Sequence[str] | None, view: SegmentView) -> Mask | None:
    """Return the live rows that match, or None when that is every row of the segment."""
    segment = view.segment
    mask = view.live_mask
    if ids is not None:
        chosen = Mask.of_rows(segment.n_rows, segment.rows_of_ids(ids))
        mask = chosen if mask is None else mask & chosen
    if where is not None:
        matched = filter_mask(where, segment)
        mask = matched if mask is None else mask & matched
    return mask


def filter_mask(where: Where, segment: SegmentReader) -> Mask:
    """Return the exact mask of all rows, dead ones included, that match."""
    if is_cacheable(where):
        return segment.cached_mask(where, lambda: evaluate(where, segment, None))
    return evaluate(where, segment, None)


def is_cacheable(where: Where) -> bool:
    """Tell whether hashing the filter is cheap beside answering it."""
    if isinstance(where, (In, Nin)):
        return len(where.values) <= MAX_CACHED_OPERANDS
    return all(is_cacheable(each) for each in where.children() if isinstance(each, Where))


def evaluate(where: Where, segment: SegmentReader, within: Mask | None) -> Mask:
    """Return which rows match; rows outside `within` may be answered either way."""
    checkpoint()
    match where:
        case And():
            return _all(where.conditions, segment, within)
        case Or():
            matched = Mask.none(segment.n_rows)
            for each in where.conditions:
                matched = matched | evaluate(each, segment, within)
            return matched
        case Not():
            return evaluate(where.condition, segment, within).invert()
        case Ne() | Nin() | NotContains() | NotRegex():
            return evaluate(positive_twin(where), segment, within).invert()
        case Exists():
            present = _present(where.key, segment)
            return present if where.value else present.invert()
        case Regex():
            return _test_strings(where.key, StringTest("regex", where.pattern), segment, within)
        case StringMatch():
            return _test_strings(where.key, StringTest(where.test, where.text, where.ignore_case), segment, within)
        case Contains() if where.key == "#document":
            return _test_strings(where.key, StringTest("substring", where.value), segment, within)
        case Eq() | In() | Contains() if where.key == "#id":
            wanted = where.values if isinstance(where, In) else (where.value,)
            return Mask.of_rows(segment.n_rows, segment.rows_of_ids(str(each) for each in wanted))
        case Eq() | Gt() | Gte() | Lt() | Lte() | In() | Contains() | Range():
            return _test_column(where, segment)
        case _:
            raise InternalError(f"no operator answers {type(where).__name__}", invariant="every filter node runs")


def _all(conditions: Sequence[Where], segment: SegmentReader, within: Mask | None) -> Mask:
    left = within
    for each in sorted(conditions, key=cost_class):
        matched = evaluate(each, segment, left)
        left = matched if left is None else left & matched
        if left.is_none:
            break
    assert left is not None
    return left


def cost_class(where: Where) -> int:
    """Return 0 for tests of columns and ids, 1 for tests of strings, and the dearest part of a compound."""
    if isinstance(where, STRING_TESTS) or (isinstance(where, Comparison) and where.key == "#document"):
        return 1
    return max((cost_class(each) for each in where.children() if isinstance(each, Where)), default=0)


def positive_twin(where: Ne | Nin | NotContains | NotRegex) -> Where:
    """Return the test whose complement this is."""
    match where:
        case Ne():
            return Eq(where.key, where.value)
        case Nin():
            return In(where.key, where.values)
        case NotContains():
            return Contains(where.key, where.value)
        case NotRegex():
            return Regex(where.key, where.pattern)
        case _:
            assert_never(where)


def scalar_request(where: Where) -> ScalarRequest:
    """Return what a test asks of a metadata column."""
    match where:
        case Eq():
            return Equals(where.value)
        case In():
            return OneOf(tuple(where.values))
        case Contains():
            return HasElement(where.value)
        case Exists():
            return IsPresent()
        case Gt() | Gte() | Lt() | Lte():
            return range_request((where,))
        case Range():
            return range_request(where.tests)
        case _:
            raise InternalError(f"{type(where).__name__} asks no column", invariant="scalar tests only")


def range_request(tests: Sequence[Comparison]) -> ScalarRequest:
    """Return the one range that all comparisons (of one class of operand) leave."""
    if isinstance(tests[0].value, str):
        request = InStringRange()
        for test in tests:
            request = _narrowed(request, test)
        return request
    bounds = NumericRange()
    for test in tests:
        bounds = bounds & NumericRange.of(test.op, test.value)
    return InNumericRange(bounds)


def _narrowed(request: InStringRange, test: Comparison) -> InStringRange:
    text, inclusive = str(test.value), test.op in ("$gte", "$lte")
    lo, hi = request.lo, request.hi
    if test.op in ("$gt", "$gte"):
        if lo is None or text > lo:
            return InStringRange(text, hi, inclusive, request.includes_hi)
        return InStringRange(lo, hi, request.includes_lo and (inclusive or text < lo), request.includes_hi)
    if hi is None or text < hi:
        return InStringRange(lo, text, request.includes_lo, inclusive)
    return InStringRange(lo, hi, request.includes_lo, request.includes_hi and (inclusive or text > hi))


def _test_column(where: Where, segment: SegmentReader) -> Mask:
    key: str = where.key  # type: ignore[attr-defined]  # every scalar test has a key
    if key != "#id" and not segment.has_values(key):
        return Mask.none(segment.n_rows)
    return segment.column(key).lookup(scalar_request(where))


def _present(key: str, segment: SegmentReader) -> Mask:
    if key == "#id":
        return Mask.all(segment.n_rows)
    if key == "#document":
        return Mask.of_bits(np.array([each is not None for each in segment.rows.documents], np.bool_))
    if not segment.has_values(key):
        return Mask.none(segment.n_rows)
    return segment.column(key).lookup(IsPresent())


def _test_strings(key: str, test: StringTest, segment: SegmentReader, within: Mask | None) -> Mask:
    if key not in ("#id", "#document") and not segment.has_values(key):
        return Mask.none(segment.n_rows)
    return segment.strings(key).test(test, within)
