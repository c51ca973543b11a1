"""ScalarColumn: every metadata value of one key in one segment, typed, answering filters exactly.

Rules (spec 1.3-1.5, `model/values.py`): int and float are one exact domain; bool and str are apart; scalars never match
`HasElement`, arrays never match equality, membership or ranges; None counts as missing. In `HasElement` 1 equals 1.0.
Not for: strings by substring or pattern (`text/string_column.py`), nearest sparse vectors (`vector/sparse.py`).
Invariant: `lookup` gives exact masks, and `least <= true count <= most` of every estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import chain, compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from chroma_search.indexes.base import (
    Equals,
    Estimate,
    HasElement,
    InNumericRange,
    InStringRange,
    IsPresent,
    OneOf,
    ScalarRequest,
)
from chroma_search.indexes.scalar.compact_mask import mask_of_hits
from chroma_search.indexes.scalar.typed_values import Selection, TypedValues
from chroma_search.model.mask import Mask

Rows = NDArray[np.int64]


class StoredKind(IntEnum):
    """How a value is stored; the first four are the scalars that tests compare."""

    BOOL = 0
    INT = 1
    FLOAT = 2
    STR = 3
    MISSING = 4
    ARRAY = 5
    OTHER = 6  # a sparse vector, or what no test knows: present, equal to nothing


class _KindOfType(dict[type, StoredKind]):
    """Kind of each Python type, subclasses included; filled as types are met."""

    def __missing__(self, of: type) -> StoredKind:
        known: tuple[tuple[type, StoredKind], ...] = (
            (type(None), StoredKind.MISSING),
            (bool, StoredKind.BOOL),  # before int: bool is a subclass of it
            (int, StoredKind.INT),
            (float, StoredKind.FLOAT),
            (str, StoredKind.STR),
            (list, StoredKind.ARRAY),
            (tuple, StoredKind.ARRAY),
        )
        kind = next((kind for base, kind in known if issubclass(of, base)), StoredKind.OTHER)
        self[of] = kind
        return kind


_KIND_OF_TYPE = _KindOfType()


class ScalarColumn:
    """The values of one key (a `ScalarIndex`); make it with `build`."""

    __slots__ = ("_elements", "_kinds", "_n_arrays", "_numbers", "_objects", "_present", "_scalars", "n_rows")

    def __init__(self, values: Sequence[Any]) -> None:
        """Index one metadata value per row; see `build`."""
        self.n_rows = len(values)
        self._kinds = _kinds_of(values)
        self._scalars = _typed(values, None, self._kinds, self.n_rows)
        arrays, array_rows = _of_kind(values, None, self._kinds, StoredKind.ARRAY)
        others, other_rows = _of_kind(values, None, self._kinds, StoredKind.OTHER)
        self._objects = dict(zip(_places(array_rows, len(arrays)), arrays, strict=True))
        self._objects.update(zip(_places(other_rows, len(others)), others, strict=True))
        self._n_arrays = len(arrays)
        self._elements = _elements(arrays, array_rows, self.n_rows)
        self._present = _present(self._kinds)
        self._numbers: tuple[NDArray[np.float64], Rows] | None = None

    @classmethod
    def build(cls, values: Sequence[Any]) -> ScalarColumn:
        """Index one metadata value per row.

        Args:
            values: None (missing), bool, int, float, str, SparseVector or a list of scalars.

        Raises:
            InvalidInputError: an int outside int64.
        """
        return cls(values)

    def lookup(self, request: ScalarRequest) -> Mask:
        """Return the exact rows that match."""
        if isinstance(request, IsPresent):
            return self._present
        found = Mask.none(self.n_rows)
        for each in self._selections(request):
            found = found | each.mask()
        return found

    def estimate(self, request: ScalarRequest) -> Estimate:
        """Return bounds on the number of matches, without making the mask.

        Exact for small columns, for strings, bools and ints of a narrow range, and for the rest once sorted.
        """
        if isinstance(request, IsPresent):
            return Estimate.exactly(self._present.count())
        parts = [each.estimate() for each in self._selections(request)]
        least, expected, most = (sum(getattr(each, name) for each in parts) for name in ("least", "expected", "most"))
        if isinstance(request, HasElement):  # elements were counted; several may lie in one row
            return Estimate(min(least, 1), min(expected, self._n_arrays), min(most, self._n_arrays))
        return Estimate(least, expected, most)

    def numbers(self) -> tuple[NDArray[np.float64], Rows]:
        """Return the numbers of the column for ranks.

        Returns:
            values: float64, shape (m,), ints and floats (an int above 2^53 is rounded to the nearest double);
            rows: int64, shape (m,), ascending. Both read-only.
        """
        if self._numbers is None:
            ints, floats = self._scalars.ints, self._scalars.floats
            values = np.concatenate([ints.values.astype(np.float64), floats.values])
            rows = np.concatenate([_all_rows(ints.rows, len(ints)), _all_rows(floats.rows, len(floats))])
            if len(ints) and len(floats):
                order = np.argsort(rows)
                values, rows = values[order], rows[order]
            values.flags.writeable = rows.flags.writeable = False
            self._numbers = values, rows
        return self._numbers

    def value(self, row: int) -> Any:
        """Return the value of one row, None where it is missing. Numbers come back as Python ints and floats."""
        kind = StoredKind(int(self._kinds[row]))
        match kind:
            case StoredKind.MISSING:
                return None
            case StoredKind.ARRAY | StoredKind.OTHER:
                return self._objects[row]
            case StoredKind.BOOL:
                return bool(_value_at(self._scalars.bools.values, self._scalars.bools.rows, row))
            case StoredKind.INT:
                return int(_value_at(self._scalars.ints.values, self._scalars.ints.rows, row))
            case StoredKind.FLOAT:
                return float(_value_at(self._scalars.floats.values, self._scalars.floats.rows, row))
            case StoredKind.STR:
                codes = self._scalars.strings
                return self._scalars.dictionary[int(_value_at(codes.values, codes.rows, row))]
            case _:
                assert_never(kind)

    @property
    def scalars(self) -> TypedValues:
        """The scalar values by class."""
        return self._scalars

    def objects(self) -> list[Any]:
        """Return the arrays, sparse vectors and unknown values, in no particular order."""
        return list(self._objects.values())

    def _selections(self, request: Equals | OneOf | InNumericRange | InStringRange | HasElement) -> list[Selection]:
        match request:
            case Equals():
                return self._scalars.equal_to(request.value)
            case OneOf():
                return self._scalars.one_of(request.values)
            case InNumericRange():
                return self._scalars.within(request.bounds)
            case InStringRange():
                return self._scalars.within_strings(request)
            case HasElement():
                return self._elements.equal_to(request.value)
            case _:
                assert_never(request)


def _kinds_of(values: Sequence[Any]) -> NDArray[np.int8]:
    types = set(map(type, values))
    if len(types) == 1:  # twice as fast as asking the table for every value
        return np.full(len(values), _KIND_OF_TYPE[types.pop()], np.int8)
    return np.fromiter(map(_KIND_OF_TYPE.__getitem__, map(type, values)), np.int8, len(values))


def _of_kind(
    values: Sequence[Any], rows: Rows | None, kinds: NDArray[np.int8], kind: StoredKind
) -> tuple[Sequence[Any], Rows | None]:
    """Return the values of one kind and their rows (None when value i belongs to row i)."""
    is_kind = kinds == kind
    n_of_kind = int(np.count_nonzero(is_kind))
    if n_of_kind == len(values):
        return values, rows
    if not n_of_kind:
        return [], np.empty(0, np.int64)
    found = np.flatnonzero(is_kind)
    return list(compress(values, is_kind.tolist())), found if rows is None else rows[found]


def _typed(values: Sequence[Any], rows: Rows | None, kinds: NDArray[np.int8], n_rows: int) -> TypedValues:
    bools, ints, floats, strings = (_of_kind(values, rows, kinds, StoredKind(code)) for code in range(4))
    return TypedValues(n_rows, bools, ints, floats, strings)


def _elements(arrays: Sequence[Sequence[Any]], rows: Rows | None, n_rows: int) -> TypedValues:
    """Return the elements of all arrays, each with the row of its array."""
    lengths = np.fromiter(map(len, arrays), np.int64, len(arrays))
    owners = np.repeat(_all_rows(rows, len(arrays)), lengths)
    flat = list(chain.from_iterable(arrays))
    return _typed(flat, owners, _kinds_of(flat), n_rows)


def _present(kinds: NDArray[np.int8]) -> Mask:
    missing = mask_of_hits(len(kinds), kinds == StoredKind.MISSING, None)
    if missing.rows is not None:
        return missing.invert()
    return mask_of_hits(len(kinds), kinds != StoredKind.MISSING, None)


def _all_rows(rows: Rows | None, m: int) -> Rows:
    return np.arange(m) if rows is None else rows


def _places(rows: Rows | None, m: int) -> list[int]:
    return _all_rows(rows, m).tolist()


def _value_at(values: NDArray[Any], rows: Rows | None, row: int) -> Any:
    return values[row if rows is None else int(np.searchsorted(rows, row))]
