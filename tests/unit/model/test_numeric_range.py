"""A numeric range answers every comparison as Python does, which is exact over int and float."""

import operator

from hypothesis import example, given
from hypothesis import strategies as st

from chroma_search.model.numeric_range import NumericRange
from chroma_search.model.values import MAX_INT, MIN_INT

COMPARE = {"$eq": operator.eq, "$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
near_limits = st.sampled_from([0, 2**53, 2**53 + 1, -(2**53) - 1, MAX_INT, MIN_INT, MAX_INT - 1])
stored = st.integers(MIN_INT, MAX_INT) | near_limits | st.floats(allow_nan=False, allow_infinity=False)
operands = stored | st.floats(allow_nan=False) | st.integers(-(10**40), 10**40)


@given(st.sampled_from(sorted(COMPARE)), stored, operands)
@example("$lt", 1, 1.5)
@example("$eq", 2**53 + 1, 2.0**53)
@example("$gte", MAX_INT, 2.0**63)
@example("$gt", MIN_INT, -(2.0**63))
@example("$eq", 0.0, -0.0)
def test_membership_equals_the_comparison(op, value, operand):
    assert (value in NumericRange.of(op, operand)) == COMPARE[op](value, operand)


@given(stored, operands, operands)
def test_the_meeting_of_two_ranges_holds_what_both_hold(value, low, high):
    both = NumericRange.of("$gte", low) & NumericRange.of("$lt", high)
    assert (value in both) == (value >= low and value < high)
    assert not both.is_empty or not (value >= low and value < high)
