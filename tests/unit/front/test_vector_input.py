"""Dense vectors as callers pass them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest

from chroma_search.errors import InvalidArgumentError, InvalidInputError
from chroma_search.front.vector_input import vectors_of

ONE_ROW = [
    [1.0, 2.0],
    [1, 2],
    [np.float32(1), np.float32(2)],
    [[1.0, 2.0]],
    [[1, 2.0]],
    [np.array([1.0, 2.0])],
    np.array([1.0, 2.0]),
    np.array([[1, 2]], dtype=np.int32),
    np.array([[1, 2]], dtype=np.int64),
    np.array([1, 2], dtype=np.float16),
]


@pytest.mark.parametrize("given", ONE_ROW, ids=lambda each: f"{type(each).__name__} of {type(each[0]).__name__}")
def test_each_form_of_one_vector_is_the_same_matrix(given: Any) -> None:
    matrix = vectors_of(given, is_finite=True)
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert matrix.tolist() == [[1.0, 2.0]]


def test_a_fortran_ordered_array_comes_out_row_by_row() -> None:
    given = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    matrix = vectors_of(given, is_finite=True)
    assert matrix.flags.c_contiguous
    assert matrix.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("as_list", [False, True])
def test_the_callers_array_is_not_kept(as_list: bool) -> None:
    given = np.ones((2, 3), dtype=np.float32)
    matrix = vectors_of(list(given) if as_list else given, is_finite=True)
    given[:] = 7
    assert (matrix == 1).all()


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ([], "non-empty"),
        (np.empty((0, 3), np.float32), "non-empty"),
        (np.float32(1.0), "got float32"),
        (np.array(1.0), "non-empty"),
        ([[]], "no values at position 0"),
        ([[1.0], []], "no values at position 1"),
        (np.empty((3, 0), np.float32), "no values"),
        ([np.empty(0, np.float32)], "no values"),
        (np.ones((2, 2, 2), np.float32), "shape"),
        ([np.ones((1, 2), np.float32)], "2-dimensional"),
        ("ab", "got str"),
        (["a", "b"], "list of str"),
        ([["1", "2"]], "got str"),
        ([[1.0, "2"]], "got str"),
        ([True, False], "list of bool"),
        ([1.0, True], "got bool"),
        ([[1.0, True]], "got bool"),
        ([[1.0, None]], "got NoneType"),
        ([[1.0, [2.0]]], "got list"),
        ([[1.0, 2.0], (1.0, 2.0)], "got tuple"),
        (((1.0, 2.0),), "got tuple: pass list"),
        ((row for row in [[1.0]]), "got generator: pass list"),
        (pandas.Series([[1.0, 2.0]]), "got Series: pass its .tolist"),
        (pandas.DataFrame([[1.0, 2.0]]), "got DataFrame: pass its .to_numpy"),
        (pandas.Series([[1.0, 2.0]]).to_numpy(), "with object at the array: pass its .tolist"),
        ([[1.0 + 2j]], "got complex"),
        (np.array([[True]]), "bool"),
        (np.array([["a"]]), "<U1"),
        (np.array([[None]]), "object"),
        (np.array([[1]], np.uint8), "uint8"),
        ([np.array([1], np.int16)], "int16"),
        ([np.ones(2), [1.0, 2.0]], "got list at position 1"),
    ],
)
def test_what_is_no_vector_is_refused(given: Any, part: str) -> None:
    with pytest.raises(InvalidInputError, match=part.replace("(", r"\(")):
        vectors_of(given, is_finite=True)


@pytest.mark.parametrize(
    "given", [[[1.0], [1.0, 2.0]], [np.ones(1), np.ones(2)], [[1, 2, 3], [1, 2]]], ids=["lists", "arrays", "ints"]
)
def test_vectors_of_unequal_length_are_refused_with_their_places(given: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Inconsistent dimensions.*position 1"):
        vectors_of(given, is_finite=True)


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), -float("inf"), 1e39, 10**400], ids=["nan", "inf", "-inf", "1e39", "10**400"]
)
def test_numbers_that_float32_cannot_hold_are_refused(bad: float) -> None:
    with pytest.raises(InvalidArgumentError, match="must not contain NaN or Infinity"):
        vectors_of([[0.0, 0.0], [0.0, bad]], is_finite=True)


def test_a_float64_array_beyond_float32_is_refused_with_its_place() -> None:
    given = np.zeros((3, 2))
    given[2, 1] = 1e300
    with pytest.raises(InvalidArgumentError, match="value 1 of embedding 2"):
        vectors_of(given, is_finite=True)


def test_infinities_of_both_signs_that_cancel_in_a_sum_are_found() -> None:
    with pytest.raises(InvalidArgumentError, match="NaN or Infinity"):
        vectors_of(np.array([[np.inf, -np.inf]]), is_finite=True)


def test_large_finite_numbers_whose_sum_overflows_float32_are_taken() -> None:
    largest = float(np.finfo(np.float32).max)
    assert vectors_of([[largest, largest]], is_finite=True).tolist() == [[largest, largest]]


def test_a_query_may_hold_nan_and_infinity() -> None:
    matrix = vectors_of([[float("nan"), 1e39]], is_finite=False)
    assert np.isnan(matrix[0, 0])
    assert np.isinf(matrix[0, 1])
