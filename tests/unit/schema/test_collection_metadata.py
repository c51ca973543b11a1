from __future__ import annotations

import math

import pytest

from chroma_search.errors import InvalidArgumentError, InvalidInputError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.schema.collection_metadata import validate_collection_metadata, validate_metadata_update

BOTH = [validate_collection_metadata, validate_metadata_update]


@pytest.mark.parametrize("validate", BOTH)
def test_none_means_no_metadata(validate) -> None:
    assert validate(None) is None


@pytest.mark.parametrize("validate", BOTH)
def test_scalars_and_homogeneous_lists_are_kept_and_the_argument_is_not_shared(validate) -> None:
    tags = ["a", "b"]
    given = {"s": "x", "i": 2**63 - 1, "f": 1.5, "b": False, "tags": tags, "least": -(2**63)}
    checked = validate(given)
    assert checked == given
    tags.append("c")
    given["new"] = 1
    assert checked["tags"] == ["a", "b"]
    assert "new" not in checked


@pytest.mark.parametrize("validate", BOTH)
def test_none_values_are_dropped_and_nothing_left_is_none(validate) -> None:
    assert validate({"a": None, "b": 1}) == {"b": 1}
    assert validate({"a": None}) is None


@pytest.mark.parametrize("validate", BOTH)
def test_an_empty_dict_is_refused(validate) -> None:
    with pytest.raises(InvalidArgumentError, match="Metadata cannot be empty"):
        validate({})


@pytest.mark.parametrize("validate", BOTH)
@pytest.mark.parametrize(
    ("metadata", "error", "gist"),
    [
        ("x", WrongTypeError, "to be a dict or None, got str"),
        ([("a", 1)], WrongTypeError, "got list"),
        ({1: 1}, WrongTypeError, "keys to be str"),
        ({"": 1}, InvalidArgumentError, "cannot be empty"),
        ({"#a": 1}, InvalidArgumentError, "cannot start with '#' or"),
        ({"$a": 1}, InvalidArgumentError, "cannot start with '#' or"),
        ({"a": {}}, WrongTypeError, "'a' to be a str, int, float, bool"),
        ({"a": (1, 2)}, WrongTypeError, "got tuple"),
        ({"a": [[1]]}, WrongTypeError, "got list"),
        ({"a": [None]}, WrongTypeError, "got NoneType"),
        ({"a": SparseVector([1], [1.0])}, WrongTypeError, "got SparseVector"),
        ({"a": []}, InvalidArgumentError, "Empty lists"),
        ({"a": [1, 2.5]}, InvalidArgumentError, "values of one type"),
        ({"a": [1, True]}, InvalidArgumentError, "values of one type"),
        ({"a": math.nan}, InvalidArgumentError, "finite, got nan"),
        ({"a": [1.0, -math.inf]}, InvalidArgumentError, "finite, got -inf"),
        ({"a": 2**63}, InvalidArgumentError, "64 bits"),
        ({"a": -(2**63) - 1}, InvalidArgumentError, "64 bits"),
        ({"a": "\ud800"}, InvalidInputError, "lone surrogate"),
        ({"\udfff": 1}, InvalidInputError, "lone surrogate"),
    ],
    ids=str,
)
def test_what_cannot_be_stored_is_refused(validate, metadata: object, error: type[Exception], gist: str) -> None:
    with pytest.raises(error, match=gist):
        validate(metadata)


def test_the_space_may_be_named_at_creation_but_not_in_an_update() -> None:
    assert validate_collection_metadata({"hnsw:space": "ip"}) == {"hnsw:space": "ip"}
    with pytest.raises(InvalidArgumentError, match="Changing the distance function"):
        validate_metadata_update({"hnsw:space": "ip"})
    assert validate_metadata_update({"hnsw:M": 5}) == {"hnsw:M": 5}
