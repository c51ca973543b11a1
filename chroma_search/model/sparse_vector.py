"""SparseVector: a vector given by its non-zero dimensions, as upstream's class of that name.

It is a metadata value (any metadata key may hold one) and a query of `Knn`. Wire form:
`{"#type": "sparse_vector", "indices": [..], "values": [..], "tokens": [..]}` (`tokens` only when labels are set).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chroma_search.errors import InvalidInputError

TYPE_KEY = "#type"
SPARSE_VECTOR_TYPE_VALUE = "sparse_vector"
MAX_SPARSE_INDEX = 2**63 - 1


@dataclass(slots=True)
class SparseVector:
    """A sparse vector.

    Args:
        indices: dimensions, ints from 0, strictly ascending.
        values: one finite number per index.
        labels: one string per index (the tokens behind the dimensions), or None.

    Raises:
        InvalidInputError: not lists, unequal lengths, an index that is no int, negative or out of order, a value that
            is no finite number.

    >>> SparseVector(indices=[1, 7], values=[0.5, 2.0]).to_dict()
    {'#type': 'sparse_vector', 'indices': [1, 7], 'values': [0.5, 2.0]}
    """

    indices: list[int]
    values: list[float]
    labels: list[str] | None = None

    def __post_init__(self) -> None:
        for name, given in (("indices", self.indices), ("values", self.values), ("labels", self.labels)):
            if not isinstance(given, list) and not (name == "labels" and given is None):
                raise InvalidInputError(f"Expected SparseVector {name} to be a list, got {type(given).__name__}")
        if len(self.indices) != len(self.values):
            raise InvalidInputError(
                "SparseVector indices and values must have the same length, "
                f"got {len(self.indices)} indices and {len(self.values)} values"
            )
        if self.labels is not None and len(self.labels) != len(self.indices):
            raise InvalidInputError(
                "SparseVector labels must have the same length as indices and values, "
                f"got {len(self.labels)} labels, {len(self.indices)} indices"
            )
        previous = -1
        for at, index in enumerate(self.indices):
            if not isinstance(index, int) or isinstance(index, bool):
                raise InvalidInputError(
                    f"SparseVector indices must be integers, got {type(index).__name__} at position {at}"
                )
            if index < 0:
                raise InvalidInputError(f"SparseVector indices must be non-negative, got {index} at position {at}")
            if index > MAX_SPARSE_INDEX:
                raise InvalidInputError(f"SparseVector indices must be below 2^63, got {index} at position {at}")
            if index <= previous:
                raise InvalidInputError(
                    "SparseVector indices must be sorted in strictly ascending order, "
                    f"found indices[{at}]={index} <= indices[{at - 1}]={previous}"
                )
            previous = index
        for at, value in enumerate(self.values):
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                raise InvalidInputError(
                    f"SparseVector values must be numbers, got {type(value).__name__} at position {at}"
                )
            _check_finite(value, at)

    def to_dict(self) -> dict[str, Any]:
        """Return the tagged wire form."""
        form: dict[str, Any] = {
            TYPE_KEY: SPARSE_VECTOR_TYPE_VALUE,
            "indices": self.indices,
            "values": self.values,
        }
        if self.labels is not None:
            form["tokens"] = self.labels
        return form

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> SparseVector:
        """Read the tagged wire form.

        Raises:
            InvalidInputError: the tag or a field is missing, or the parts are not valid.
        """
        if d.get(TYPE_KEY) != SPARSE_VECTOR_TYPE_VALUE:
            raise InvalidInputError(f"Expected {TYPE_KEY}='{SPARSE_VECTOR_TYPE_VALUE}', got {d.get(TYPE_KEY)!r}")
        for field in ("indices", "values"):
            if field not in d:
                raise InvalidInputError(f"A sparse vector needs '{field}', got only {sorted(map(str, d))}")
        return cls(indices=d["indices"], values=d["values"], labels=d.get("tokens"))


def _check_finite(value: float, at: int) -> None:
    try:
        is_finite = math.isfinite(value)
    except OverflowError:
        raise InvalidInputError(
            f"SparseVector values must fit in a 64-bit float, the int at position {at} does not"
        ) from None
    if not is_finite:
        raise InvalidInputError(f"SparseVector values must be finite, got {value} at position {at}")


SparseVectors = list[SparseVector]
