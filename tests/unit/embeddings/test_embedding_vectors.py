"""What an embedding function may return, and what becomes of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chroma_search.embeddings.vectors import check_documents, normalize_embeddings, normalize_sparse_vectors
from chroma_search.errors import InvalidInputError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector

MATRICES = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(width=32, allow_nan=False)
)


@given(MATRICES)
def test_all_forms_of_a_matrix_give_the_same_float32_vectors(matrix: np.ndarray) -> None:
    forms: list[Any] = [
        matrix,
        list(matrix),
        matrix.tolist(),
        list(matrix.astype(np.float64)),
        matrix[:, ::-1][:, ::-1],
    ]
    for form in forms:
        vectors = normalize_embeddings(form)
        assert isinstance(vectors, list)
        assert {(each.dtype.name, each.ndim) for each in vectors} == {("float32", 1)}
        np.testing.assert_array_equal(vectors, matrix)


@pytest.mark.parametrize(
    "bare", [[1, 2.5], np.array([1, 2.5]), np.array([1.0, 2.5], np.float16), [np.float32(1), np.float32(2.5)]]
)
def test_one_bare_vector_is_one_embedding(bare: object) -> None:
    (vector,) = normalize_embeddings(bare)
    np.testing.assert_array_equal(vector, np.array([1, 2.5], np.float32))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64"])
def test_arrays_of_these_types_are_taken(dtype: str) -> None:
    for form in (np.ones((2, 3), dtype), [np.ones(3, dtype), np.ones(3, dtype)]):
        np.testing.assert_array_equal(normalize_embeddings(form), np.ones((2, 3), np.float32))


def test_vectors_may_differ_in_length_for_the_collection_to_refuse() -> None:
    assert [len(each) for each in normalize_embeddings([[1.0], [1.0, 2.0]])] == [1, 2]


def test_nan_and_numbers_beyond_float32_pass_without_a_warning() -> None:
    (vector,) = normalize_embeddings([[float("nan"), 1e300, -1e300, 2**63]])
    np.testing.assert_array_equal(vector, np.array([np.nan, np.inf, -np.inf, 2.0**63], np.float32))


@pytest.mark.parametrize(
    "returned",
    [
        [],
        [[]],
        [[1.0], []],
        [[1.0, "2"]],
        ["text"],
        [["text"]],
        [True, False],
        [[True]],
        [None],
        [[1.0, None]],
        [[1.0, [2.0]]],
        [[[1.0]]],
        [{"error": 1}],
        [(1.0, 2.0)],
        [10**400],
        np.empty(0),
        np.empty((0, 3)),
        np.empty((3, 0)),
        np.array(1.0),
        np.ones((2, 2, 2)),
        np.array([True]),
        np.array(["a"]),
        np.ones(3, np.uint8),
        np.ones(3, np.complex64),
        [np.array(1.0)],
        [np.ones((1, 2))],
        [np.array([1.0, None])],
    ],
    ids=repr,
)
def test_anything_else_in_a_list_or_array_is_refused(returned: object) -> None:
    with pytest.raises(InvalidInputError):
        normalize_embeddings(returned)


@pytest.mark.parametrize(
    "returned",
    [None, {"error": "test"}, (1.0, 2.0), "text", 1.0, iter([[1.0]])],
    ids=lambda value: type(value).__name__,
)
def test_what_is_neither_list_nor_array_is_a_wrong_type(returned: object) -> None:
    with pytest.raises(WrongTypeError, match="list or a numpy array"):
        normalize_embeddings(returned)


def test_the_error_names_the_position() -> None:
    with pytest.raises(InvalidInputError, match="a list of str at position 2"):
        normalize_embeddings([[1.0], [2.0], ["three"]])


def test_sparse_vectors_of_another_class_become_ours() -> None:
    class Foreign:
        indices, values, labels = [1, 5], [0.5, 2.0], ["a", "b"]

    ours = SparseVector([3], [1.0])
    assert normalize_sparse_vectors([ours, Foreign()]) == [ours, SparseVector([1, 5], [0.5, 2.0], ["a", "b"])]


@pytest.mark.parametrize(
    ("returned", "error"),
    [([], InvalidInputError), (None, WrongTypeError), ([None], WrongTypeError), ([{1: 0.5}], WrongTypeError)],
    ids=repr,
)
def test_what_is_no_list_of_sparse_vectors_is_refused(returned: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        normalize_sparse_vectors(returned)


def test_a_foreign_sparse_vector_out_of_order_is_refused() -> None:
    class Foreign:
        indices, values = [5, 1], [0.5, 2.0]

    with pytest.raises(InvalidInputError, match="ascending"):
        normalize_sparse_vectors([Foreign()])


def test_documents_are_lists_or_tuples_of_text() -> None:
    assert check_documents(("a", ""), "F") == ["a", ""]


@pytest.mark.parametrize("given_", ["text", b"text", None, {"a"}, ["a", None], [["a"]], [b"a"]], ids=repr)
def test_other_documents_are_a_wrong_type(given_: object) -> None:
    with pytest.raises(WrongTypeError, match="MyFunction embeds"):
        check_documents(given_, "MyFunction")


@pytest.mark.parametrize("text", ["\ud800", "ok \udfff", "\udc00\ud800"])
def test_a_lone_surrogate_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"position 1 holds a lone surrogate \(U\+D"):
        check_documents(["fine", text], "F")
