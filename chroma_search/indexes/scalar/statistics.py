"""Statistics of one metadata column, for `describe`, for EXPLAIN and for whoever tunes a filter.

Not for plans: the planner asks the column itself (`ScalarColumn.estimate`). Dead rows are counted like live ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.scalar.column import ScalarColumn
from chroma_search.model.values import ValueClass, value_class

Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What a column holds.

    Attributes:
        n_rows: rows of the segment.
        counts: rows per value class, classes that do not occur left out; `NULL` are the rows without the key.
        n_distinct: distinct scalars (1 and 1.0 are one value, True and 1 are two, all NaN are one).
        least_number, greatest_number: over ints and floats without NaN, exact; None when there are none.
        least_string, greatest_string: by code point; None when there are none.
    """

    n_rows: int
    counts: Mapping[ValueClass, int]
    n_distinct: int
    least_number: int | float | None = None
    greatest_number: int | float | None = None
    least_string: str | None = None
    greatest_string: str | None = None


def column_statistics(column: ScalarColumn) -> ColumnStatistics:
    """Count a column: one sort of its numbers, about 30 ms for a million."""
    scalars = column.scalars
    counts = Counter(value_class(each) for each in column.objects())
    counts[ValueClass.BOOL] = len(scalars.bools)
    counts[ValueClass.NUMBER] = len(scalars.ints) + len(scalars.floats)
    counts[ValueClass.STR] = len(scalars.strings)
    counts[ValueClass.NULL] = column.n_rows - counts.total()
    ints, floats = _distinct(scalars.ints.values), _distinct(scalars.floats.values)
    numbers = [each.item() for kind in (ints, floats[~np.isnan(floats)]) if len(kind) for each in (kind[0], kind[-1])]
    words = scalars.dictionary
    return ColumnStatistics(
        n_rows=column.n_rows,
        counts={each: counts[each] for each in ValueClass if counts[each]},
        n_distinct=len(set(scalars.bools.values.tolist())) + _n_distinct_numbers(ints, floats) + len(words),
        least_number=min(numbers, default=None),  # Python compares int with float exactly
        greatest_number=max(numbers, default=None),
        least_string=words[0] if words else None,
        greatest_string=words[-1] if words else None,
    )


def _distinct(values: NDArray[Number]) -> NDArray[Number]:
    """Return the distinct values, ascending, one NaN at most (np.unique hashes first, which is 20 times slower)."""
    ascending = np.sort(values)
    is_new = np.ones(len(ascending), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=is_new[1:])
    is_new[1:] &= ascending[:-1] == ascending[:-1]  # NaN sorts last and differs from itself
    return ascending[is_new]


def _n_distinct_numbers(ints: NDArray[np.int64], floats: NDArray[np.float64]) -> int:
    """Count values of both arrays (each unique), those that are equal once."""
    bound = math.ldexp(1.0, 63)  # floats from here on have no int64
    whole = floats[(floats >= -bound) & (floats < bound)]
    whole = whole[np.trunc(whole) == whole]
    return len(ints) + len(floats) - len(np.intersect1d(ints, whole.astype(np.int64), assume_unique=True))
