"""A column must answer every request as the comparison table does, whatever way it looks the answer up."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from chroma_search.errors import InvalidInputError
from chroma_search.indexes.base import (
    Equals,
    HasElement,
    InNumericRange,
    InStringRange,
    IsPresent,
    OneOf,
    ScalarIndex,
    ScalarRequest,
)
from chroma_search.indexes.scalar.column import ScalarColumn
from chroma_search.model.numeric_range import NumericRange
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.model.values import MAX_INT, MIN_INT, compares, equals, holds

BIG = 2**53
SPARSE = SparseVector([1, 4], [0.5, 2.0])
POOL: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, BIG, BIG + 1, -BIG - 1, MAX_INT, MIN_INT, MAX_INT - 1),
    *(0.0, -0.0, 1.0, 1.5, -0.5, float(BIG), 0.1, math.inf, -math.inf, math.nan, 1e308, 5e-324, float(2**63)),
    *("", "a", "A", "ab", "b", "1", "true", "é", "\U0001f600", "\ud800", "a\0b", "\uffff"),
    *([1, 2], [1.0, 1.5], [True], [False, True], ["a", "b", "a"], [""], [2, 2, 2], [MAX_INT], [math.nan], SPARSE),
]
OPERANDS = [each for each in POOL if isinstance(each, (bool, int, float, str))] + [2**63, -(2**70), 10**400, 0.3]
COMPARISONS = ("$gt", "$gte", "$lt", "$lte")


def requests_and_answers(values: list[Any], operands: list[Any]) -> list[tuple[ScalarRequest, list[int]]]:
    """Return requests with the rows that the comparison table gives."""

    def rows(test: Any) -> list[int]:
        return [row for row, stored in enumerate(values) if test(stored)]

    pairs: list[tuple[ScalarRequest, list[int]]] = [(IsPresent(), rows(lambda stored: stored is not None))]
    for x in operands:
        pairs.append((Equals(x), rows(lambda stored, x=x: equals(stored, x))))
        pairs.append((HasElement(x), rows(lambda stored, x=x: holds(stored, x))))
        is_number = isinstance(x, (int, float)) and not isinstance(x, bool)
        if is_number and x == x and abs(x) != math.inf:  # the layers above refuse others as operands of a range
            for op in COMPARISONS:
                answer = rows(lambda stored, op=op, x=x: compares(op, stored, x))
                pairs.append((InNumericRange(NumericRange.of(op, x)), answer))
        if isinstance(x, str):
            for op in COMPARISONS:
                answer = rows(lambda stored, op=op, x=x: compares(op, stored, x))
                pairs.append((string_range(op, x), answer))
    for n in (0, 1, 2, 5, 9):
        some = tuple(operands[:: max(1, len(operands) // n)]) if n else ()
        pairs.append((OneOf(some), rows(lambda stored, some=some: any(equals(stored, x) for x in some))))
    return pairs


def string_range(op: str, x: str) -> InStringRange:
    inclusive = op.endswith("e")
    return InStringRange(lo=x, includes_lo=inclusive) if "g" in op else InStringRange(hi=x, includes_hi=inclusive)


def check(column: ScalarColumn, values: list[Any], operands: list[Any]) -> None:
    for request, answer in requests_and_answers(values, operands):
        mask = column.lookup(request)
        assert mask.exact
        assert mask.n == len(values)
        assert mask.to_rows().tolist() == answer, request
        estimate = column.estimate(request)
        assert 0 <= estimate.least <= len(answer) <= estimate.most <= len(values), request
        assert estimate.least <= estimate.expected <= estimate.most, request


def test_every_pair_of_stored_value_and_operand_follows_the_comparison_table() -> None:
    check(ScalarColumn.build(POOL), POOL, OPERANDS)


@pytest.mark.parametrize("seed", range(12))
def test_random_columns_follow_the_comparison_table(seed: int) -> None:
    rng = random.Random(seed)
    pool = rng.sample(POOL, rng.randint(1, 12))
    values = rng.choices(pool, k=rng.choice([1, 2, 17, 300]))
    check(ScalarColumn.build(values), values, rng.sample(OPERANDS, 12))


@pytest.mark.parametrize("values", [[], [None], [None] * 40, [1], [[]], [[], None, [1]]])
def test_columns_without_values_answer_nothing(values: list[Any]) -> None:
    check(ScalarColumn.build(values), values, OPERANDS)


def wide_ints(rng: np.random.Generator, n: int) -> list[Any]:
    return rng.integers(MIN_INT, MAX_INT, n).tolist()


def years(rng: np.random.Generator, n: int) -> list[Any]:
    return rng.integers(1990, 2030, n).tolist()


def floats_with_nan(rng: np.random.Generator, n: int) -> list[Any]:
    return [math.nan if each < -2 else each for each in rng.normal(size=n).tolist()]


def words(rng: np.random.Generator, n: int) -> list[Any]:
    return [f"w{each}" for each in rng.integers(0, n, n)]


def years_sometimes_missing(rng: np.random.Generator, n: int) -> list[Any]:
    return [None if each < 1995 else each for each in years(rng, n)]


def bools(rng: np.random.Generator, n: int) -> list[Any]:
    return (rng.random(n) < 0.01).tolist()


def arrays(rng: np.random.Generator, n: int) -> list[Any]:
    return rng.integers(0, 100, (n, 2)).tolist()


@pytest.mark.parametrize(
    "make", [wide_ints, years, floats_with_nan, words, years_sometimes_missing, bools, arrays], ids=lambda f: f.__name__
)
def test_scan_and_sorted_lookup_of_a_large_column_agree(make: Any) -> None:
    """Above the size that is sorted at once: first answers come from scans, the last ones from the order."""
    values = make(np.random.default_rng(7), 17_000)
    flat = [each for value in values for each in (value if isinstance(value, list) else [value]) if each is not None]
    operands = [each for each in flat[:2] if each == each]
    column = ScalarColumn.build(values)
    pairs = requests_and_answers(values, operands)
    for _ in range(60):
        for request, answer in pairs[1:4] + pairs[-2:]:
            assert column.lookup(request).count() == len(answer), request
    for request, answer in pairs:
        assert column.lookup(request).to_rows().tolist() == answer, request
    sides = (column.scalars, column._elements)
    parts = [part for each in sides for part in (each.bools, each.ints, each.floats, each.strings) if len(part)]
    assert [part._order is not None for part in parts] == [True], "the test should have reached the sorted path"


def test_scanning_comes_first_and_the_order_is_made_once_scans_cost_more() -> None:
    column = ScalarColumn.build(np.random.default_rng(0).integers(0, 2**40, 50_000).tolist())
    column.lookup(Equals(5))
    assert column.scalars.ints._order is None
    assert column.estimate(Equals(5)).most == 50_000
    for _ in range(100):
        column.lookup(Equals(5))
    assert column.scalars.ints._order is not None
    assert column.estimate(Equals(5)).most == 0


def test_a_membership_of_thousands_equals_the_same_test_one_by_one() -> None:
    rng = np.random.default_rng(3)
    values = [*rng.integers(0, 10**12, 30_000).tolist(), *rng.normal(size=1_000).tolist(), *map(str, range(500))]
    wanted = (*values[::50], *(float(each) for each in values[1:20_000:90]), "7", "nowhere", math.nan, True)
    column = ScalarColumn.build(values)
    known = {each for each in wanted if each == each and not isinstance(each, bool)}
    answer = [row for row, value in enumerate(values) if value in known]
    for _ in range(20):
        assert column.lookup(OneOf(wanted)).to_rows().tolist() == answer
        estimate = column.estimate(OneOf(wanted))
        assert estimate.least <= len(answer) <= estimate.most
    assert column.estimate(OneOf(wanted)).least == len(answer)


def test_values_come_back_as_they_were_stored() -> None:
    column = ScalarColumn.build(POOL)
    for row, stored in enumerate(POOL):
        value = column.value(row)
        assert type(value) is type(stored)
        assert value == stored or (value != value and stored != stored)


@pytest.mark.parametrize("values", [[3, 1, 2], [0.5, 0.25], ["b", "a"], [True, False], [None, None], [[1], [2]]])
def test_values_of_a_column_of_one_type_come_back(values: list[Any]) -> None:
    column = ScalarColumn.build(values)
    assert [column.value(row) for row in range(len(values))] == values


def test_numbers_are_ints_and_floats_as_doubles_in_order_of_row() -> None:
    column = ScalarColumn.build([2.5, "x", 1, None, True, [9], -3, math.inf, BIG + 1])
    values, rows = column.numbers()
    assert (values.dtype, rows.dtype) == (np.float64, np.int64)
    assert rows.tolist() == [0, 2, 6, 7, 8]
    assert values.tolist() == [2.5, 1.0, -3.0, math.inf, float(BIG)]
    assert ScalarColumn.build([4, 5]).numbers()[1].tolist() == [0, 1]
    assert len(ScalarColumn.build([None, "x"]).numbers()[0]) == 0


def test_subclasses_of_plain_types_are_stored_as_the_plain_type() -> None:
    class Word(str):
        pass

    column = ScalarColumn.build([np.float64(1.5), Word("a"), (1, 2), None])
    assert column.lookup(Equals(1.5)).to_rows().tolist() == [0]
    assert column.lookup(Equals("a")).to_rows().tolist() == [1]
    assert column.lookup(HasElement(2)).to_rows().tolist() == [2]


def test_an_int_outside_int64_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="9223372036854775808"):
        ScalarColumn.build([1, 2**63])


def test_estimates_from_a_sample_are_near() -> None:
    rng = np.random.default_rng(5)
    column = ScalarColumn.build(rng.normal(size=100_000).tolist())
    estimate = column.estimate(InNumericRange(NumericRange.of("$gte", 0.0)))
    assert estimate.expected == pytest.approx(50_000, rel=0.1)
    assert column.scalars.floats._order is None


def test_a_column_is_a_scalar_index() -> None:
    assert isinstance(ScalarColumn.build([1]), ScalarIndex)
