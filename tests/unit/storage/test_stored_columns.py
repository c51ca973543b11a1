"""Columns come back equal in value and type, whole, by row and by slice; nothing is fetched before it is touched."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chroma_search.errors import InternalError
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.storage import stored_columns
from chroma_search.storage.stored_columns import (
    BLOCK_ROWS,
    StoredMetadatas,
    StoredStrings,
    encode_metadatas,
    encode_strings,
)

STRINGS = [None, "", "plain", "nul \0 inside", "\U0001f600 emoji", "é", "\ud800 lone", "\ud83d\ude00 apart", "\n\"'\\,"]
VALUES = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.lists(st.text(max_size=3), max_size=3),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
    st.lists(st.floats(), max_size=3),
    st.lists(st.booleans(), max_size=3),
    st.builds(SparseVector, st.just([1, 2**40]), st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2)),
)
METADATAS = st.lists(st.none() | st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=8)


def exactly(value):
    """Return a form that is equal only for the same type and value; NaN equals NaN, -0.0 is not 0.0."""
    if isinstance(value, dict):
        return [(key, exactly(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [exactly(each) for each in value]
    if isinstance(value, SparseVector):
        return ("sparse", exactly(value.indices), exactly(value.values), exactly(value.labels))
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value.hex())
    return (type(value), value)


def check_column(column, values) -> None:
    n = len(values)
    wanted = exactly(list(values))
    assert len(column) == n
    assert exactly(list(column)) == wanted
    assert exactly([column[row] for row in range(n)]) == wanted
    assert exactly([column[row - n] for row in range(n)]) == wanted
    for part in (slice(None), slice(1, -1), slice(-3, None), slice(None, None, -2), slice(5, 2), slice(n, n + 5)):
        assert exactly(column[part]) == exactly(list(values)[part])
    for row in (n, -n - 1):
        with pytest.raises(IndexError, match=f"of {n}"):
            column[row]


@given(st.lists(st.none() | st.text(st.characters()), max_size=12))
@example([])
@example(STRINGS)
@example([None, None])
@example(["", ""])
@example(["a" * 1_000_000, None, "\U0001f600" * 1_000_000, "b"])
def test_strings_come_back_as_they_were(values):
    check_column(StoredStrings(encode_strings(values)), values)


@given(METADATAS)
@example([])
@example([None])
@example([{}, None])
@example([{"a": 1, "b": 1.0, "c": True, "d": "1", "e": -0.0, "f": math.nan, "g": math.inf, "h": -math.inf}])
@example([{"": "", "\0": "\0", "\U0001f600": "\U0001f600", "#type": "sparse_vector", "\ud83d\ude00": "\ud83d\ude00"}])
@example([{"a": 2**63 - 1, "b": -(2**63), "c": 2**53 + 1, "d": float(2**53), "e": 1e308, "f": 5e-324}])
@example([{"a": [], "b": [1, 2], "c": [1.0, 2.0], "d": [True, False], "e": ["sparse_vector", "x"]}])
@example([{"a": SparseVector([], [])}, None, {"b": "sparse_vector"}])
@example([{"a": SparseVector([0, 7], [1, 2.5], ["\U0001f600\0", ""]), "b": 1}])
@example([{"a": "x" * 1_000_000}])
def test_metadata_come_back_as_they_were(values):
    check_column(StoredMetadatas(encode_metadatas(values)), values)


@pytest.mark.parametrize("n", [BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS])
@pytest.mark.parametrize("odd", [None, "", "é", "\U0001f600"])
def test_blocks_fit_together(n, odd):
    values = [odd if row in (0, BLOCK_ROWS - 1, BLOCK_ROWS, n - 1) else f"text {row}" for row in range(n)]
    column = StoredStrings(encode_strings(values))
    assert list(column) == values
    assert column[BLOCK_ROWS - 2 : n] == values[BLOCK_ROWS - 2 :]
    metadatas = [None if each is None else {"a": each} for each in values]
    assert list(StoredMetadatas(encode_metadatas(metadatas))) == metadatas


def test_arrays_have_the_documented_form():
    arrays = encode_strings(["é", None, "ab"])
    assert {name: array.dtype for name, array in arrays.items()} == {"bytes": "uint8", "ends": "int64", "missing": "?"}
    assert arrays["bytes"].tobytes() == "éab".encode()
    assert arrays["ends"].tolist() == [2, 2, 4]
    assert arrays["missing"].tolist() == [False, True, False]
    assert encode_strings(["a", ""])["missing"].shape == (0,)


def test_every_access_gives_metadata_of_its_own():
    column = StoredMetadatas(encode_metadatas([{"a": [1]}]))
    for each in (column[0], next(iter(column)), column[:][0]):
        assert each is not None
        each["a"].append(2)
        each["b"] = 3
    assert column[0] == {"a": [1]}


def test_rows_may_be_given_as_numpy_ints_and_not_as_floats():
    column = StoredStrings(encode_strings(["a", "b"]))
    assert column[np.int64(1)] == "b"
    with pytest.raises(TypeError):
        column[1.0]  # type: ignore[reportCallIssue,reportArgumentType]  # what is tested


class Watched(dict):
    """Arrays that remember which were taken."""

    def __init__(self, arrays) -> None:
        super().__init__(arrays)
        self.taken: list[str] = []

    def __getitem__(self, name):
        self.taken.append(name)
        return super().__getitem__(name)


@pytest.mark.parametrize(("column", "encode"), [(StoredStrings, encode_strings), (StoredMetadatas, encode_metadatas)])
def test_the_length_is_known_and_slices_out_of_reach_are_empty_without_touching_the_arrays(column, encode):
    arrays = Watched(encode([None, None]))
    opened = column(arrays, 2)
    assert len(opened) == 2
    assert opened[2:] == []
    assert list(column(arrays, 0)) == []
    assert arrays.taken == []
    assert opened[0] is None
    assert sorted(arrays.taken) == ["bytes", "ends", "missing"]
    assert len(column(arrays)) == 2


def test_walking_a_column_decodes_no_more_than_it_has_to(monkeypatch):
    values = [f"text {row}" for row in range(3 * BLOCK_ROWS)]
    column = StoredStrings(encode_strings(values))
    blocks: list[int] = []
    real = StoredStrings._block
    monkeypatch.setattr(
        stored_columns.StoredStrings,
        "_block",
        lambda self, first, last: (blocks.append(first), real(self, first, last))[1],
    )
    assert next(iter(column)) == "text 0"
    assert blocks == [0]


@pytest.mark.parametrize("value", [np.int64(1), {1, 2}, b"a", object()])
def test_a_value_that_no_metadata_hold_is_a_bug(value):
    with pytest.raises(InternalError, match="reached the disk"):
        encode_metadatas([{"a": value}])
