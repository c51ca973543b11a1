"""NumericRange: an interval over int64 and float64 together, exact at every bound.

numpy compares int64 with float64 by rounding the int, which is wrong above 2^53, and upstream truncates float operands.
So a comparison with a number is turned once into two closed intervals, one for stored ints and one for stored floats,
and each array is compared in its own type. Invariant: `v in range` equals Python's exact comparison for every int64 and
every finite float64 v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chroma_search.model.values import MAX_INT, MIN_INT

INF = math.inf


@dataclass(frozen=True, slots=True)
class NumericRange:
    """Closed intervals; empty when lo > hi.

    Attributes:
        int_lo, int_hi: bounds for stored ints, within int64 (or an empty interval).
        float_lo, float_hi: bounds for stored floats.
    """

    int_lo: int = MIN_INT
    int_hi: int = MAX_INT
    float_lo: float = -INF
    float_hi: float = INF

    @staticmethod
    def of(op: str, value: int | float) -> NumericRange:
        """Return the values v with `v op value`; op is one of `$eq $gt $gte $lt $lte`, value no NaN."""
        match op:
            case "$eq":
                return NumericRange.of("$gte", value) & NumericRange.of("$lte", value)
            case "$gte":
                return NumericRange(int_lo=_ceil(value), float_lo=_float_at_or_above(value))
            case "$gt":
                return NumericRange(int_lo=_floor(value) + 1, float_lo=_float_above(value))
            case "$lte":
                return NumericRange(int_hi=_floor(value), float_hi=-_float_at_or_above(-value))
            case "$lt":
                return NumericRange(int_hi=_ceil(value) - 1, float_hi=-_float_above(-value))
            case _:
                raise AssertionError(op)

    def __and__(self, other: NumericRange) -> NumericRange:
        return NumericRange(
            max(self.int_lo, other.int_lo),
            min(self.int_hi, other.int_hi),
            max(self.float_lo, other.float_lo),
            min(self.float_hi, other.float_hi),
        )

    @property
    def is_empty(self) -> bool:
        """True when no int and no float can lie in the range."""
        return self.int_lo > self.int_hi and self.float_lo > self.float_hi

    def __contains__(self, value: int | float) -> bool:
        if isinstance(value, int):
            return self.int_lo <= value <= self.int_hi
        return self.float_lo <= value <= self.float_hi


def _floor(value: int | float) -> int:
    if isinstance(value, float) and math.isinf(value):
        return MAX_INT if value > 0 else MIN_INT - 1
    return min(max(math.floor(value), MIN_INT - 1), MAX_INT)


def _ceil(value: int | float) -> int:
    return -_floor_negated(value)


def _floor_negated(value: int | float) -> int:
    if isinstance(value, float) and math.isinf(value):
        return -(MAX_INT + 1) if value > 0 else -MIN_INT
    return min(max(math.floor(-value), -(MAX_INT + 1)), -MIN_INT)


def _float_at_or_above(value: int | float) -> float:
    """Return the smallest float that is not below `value` (exact also for ints that no float can hold)."""
    nearest = _to_float(value)
    return nearest if nearest >= value else math.nextafter(nearest, INF)


def _float_above(value: int | float) -> float:
    nearest = _to_float(value)
    return nearest if nearest > value else math.nextafter(nearest, INF)


def _to_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return INF if value > 0 else -INF
