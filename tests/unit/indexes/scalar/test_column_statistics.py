"""Statistics count what a plain loop over the values counts."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from chroma_search.indexes.scalar.column import ScalarColumn
from chroma_search.indexes.scalar.statistics import column_statistics
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.model.values import MAX_INT, ValueClass, value_class

BIG = 2**53
POOL: list[Any] = [None, True, False, 1, 1.0, 2.5, BIG, BIG + 1, float(BIG), float(2**63), -math.inf, MAX_INT, "b", "a"]
POOL += [[1], ["x"], [True], SparseVector([1], [1.0])]


@pytest.mark.parametrize("seed", range(10))
def test_statistics_equal_those_of_a_loop(seed: int) -> None:
    rng = random.Random(seed)
    values = rng.choices(POOL, k=rng.choice([0, 1, 5, 60]))
    statistics = column_statistics(ScalarColumn.build(values))
    kinds = [value_class(each) for each in values]
    assert statistics.n_rows == len(values)
    assert statistics.counts == {kind: kinds.count(kind) for kind in ValueClass if kind in kinds}
    numbers = [each for each, kind in zip(values, kinds, strict=True) if kind is ValueClass.NUMBER]
    strings = [each for each in values if isinstance(each, str)]
    flags = {each for each in values if isinstance(each, bool)}
    assert statistics.n_distinct == len(set(numbers)) + len(set(strings)) + len(flags)
    assert statistics.least_number == min(numbers, default=None)
    assert statistics.greatest_number == max(numbers, default=None)
    assert (statistics.least_string, statistics.greatest_string) == (
        min(strings, default=None),
        max(strings, default=None),
    )


def test_nan_is_one_distinct_value_and_no_bound() -> None:
    statistics = column_statistics(ScalarColumn.build([math.nan, math.nan, 2.0, None]))
    assert statistics.n_distinct == 2
    assert (statistics.least_number, statistics.greatest_number) == (2.0, 2.0)
    assert column_statistics(ScalarColumn.build([math.nan])).least_number is None
