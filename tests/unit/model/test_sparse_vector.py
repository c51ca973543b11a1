"""A sparse vector refuses what has no meaning, with a typed error that names it."""

import pytest

from chroma_search.errors import InvalidInputError
from chroma_search.model.sparse_vector import SparseVector


@pytest.mark.parametrize(
    ("indices", "values", "labels", "message"),
    [
        ((1,), [1.0], None, "indices to be a list"),
        ([1], [1.0, 2.0], None, "same length"),
        ([1], [1.0], ["a", "b"], "labels must have the same length"),
        ([1.0], [1.0], None, "must be integers"),
        ([True], [1.0], None, "must be integers"),
        ([-1], [1.0], None, "non-negative"),
        ([2**63], [1.0], None, "below 2"),
        ([2, 1], [1.0, 1.0], None, "strictly ascending"),
        ([1, 1], [1.0, 1.0], None, "strictly ascending"),
        ([1], ["1"], None, "must be numbers"),
        ([1], [float("nan")], None, "must be finite"),
        ([1], [10**400], None, "64-bit float"),
    ],
)
def test_what_is_no_sparse_vector_is_refused(indices, values, labels, message):
    with pytest.raises(InvalidInputError, match=message):
        SparseVector(indices, values, labels)


def test_the_wire_form_reads_back_with_its_labels():
    vector = SparseVector([1, 5], [0.5, 2], ["fox", "dog"])
    assert SparseVector.from_dict(vector.to_dict()) == vector
    assert SparseVector([], []).to_dict()["indices"] == []


@pytest.mark.parametrize("form", [{}, {"#type": "dense"}, {"#type": "sparse_vector", "indices": []}])
def test_a_wire_form_without_its_parts_is_refused(form):
    with pytest.raises(InvalidInputError):
        SparseVector.from_dict(form)
