"""Metadata values and THE comparison table: what every filter operator means for every pair of types.

Scan, scalar index and oracle all follow this file. The rules (spec 1.3-1.5):

* int and float are one exact numeric domain: 1 == 1.0, 1 < 1.5, and an int above 2^53 is not rounded;
* bool is apart (True is not 1), str is apart (exact code points), arrays are not scalars;
* a missing key equals a stored None; positive tests are false for it, negative ones (`$ne $nin $not_contains
  $not_regex`) true;
* ordering operators compare numbers with numbers and (ours) strings with strings by code point; all else is false.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, TypeAlias, TypeGuard

from chroma_search.model.sparse_vector import SparseVector

Scalar: TypeAlias = str | int | float | bool
ArrayValue: TypeAlias = list[str] | list[int] | list[float] | list[bool]
MetadataValue: TypeAlias = "Scalar | ArrayValue | SparseVector | None"
Metadata: TypeAlias = "dict[str, Any]"

MIN_INT, MAX_INT = -(2**63), 2**63 - 1


class ValueClass(IntEnum):
    """Class of a metadata value; the numbers are the order across classes in aggregates (spec 4.3)."""

    NULL = 0
    BOOL = 1
    NUMBER = 2
    STR = 3
    SPARSE = 4
    BOOL_ARRAY = 5
    NUMBER_ARRAY = 6
    STR_ARRAY = 7


def value_class(value: object) -> ValueClass:
    """Return the class of a stored value or operand (None = missing)."""
    if value is None:
        return ValueClass.NULL
    if isinstance(value, bool):
        return ValueClass.BOOL
    if isinstance(value, (int, float)):
        return ValueClass.NUMBER
    if isinstance(value, str):
        return ValueClass.STR
    if isinstance(value, SparseVector):
        return ValueClass.SPARSE
    first = value[0] if isinstance(value, (list, tuple)) and value else None
    if isinstance(first, bool):
        return ValueClass.BOOL_ARRAY
    return ValueClass.STR_ARRAY if isinstance(first, str) else ValueClass.NUMBER_ARRAY


def is_array(value: object) -> TypeGuard[Sequence[Scalar]]:
    """Tell whether a stored value is an array."""
    return isinstance(value, (list, tuple))


def equals(stored: object, operand: object) -> bool:
    """`$eq`: same class, same value; never true for a missing key, an array or a sparse vector."""
    kind = value_class(stored)
    return kind is value_class(operand) and ValueClass.NULL < kind < ValueClass.SPARSE and stored == operand


def is_before(stored: object, operand: object) -> bool:
    """`$lt`: both numbers, or both strings (by code point); false for any other pair."""
    kind = value_class(stored)
    if kind is not value_class(operand) or kind not in (ValueClass.NUMBER, ValueClass.STR):
        return False
    return bool(stored < operand)  # type: ignore[operator]  # both are numbers or both are strings here


def compares(op: str, stored: object, operand: object) -> bool:
    """Answer `$eq $ne $gt $gte $lt $lte` for one stored value."""
    match op:
        case "$eq":
            return equals(stored, operand)
        case "$ne":
            return not equals(stored, operand)
        case "$lt":
            return is_before(stored, operand)
        case "$gt":
            return is_before(operand, stored)
        case "$lte":
            return is_before(stored, operand) or (is_ordered(operand) and equals(stored, operand))
        case "$gte":
            return is_before(operand, stored) or (is_ordered(operand) and equals(stored, operand))
        case _:
            raise AssertionError(op)


def is_ordered(operand: object) -> bool:
    """Tell whether range operators accept this operand: a number or a string, no bool."""
    return value_class(operand) in (ValueClass.NUMBER, ValueClass.STR)


def holds(stored: object, element: object) -> bool:
    """`$contains` on metadata: a stored array has an element equal to `element`; false for scalars."""
    return is_array(stored) and any(equals(each, element) for each in stored)


def sort_key(value: object) -> tuple[int, Any]:
    """Return a key that orders values of all classes: null < bool < number < str < sparse < arrays."""
    kind = value_class(value)
    if kind is ValueClass.NULL:
        return (0, 0)
    if isinstance(value, SparseVector):
        return (int(kind), (tuple(value.indices), tuple(value.values)))
    return (int(kind), tuple(value) if is_array(value) else value)


def group_key(value: object) -> tuple[int, Any]:
    """Return a hashable key by which records fall into groups: 1 and 1.0 together, True and "1" apart."""
    return sort_key(value)
