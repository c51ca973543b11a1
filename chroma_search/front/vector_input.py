"""Dense vectors as callers pass them: one form for arrays, lists of arrays, lists of lists and a single vector.

Taken are float16/32/64 and int32/64, as upstream; bool, text and other types are refused, also inside lists, where
numpy alone would turn True into 1.0 and "2" into 2.0. Numbers that float32 cannot hold are infinite there, so they are
refused wherever infinities are.

Invariant: the result is a new C-contiguous float32 array of shape (n, dim), n >= 1, dim >= 1; the caller's arrays are
never kept.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chroma_search.embeddings.vectors import NUMBER_TYPES
from chroma_search.errors import InvalidArgumentError, InvalidInputError
from chroma_search.front.mending import to_list

Vectors: TypeAlias = NDArray[np.float32]

FORMS = "a list of floats or ints, a list of lists, a numpy array, or a list of numpy arrays"
_PLAIN_NUMBERS = {int, float}


def vectors_of(given: Any, *, is_finite: bool) -> Vectors:
    """Return vectors as one matrix.

    Args:
        given: one vector (list of numbers or array of shape (dim,)), or n of them (list of lists, list of arrays, array
            of shape (n, dim)).
        is_finite: refuse NaN and infinities, and numbers beyond float32.

    Returns:
        float32, shape (n, dim), owned by the caller of this function.

    Raises:
        InvalidInputError: empty, not numbers, another shape.
        InvalidArgumentError: vectors of unequal dimension; NaN or infinity under `is_finite`.
    """
    if not isinstance(given, (list, np.ndarray)):
        raise InvalidInputError(f"Expected embeddings to be {FORMS}, got {type(given).__name__}{to_list(given)}")
    matrix = _of_array(given) if isinstance(given, np.ndarray) else _of_list(cast("list[Any]", given))
    if is_finite:
        check_finite(matrix)
    return matrix


def check_finite(matrix: Vectors) -> None:
    """Refuse a matrix with NaN or infinity.

    Raises:
        InvalidArgumentError: names the first such place.
    """
    # The sum of squares is finite only when all values are: one pass and no copy, usually. (It warns of no overflow.)
    if isfinite(np.vdot(matrix, matrix)):
        return
    bad = ~np.isfinite(matrix)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise InvalidArgumentError(
            "Embeddings must not contain NaN or Infinity (numbers beyond 3.4e38 are infinite in float32), "
            f"got {matrix[row, column]} at value {column} of embedding {row}"
        )


def _of_array(array: NDArray[Any]) -> Vectors:
    if not len(array.shape) or not len(array):
        raise InvalidInputError(f"Expected Embeddings to be non-empty list or numpy array, got shape {array.shape}")
    if array.ndim > 2:
        raise InvalidInputError(f"Expected embeddings to be {FORMS}, got an array of shape {array.shape}")
    if not array.shape[-1]:
        raise _no_values(0)
    _check_type(array, "the array")
    return _as_float32(array if array.ndim == 2 else array[np.newaxis, :])


def _of_list(rows: list[Any]) -> Vectors:
    if not rows:
        raise InvalidInputError("Expected Embeddings to be non-empty list or numpy array, got an empty list")
    first = rows[0]
    if isinstance(first, np.ndarray):
        return _of_arrays(rows)
    if isinstance(first, list):
        return _of_lists(rows)
    if _is_number(first):
        return _of_lists([rows])
    raise InvalidInputError(f"Expected embeddings to be {FORMS}, got a list of {type(first).__name__}")


def _of_arrays(rows: list[Any]) -> Vectors:
    if len(rows) == 1 and rows[0].dtype == np.float32 and rows[0].ndim == 1 and rows[0].size:
        return np.array(rows[0][np.newaxis], order="C")  # one query: the commonest call, and the shortest
    for at, row in enumerate(rows):
        if not isinstance(row, np.ndarray):
            raise InvalidInputError(
                f"Expected each embedding in the embeddings to be a numpy array, got {type(row).__name__} at "
                f"position {at}"
            )
        array = cast("NDArray[Any]", row)
        if array.ndim != 1:
            raise InvalidInputError(
                f"Expected a 1-dimensional array, got a {array.ndim}-dimensional array at position {at}"
            )
        if not array.size:
            raise _no_values(at)
        _check_type(array, f"position {at}")
    _check_equal_lengths(rows)
    with np.errstate(over="ignore"):
        return np.stack(rows, dtype=np.float32, casting="unsafe")


def _of_lists(rows: list[Any]) -> Vectors:
    for at, row in enumerate(rows):
        if not isinstance(row, list):
            raise InvalidInputError(
                f"Expected each embedding to be a list of numbers like the first one, got {type(row).__name__} at "
                f"position {at}"
            )
        values = cast("list[Any]", row)
        if not values:
            raise _no_values(at)
        # One set per row costs 15 us for 384 numbers; numpy needs 24 to convert them.
        if not set(map(type, values)) <= _PLAIN_NUMBERS:
            _check_numbers(values, at)
    _check_equal_lengths(rows)
    try:
        with np.errstate(over="ignore"):
            return np.array(rows, dtype=np.float32)
    except OverflowError as error:  # an int beyond float64
        raise InvalidArgumentError(
            "Embeddings must not contain NaN or Infinity: an int is too large for float32 (3.4e38)"
        ) from error


def _check_numbers(values: list[Any], at: int) -> None:
    for value in values:
        if not _is_number(value):
            raise InvalidInputError(
                f"Expected each value in the embedding to be a int or float, got {type(value).__name__} in the "
                f"embedding at position {at}"
            )


def _check_equal_lengths(rows: list[Any]) -> None:
    lengths = set(map(len, rows))
    if len(lengths) > 1:
        first = len(rows[0])
        at = next(at for at, row in enumerate(rows) if len(row) != first)
        raise InvalidArgumentError(
            f"Inconsistent dimensions in provided embeddings: {first} at position 0, {len(rows[at])} at position {at}"
        )


def _check_type(array: NDArray[Any], place: str) -> None:
    if array.dtype != np.float32 and array.dtype.name not in NUMBER_TYPES:  # the name takes 4 us
        # An array of objects is a column of lists as a rule, which numpy cannot convert.
        mending = ": pass its .tolist()" if array.dtype == object else ": convert it with .astype('float32')"
        raise InvalidInputError(
            f"Expected each value in the embedding to be a int or float ({', '.join(NUMBER_TYPES)}), got an embedding "
            f"with {array.dtype} at {place}{mending}"
        )


def _as_float32(array: NDArray[Any]) -> Vectors:
    if array.dtype == np.float32:
        return np.array(array, order="C")
    with np.errstate(over="ignore"):  # takes longer than the copy of a single vector
        return np.array(array, dtype=np.float32, order="C", copy=True)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _no_values(at: int) -> InvalidInputError:
    return InvalidInputError(
        "Expected each embedding in the embeddings to be a 1-dimensional numpy array with at least 1 int/float value. "
        f"Got one with no values at position {at}"
    )
