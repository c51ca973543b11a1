"""The comparison table, row by row (spec 1.3-1.5, 4.3)."""

import pytest

from chroma_search.model.sparse_vector import SparseVector
from chroma_search.model.values import compares, equals, group_key, holds, sort_key


@pytest.mark.parametrize(
    ("stored", "operand", "expected"),
    [
        (1, 1.0, True),
        (1.5, 1, False),
        (True, 1, False),
        (True, True, True),
        ("1", 1, False),
        ("a", "A", False),
        (None, None, False),
        ([1], 1, False),
        (2**53 + 1, 2.0**53, False),
        (0.0, -0.0, True),
    ],
)
def test_equality(stored, operand, expected):
    assert equals(stored, operand) is expected
    assert compares("$ne", stored, operand) is not expected


@pytest.mark.parametrize(
    ("op", "stored", "operand", "expected"),
    [
        ("$lt", 1, 1.5, True),
        ("$lte", 1.0, 1, True),
        ("$gt", "b", "a", True),
        ("$gt", "b", 1, False),
        ("$gte", True, True, False),
        ("$gt", True, 0, False),
        ("$lt", None, 1, False),
        ("$lt", [0], 1, False),
        ("$lt", "\U0001f600", "\uffff", False),
    ],
)
def test_ordering(op, stored, operand, expected):
    assert compares(op, stored, operand) is expected


def test_membership_is_of_arrays_and_keeps_bool_apart():
    assert holds([1, 2], 1.0)
    assert not holds([True], 1)
    assert not holds("abc", "a")
    assert not holds(None, "a")


def test_classes_order_as_the_spec_says():
    values = [None, True, 1, "a", SparseVector([1], [1.0]), [True], [1], ["a"]]
    backwards = values[::-1]
    assert sorted(backwards, key=sort_key) == values


def test_groups_join_equal_numbers_and_keep_bools_and_strings_apart():
    assert group_key(1) == group_key(1.0)
    assert len({group_key(value) for value in (1, True, "1", None, [1])}) == 5
