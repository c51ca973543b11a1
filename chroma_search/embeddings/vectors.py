"""What an embedding function may return, and the one form in which it travels on.

A function written by a user returns whatever its model gave: a matrix, a list of lists, a list of arrays, or one bare
vector. `normalize_embeddings` turns each of these into a list of one-dimensional float32 arrays and refuses everything
else with an error that names the place. It does not look at dimensions or at NaN: the collection does, because it
knows what it expects.

Invariant: what leaves this file is `list[float32 array of shape (dim,)]`, dim >= 1, or `list[SparseVector]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InvalidInputError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector, SparseVectors

T = TypeVar("T")
OneOrMany = T | list[T]

Document: TypeAlias = str
Documents: TypeAlias = list[Document]
Image: TypeAlias = NDArray[np.uint | np.int64 | np.float64]
Images: TypeAlias = list[Image]
Embeddable: TypeAlias = Documents | Images
Embedding: TypeAlias = NDArray[np.float32]
Embeddings: TypeAlias = list[Embedding]

# The types that upstream takes. bool, object and text arrays are mistakes; float128 and the like are not portable.
NUMBER_TYPES = ("float16", "float32", "float64", "int32", "int64")


def normalize_embeddings(returned: object) -> Embeddings:
    """Return what an embedding function returned as float32 vectors.

    Args:
        returned: array of shape (n, dim) or (dim,), list of n arrays of shape (dim,), list of n lists of numbers, or
            one list of numbers (one vector). Arrays hold float16/32/64 or int32/64.

    Returns:
        n float32 arrays of shape (dim,), in order. Numbers beyond float32 become infinite.

    Raises:
        InvalidInputError: empty, not numbers, a vector without values or with another number of axes than one.
        WrongTypeError: neither a list nor an array.
    """
    if not isinstance(returned, (list, np.ndarray)):
        raise WrongTypeError(
            f"Expected embeddings to be a list or a numpy array, got {type(returned).__name__}; "
            "return one vector per input, such as a list of lists of floats"
        )
    if isinstance(returned, np.ndarray):
        return _rows_of(returned)
    rows: list[Any] = returned
    if not rows:
        raise InvalidInputError("Expected embeddings to be a non-empty list, got []")
    if _is_number(rows[0]):
        return [_vector(rows, 0)]
    return [_vector(row, at) for at, row in enumerate(rows)]


def normalize_sparse_vectors(returned: object) -> SparseVectors:
    """Return what a sparse embedding function returned as our `SparseVector`s.

    A vector of another class with `indices`, `values` and perhaps `labels` (chromadb's class) is rebuilt as ours.

    Raises:
        InvalidInputError: an empty list, or parts that make no sparse vector.
        WrongTypeError: no list, or an entry that is no sparse vector.
    """
    if not isinstance(returned, list):
        raise WrongTypeError(f"Expected sparse vectors to be a list, got {type(returned).__name__}")
    entries: list[Any] = returned
    if not entries:
        raise InvalidInputError("Expected sparse vectors to be a non-empty list, got an empty list")
    return [_sparse_vector(entry, at) for at, entry in enumerate(entries)]


def check_documents(given: object, function_name: str) -> Documents:
    """Return `given` if it is a list of texts that can be encoded as UTF-8.

    Raises:
        WrongTypeError: a bare string (its letters would pass for documents), or an entry that is no string.
        InvalidInputError: a string with a lone surrogate: native tokenizers and hashes do not survive one.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise WrongTypeError(f"{function_name} embeds a list of strings, got {type(given).__name__}")
    texts: Sequence[Any] = given
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise WrongTypeError(f"{function_name} embeds strings, got {type(text).__name__} at position {at}")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"Text at position {at} holds a lone surrogate (U+{ord(text[error.start]):04X}) at character "
                f"{error.start}, which is not valid Unicode; decode it with errors='replace'"
            ) from error
    return list(texts)


def _rows_of(returned: NDArray[Any]) -> Embeddings:
    if returned.ndim not in (1, 2) or returned.size == 0:
        raise InvalidInputError(
            f"Expected embeddings of shape (n, dim) or (dim,) with n and dim of at least 1, got shape {returned.shape}"
        )
    numbers = _as_float32(returned, "the array")
    return [numbers] if numbers.ndim == 1 else list(numbers)


def _vector(given: object, at: int) -> Embedding:
    """Return one vector, an array or a list of numbers, as float32."""
    place = f"position {at}"
    if isinstance(given, np.ndarray):
        array: NDArray[Any] = given
    elif isinstance(given, list) and (not given or _is_number(given[0])):
        try:
            array = np.array(given)
        except ValueError as error:  # numpy's word for a list of numbers and lists
            raise InvalidInputError(f"Expected numbers only in the embedding at {place}: {error}") from error
        if array.dtype.kind in "iu":
            array = array.astype(np.int64) if array.dtype.kind == "i" else array.astype(np.float64)
    else:
        raise InvalidInputError(
            f"Expected each embedding to be a list of floats or ints or an array, got {_describe(given)} at {place}"
        )
    if array.ndim != 1 or array.size == 0:
        raise InvalidInputError(
            f"Expected each embedding to be a 1-dimensional array with at least 1 value, got shape {array.shape} "
            f"at {place}"
        )
    return _as_float32(array, place)


def _as_float32(array: NDArray[Any], place: str) -> Embedding:
    if array.dtype.name not in NUMBER_TYPES:
        raise InvalidInputError(
            f"Expected each value in the embedding to be a int or float ({', '.join(NUMBER_TYPES)}), "
            f"got {array.dtype} at {place}"
        )
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def _describe(value: object) -> str:
    if isinstance(value, list) and value:
        entries: list[Any] = value
        return f"a list of {type(entries[0]).__name__}"
    return type(value).__name__


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _sparse_vector(entry: object, at: int) -> SparseVector:
    if isinstance(entry, SparseVector):
        return entry
    indices, values = getattr(entry, "indices", None), getattr(entry, "values", None)
    if not isinstance(indices, list) or not isinstance(values, list):
        raise WrongTypeError(f"Expected SparseVector instance at position {at}, got {type(entry).__name__}")
    return SparseVector(indices=indices, values=values, labels=getattr(entry, "labels", None))
