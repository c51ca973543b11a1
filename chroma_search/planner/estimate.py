"""Estimates: how many rows of a segment a filter matches, without making the mask.

`least` and `most` are certain (Frechet's bounds), `expected` assumes that tests are independent. Columns know their own
tests well (sorted values); a string test is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence

from chroma_search.dsl import And, Contains, Eq, In, Ne, Nin, Not, NotContains, NotRegex, Or, Where
from chroma_search.indexes.base import Estimate
from chroma_search.planner.operators.filter import STRING_TESTS, positive_twin, scalar_request
from chroma_search.planner.view import SegmentReader, SegmentView

STRING_TEST_SHARE = 0.1
"""Share of rows a substring or regex is guessed to match; the run measures it and plans again."""


def estimate_matches(where: Where | None, n_ids: int | None, view: SegmentView) -> Estimate:
    """Return how many live rows of a segment match the filter and a list of `n_ids` ids."""
    segment = view.segment
    found = Estimate.exactly(segment.n_rows) if where is None else _estimate(where, segment)
    if n_ids is not None:
        found = _both(found, Estimate(0, min(n_ids, segment.n_rows), min(n_ids, segment.n_rows)), segment.n_rows)
    n_dead = segment.n_rows - view.n_live
    alive = view.n_live / segment.n_rows if segment.n_rows else 0.0
    return Estimate(max(0, found.least - n_dead), round(found.expected * alive), min(found.most, view.n_live))


def _estimate(where: Where, segment: SegmentReader) -> Estimate:
    n = segment.n_rows
    match where:
        case And():
            found = Estimate.exactly(n)
            for each in where.conditions:
                found = _both(found, _estimate(each, segment), n)
            return found
        case Or():
            found = Estimate.exactly(n)
            for each in where.conditions:
                found = _both(found, _inverted(_estimate(each, segment), n), n)
            return _inverted(found, n)
        case Not():
            return _inverted(_estimate(where.condition, segment), n)
        case Ne() | Nin() | NotContains() | NotRegex():
            return _inverted(_estimate(positive_twin(where), segment), n)
        case _:
            return _of_test(where, segment)


def _of_test(where: Where, segment: SegmentReader) -> Estimate:
    n = segment.n_rows
    key: str = where.key  # type: ignore[attr-defined]  # every test has a key
    if isinstance(where, STRING_TESTS) or key == "#document":
        return Estimate(0, round(n * STRING_TEST_SHARE), n)
    if key == "#id":
        wanted: Sequence[object] = where.values if isinstance(where, In) else ()
        most = min(n, len(wanted) if wanted else 1) if isinstance(where, (Eq, In, Contains)) else n
        return Estimate(0, most, most)
    if not segment.has_values(key):
        return Estimate.exactly(0)
    return segment.column(key).estimate(scalar_request(where))


def _both(left: Estimate, right: Estimate, n: int) -> Estimate:
    least = max(0, left.least + right.least - n)
    most = min(left.most, right.most)
    expected = round(left.expected * right.expected / n) if n else 0
    return Estimate(least, min(max(expected, least), most), most)


def _inverted(found: Estimate, n: int) -> Estimate:
    return Estimate(n - found.most, n - found.expected, n - found.least)
