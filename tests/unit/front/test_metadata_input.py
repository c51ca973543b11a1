"""Metadata of records as callers pass it."""

from __future__ import annotations

import enum
from datetime import date
from typing import Any

import numpy as np
import pytest

from chroma_search.errors import InvalidArgumentError, InvalidInputError, WrongTypeError
from chroma_search.front.metadata_input import checked_metadatas
from chroma_search.model.sparse_vector import SparseVector

SPARSE = {"#type": "sparse_vector", "indices": [1, 5], "values": [0.5, 1.0]}


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def check(metadata: Any, *, keep_none: bool = False) -> Any:
    return checked_metadatas([metadata], keep_none=keep_none)[0]


@pytest.mark.parametrize(
    "value",
    ["x", "", "\0", "日本", True, False, 0, -(2**63), 2**63 - 1, 0.0, -0.5, 1e308, ["a"], [1, 2], [True], [0.5]],
)
def test_values_that_can_be_stored_pass_unchanged(value: Any) -> None:
    checked = check({"k": value})
    assert checked == {"k": value}
    assert type(checked["k"]) is type(value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [(np.float64(0.5), 0.5), (np.str_("x"), "x"), (Colour.RED, "red"), (Level.HIGH, 3), ([np.float64(1.5)], [1.5])],
)
def test_subclasses_of_plain_types_become_the_plain_type(value: Any, plain: Any) -> None:
    checked = check({"k": value})["k"]
    assert checked == plain
    assert type(checked) is type(plain)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"a": 1}, "got a dict"),
        ((1, 2), "got a tuple.*pass a list"),
        (date(2024, 5, 1), r"got a date.*: pass its \.isoformat\(\) as a text"),
        ({"b": 1}, "got a dict.*: give each of its entries a key of its own"),
        ({1}, "got a set"),
        (b"x", "got a bytes"),
        (1j, "got a complex"),
        (np.int64(1), r"got a int64.*\.item\(\)"),
        (np.float32(1), r"got a float32.*\.item\(\)"),
        (np.bool_(True), "got a bool"),
        (np.array([1, 2]), r"got a ndarray.*\.tolist\(\)"),
        ([], "non-empty"),
        ([1, "a"], "same type, got int, str"),
        ([1, 2.5], "same type, got float, int"),
        ([1, True], "same type, got bool, int"),
        ([[1]], "got list"),
        ([None], "got NoneType"),
        ([np.int64(1)], "got int64"),
        (float("nan"), "finite, got nan"),
        (float("inf"), "finite, got inf"),
        ([1.0, float("nan")], "finite"),
        (2**63, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ([2**63], "64 bits"),
        ("\ud800", "lone surrogate"),
        (["a", "\udfff"], "lone surrogate"),
        ({"#type": "sparse_vector", "indices": [2, 1], "values": [1.0, 1.0]}, "ascending"),
        ({"#type": "sparse_vector", "indices": [1]}, "values"),
    ],
)
def test_values_that_cannot_be_stored_are_refused(value: Any, part: str) -> None:
    with pytest.raises(InvalidInputError, match=part):
        check({"k": value})


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", InvalidArgumentError),
        ("#document", InvalidArgumentError),
        ("$and", InvalidArgumentError),
        ("chroma:document", InvalidInputError),
        ("chroma:uri", InvalidInputError),
        ("k\ud800", InvalidInputError),
        (1, WrongTypeError),
        (None, WrongTypeError),
        (("a",), WrongTypeError),
    ],
)
def test_keys_that_cannot_be_stored_are_refused_wherever_they_stand(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        checked_metadatas([{"good": 1}, {"good": 1, key: 1}], keep_none=False)


@pytest.mark.parametrize("key", ["🙂", "a b", "a.b", "chroma", "hnsw:space", "\0", "ключ"])
def test_any_other_key_is_taken(key: str) -> None:
    assert check({key: 1}) == {key: 1}


@pytest.mark.parametrize("metadata", [{}, [], "ab", 1, [("a", 1)]])
def test_metadata_is_a_non_empty_dict(metadata: Any) -> None:
    with pytest.raises(InvalidInputError, match="position 0"):
        check(metadata)


def test_none_is_dropped_when_records_are_added() -> None:
    assert check({"a": None, "b": 1}) == {"b": 1}
    assert check({"a": None}) is None
    assert check(None) is None


def test_none_is_kept_when_records_are_updated() -> None:
    assert check({"a": None}, keep_none=True) == {"a": None}


def test_the_tagged_dict_of_a_sparse_vector_becomes_one() -> None:
    assert check({"s": SPARSE})["s"] == SparseVector([1, 5], [0.5, 1.0])


def test_a_sparse_vector_of_another_package_becomes_ours() -> None:
    foreign = type("SparseVector", (), {"indices": [1], "values": [0.5], "labels": ["x"]})()
    assert check({"s": foreign})["s"] == SparseVector([1], [0.5], ["x"])


def test_a_sparse_vector_broken_after_it_was_made_is_refused() -> None:
    vector = SparseVector([1, 2], [0.5, 1.0])
    vector.indices[1] = 0
    with pytest.raises(InvalidInputError, match="ascending"):
        check({"s": vector})


def test_nothing_is_shared_with_the_caller() -> None:
    tags, vector = ["a"], SparseVector([1], [0.5], ["x"])
    metadata = {"tags": tags, "s": vector}
    checked = check(metadata)
    tags.append("b")
    vector.values[0] = 9.0
    assert vector.labels is not None
    vector.labels[0] = "y"
    metadata["new"] = 1
    assert checked == {"tags": ["a"], "s": SparseVector([1], [0.5], ["x"])}


def test_a_key_is_refused_in_the_second_record_too() -> None:
    with pytest.raises(InvalidArgumentError, match="at index 1"):
        checked_metadatas([{"a": 1}, {"$a": 1}], keep_none=False)
