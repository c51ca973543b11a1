"""Names and values in the text language: what is written is read back, type included."""

from __future__ import annotations

import math
from itertools import chain, repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_search.dsl.literals import (
    LiteralError,
    make_sparse,
    read_list,
    read_name,
    read_number,
    read_sparse,
    read_string,
    write_list,
    write_name,
    write_number,
    write_sparse,
    write_string,
    write_vector,
)
from chroma_search.dsl.suggest import nearest
from chroma_search.model.sparse_vector import SparseVector


@given(st.text())
def test_names_and_strings_are_read_back(text):
    assert read_name(write_name(text)) == text
    assert read_string(write_string(text)) == text


@given(st.integers() | st.floats())
def test_numbers_are_read_back_with_their_type(number):
    again = read_number(write_number(number))
    assert type(again) is type(number)
    assert math.copysign(1, again) == math.copysign(1, number) or math.isnan(number)
    assert again == number or math.isnan(number)


@given(st.lists(st.integers() | st.floats(allow_nan=False) | st.text() | st.booleans() | st.none()))
def test_lists_are_read_back(values):
    assert read_list(write_list(values)) == values


@given(st.lists(st.floats(width=32), min_size=1))
def test_arrays_are_read_back_exactly_in_float32(values):
    array = np.array(values, np.float32)
    again = np.array(read_list(write_vector(array)), np.float32)
    np.testing.assert_array_equal(again, array)


@given(st.dictionaries(st.integers(0, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)))
def test_sparse_vectors_are_read_back(entries):
    vector = make_sparse(entries, None)
    assert read_sparse(write_sparse(vector).removeprefix("sparse(").removesuffix(")")) == dict(
        zip(vector.indices, vector.values, strict=True)
    )


@pytest.mark.parametrize(
    "name", ["limit", "LIMIT", "ſelect", "lımit", "kEEP", "inf", "a-b", "1a", "a.", "a..b", "a b", ""]
)
def test_a_name_that_could_be_read_otherwise_is_written_in_quotes(name):
    assert write_name(name).startswith('"')


@pytest.mark.parametrize("name", ["limits", "not.x", "_", "größe", "日本.x1", "knn", "#score"])
def test_a_plain_name_is_written_as_it_is(name):
    assert write_name(name) == name


def test_tokens_go_with_the_entries_as_written():
    assert make_sparse({7: 2.0, 1: 0.5}, ["seven", "one"]) == SparseVector([1, 7], [0.5, 2.0], ["one", "seven"])


@pytest.mark.parametrize(
    ("word", "offset"),
    [
        ("[1, x]", 4),
        ("[1 2]", 3),
        ("[,]", 1),
        ("[1,,2]", 3),
        ("[1.]", 1),
        ("[1_0]", 1),
        ("[infinity]", 1),
        ("['a' 'b']", 5),
    ],
)
def test_a_mistake_in_a_list_is_found_where_it_stands(word, offset):
    with pytest.raises(LiteralError) as caught:
        read_list(word)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("word", "offset"), [("{1}", 1), ("{1: x}", 1), ("{1: 2 3: 4}", 6), ("{-1: 2}", 1), ("{1: 2, 1: 3}", 7)]
)
def test_a_mistake_in_a_sparse_vector_is_found_where_it_stands(word, offset):
    with pytest.raises(LiteralError) as caught:
        read_sparse(word)
    assert caught.value.offset == offset


def test_a_comma_may_stand_after_the_last_value():
    assert read_list("[ 1 , 'a' , ]") == [1, "a"]
    assert read_list("[ ]") == []
    assert read_sparse("{ 1 : 2 , }") == {1: 2}


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("contians", ["CONTAINS", "MATCHES"], "CONTAINS"),
        ("yeer", ["year", "area"], "year"),
        ("xyz", ["year", "area"], None),
        ("", ["a"], None),
        ("a" * 100, ["a" * 100], None),
        ("year", [], None),
    ],
)
def test_the_nearest_known_name_is_suggested(word, known, found):
    assert nearest(word, known) == found


@pytest.mark.parametrize("rest", ["y", "a long name"])
def test_a_list_of_known_names_without_end_is_compared_in_part_only(rest):
    assert nearest("year", chain(["yeer"], repeat(rest))) == "yeer"
