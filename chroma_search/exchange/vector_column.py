"""Vectors as a column of Arrow lists, and back. Reading takes lists of any kind and any numbers.

Importing this module loads pyarrow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chroma_search.errors import InvalidInputError


def vector_type(dimension: int | None) -> Any:
    """Return the type of the column: fixed size, unless no dimension is known."""
    return pa.list_(pa.float32()) if dimension is None else pa.list_(pa.float32(), dimension)


def encode_vectors(vectors: NDArray[np.float32]) -> Any:
    """Return vectors, float32, shape (n, dim), as an array of fixed-size lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])


def check_vectors(column: str, kind: Any) -> None:
    """Refuse a column that holds no vectors.

    Raises:
        InvalidInputError: names the column and what to do.
    """
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    element = kind.value_type if is_list else kind
    is_number = is_list and (pa.types.is_floating(element) or pa.types.is_integer(element))
    if not is_number and not pa.types.is_null(element):
        raise InvalidInputError(
            f"column {column!r} holds {kind}, expected a list of numbers per row: name another one with "
            "columns={'embedding': ...}, or None for none"
        )


def decode_vectors(array: Any) -> Any:
    """Return vectors as a matrix, float32; as a list of rows and None where some are missing; None where all are.

    Raises:
        ValueError: args are (position in the array, what is wrong there).
    """
    is_there = np.asarray(array.is_valid())
    if not is_there.any():
        return None
    lengths = _lengths(array)[is_there]
    dimension = int(lengths[0])
    places = np.flatnonzero(is_there)
    if (lengths != dimension).any():
        odd = int(np.argmax(lengths != dimension))
        raise ValueError(
            int(places[odd]), f"its embedding has {lengths[odd]} numbers, those before it have {dimension}"
        )
    values = array.flatten()  # of the rows that have one
    if values.null_count:
        missing = int(np.argmin(np.asarray(values.is_valid())))
        raise ValueError(int(places[missing // dimension]), "its embedding has a null among its numbers")
    with np.errstate(over="ignore"):  # too large for float32: infinite there, and refused by the collection
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float32)
    matrix = numbers.reshape(len(lengths), dimension)
    if is_there.all():
        return matrix
    rows = iter(matrix)
    return [next(rows) if each else None for each in is_there.tolist()]


def _lengths(array: Any) -> NDArray[np.int64]:
    if pa.types.is_fixed_size_list(array.type):
        return np.full(len(array), array.type.list_size, np.int64)
    return np.diff(np.asarray(array.offsets)).astype(np.int64)
