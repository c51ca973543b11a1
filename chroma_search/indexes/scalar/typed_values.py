"""TypedValues: bools, ints, floats and strings side by side, each in its own array, under the comparison table.

The scalars of a column are one TypedValues, the elements of its arrays another: a test of a column is a list of
*selections*, each an interval or a set of operands over one array, and the answer is their union. Ints are compared as
int64 and floats as float64, never with each other (`model/numeric_range.py`), so 1 == 1.0 and nothing above 2^53 is
rounded. Strings are codes into a sorted dictionary, so a range of strings is a range of codes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InvalidInputError
from chroma_search.indexes.base import Estimate, InStringRange
from chroma_search.indexes.scalar.ordered_values import OrderedValues
from chroma_search.model.mask import Mask
from chroma_search.model.numeric_range import NumericRange
from chroma_search.model.values import MAX_INT, MIN_INT, Scalar

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """The values from `lo` to `hi`, both included."""

    values: OrderedValues
    lo: float
    hi: float

    def mask(self) -> Mask:
        """Return the rows that match."""
        return self.values.between(self.lo, self.hi)

    def estimate(self) -> Estimate:
        """Return how many values match."""
        return self.values.count_between(self.lo, self.hi)


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The values that are one of `operands`: the values' dtype, ascending, unique."""

    values: OrderedValues
    operands: NDArray[Any]

    def mask(self) -> Mask:
        """Return the rows that match."""
        return self.values.among(self.operands)

    def estimate(self) -> Estimate:
        """Return how many values match."""
        return self.values.count_among(self.operands)


Selection = Interval | Members


class TypedValues:
    """Scalars by class.

    Args:
        bools, ints, floats, strings: the values of each class, in ascending order of row.
        bool_rows, int_rows, float_rows, string_rows: int64, the row of each; None when value i belongs to row i.
        n_rows: rows of the segment.

    Raises:
        InvalidInputError: an int outside int64.
    """

    __slots__ = ("bools", "dictionary", "floats", "ints", "strings")

    def __init__(
        self,
        n_rows: int,
        bools: tuple[Sequence[Any], Rows | None],
        ints: tuple[Sequence[Any], Rows | None],
        floats: tuple[Sequence[Any], Rows | None],
        strings: tuple[Sequence[Any], Rows | None],
    ) -> None:
        self.bools = OrderedValues(np.fromiter(bools[0], np.uint8, len(bools[0])), bools[1], n_rows)
        self.ints = OrderedValues(_int64s(ints[0]), ints[1], n_rows)
        self.floats = OrderedValues(np.fromiter(floats[0], np.float64, len(floats[0])), floats[1], n_rows)
        self.dictionary: list[str] = sorted(set(strings[0]))
        code_of = {each: code for code, each in enumerate(self.dictionary)}
        codes = np.fromiter(map(code_of.__getitem__, strings[0]), np.int32, len(strings[0]))
        self.strings = OrderedValues(codes, strings[1], n_rows)

    def equal_to(self, value: Scalar) -> list[Selection]:
        """Return the selections of the values that equal `value`."""
        if isinstance(value, bool):
            return [Interval(self.bools, value, value)]
        if isinstance(value, (int, float)):
            return [] if value != value else self.within(NumericRange.of("$eq", value))
        return self.within_strings(InStringRange(value, value)) if isinstance(value, str) else []

    def within(self, bounds: NumericRange) -> list[Selection]:
        """Return the selections of the numbers within `bounds`."""
        found: list[Selection] = []
        if bounds.int_lo <= bounds.int_hi:
            found.append(Interval(self.ints, bounds.int_lo, bounds.int_hi))
        if bounds.float_lo <= bounds.float_hi:
            found.append(Interval(self.floats, bounds.float_lo, bounds.float_hi))
        return found

    def within_strings(self, bounds: InStringRange) -> list[Selection]:
        """Return the selection of the strings within `bounds`."""
        first, last = 0, len(self.dictionary)
        if bounds.lo is not None:
            first = (bisect_left if bounds.includes_lo else bisect_right)(self.dictionary, bounds.lo)
        if bounds.hi is not None:
            last = (bisect_right if bounds.includes_hi else bisect_left)(self.dictionary, bounds.hi)
        return [Interval(self.strings, first, last - 1)] if first < last else []

    def one_of(self, values: Iterable[Scalar]) -> list[Selection]:
        """Return the selections of the values that equal one of `values`."""
        bools: set[int] = set()
        ints: set[int] = set()
        floats: set[float] = set()
        codes: set[int] = set()
        for value in values:
            if isinstance(value, bool):
                bools.add(int(value))
            elif isinstance(value, (int, float)):
                if value == value:  # no NaN; math.isnan fails on huge ints
                    _add_equal_numbers(value, ints, floats)
            elif isinstance(value, str):
                code = bisect_left(self.dictionary, value)
                if code < len(self.dictionary) and self.dictionary[code] == value:
                    codes.add(code)
        return [
            Members(each, np.array(sorted(operands), each.values.dtype))
            for each, operands in (
                (self.bools, bools),
                (self.ints, ints),
                (self.floats, floats),
                (self.strings, codes),
            )
            if operands
        ]


def _add_equal_numbers(value: int | float, ints: set[int], floats: set[float]) -> None:
    """Add the int64 and the float64 that equal `value` exactly, where there are such."""
    same = NumericRange.of("$eq", value)
    if same.int_lo <= same.int_hi:
        ints.add(same.int_lo)
    if same.float_lo <= same.float_hi:
        floats.add(same.float_lo + 0.0)  # -0.0 becomes 0.0


def _int64s(values: Sequence[Any]) -> NDArray[np.int64]:
    try:
        return np.fromiter(values, np.int64, len(values))
    except OverflowError:
        outside = next(each for each in values if not MIN_INT <= each <= MAX_INT)
        raise InvalidInputError(
            f"metadata ints lie between -2^63 and 2^63 - 1, got {outside}; store it as a float or a string"
        ) from None
