"""Filters that are refused before a search runs, and those that pass although upstream refuses them."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_search.dsl import And, Contains, Eq, Exists, Gt, In, K, Nin, Not, NotContains, Or, Regex, Where
from chroma_search.dsl.validation import check_where, check_where_dict
from chroma_search.errors import InvalidArgumentError, InvalidFilterError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "where",
    [
        None,
        Eq("", 1),
        Eq("a", ""),
        Eq("a", -(2**63)),
        Eq("a", np.float64(1.5)),
        Eq("a", np.str_("x")),
        In("a", (1, 2.5)),
        In("a", (2.5, 1)),
        Nin("a", (True, False)),
        Gt("a", "x"),
        K("a").contains(True),
        K("a").contains(""),
        K.DOCUMENT.contains(""),
        K.DOCUMENT.regex(""),
        K.DOCUMENT.exists(),
        K.DOCUMENT.substring("x", ignore_case=True),
        K.ID == "x",
        K.ID.is_in(["x"]),
        K.ID.contains("x"),
        K.ID.regex("x"),
        K.ID > "x",
        K.ID > 5,
        K.SCORE > 0.5,
        K("a").regex("x"),
        K("a").exists(False),
        And((Eq("a", 1),)),
        And((And((Eq("a", 1), Eq("b", 1))), Not(Eq("c", 1)))),
    ],
    ids=repr,
)
def test_a_filter_with_a_meaning_passes(where):
    check_where(where)


WITHOUT_MEANING = [
    (Eq("a", None), InvalidFilterError, "null"),
    (Eq("a", NAN), InvalidFilterError, "finite"),
    (Eq("a", -INF), InvalidFilterError, "finite"),
    (Eq("a", 2**63), InvalidFilterError, "64 bits"),
    (Eq("a", -(2**63) - 1), InvalidFilterError, "64 bits"),
    (Eq("a", 10**5000), InvalidFilterError, "64 bits"),
    (Eq("a", [1]), WrongTypeError, "got list: use \\$in to find one of several values"),
    (Eq("a", {"b": 1}), WrongTypeError, "got dict"),
    (Eq("a", SparseVector([1], [1.0])), WrongTypeError, "got SparseVector"),
    (Eq("a", np.int64(1)), WrongTypeError, r"\.item\(\)"),
    (Eq("a", np.array([1])), WrongTypeError, r"\.tolist\(\)"),
    (Eq("a", "\ud800"), InvalidFilterError, r"lone surrogate U\+D800 at character 0"),
    (Eq("x\udfff", 1), InvalidFilterError, "lone surrogate"),
    (Eq("$gt", 1), InvalidFilterError, r"cannot begin with '\$'"),
    (Eq(5, 1), WrongTypeError, "field name must be a string"),  # type: ignore[arg-type]
    (Eq(K("a"), 1), WrongTypeError, "field name must be a string"),  # type: ignore[arg-type]
    (Gt("a", True), InvalidFilterError, "booleans have no order"),
    (Gt("a", None), InvalidFilterError, "null"),
    (Gt("a", NAN), InvalidFilterError, "finite"),
    (In("a", ()), InvalidFilterError, "empty list"),
    (In("a", "abc"), WrongTypeError, "must be a list, got str"),
    (In("a", np.array([1])), WrongTypeError, "got ndarray"),  # type: ignore[arg-type]
    (In("a", (1, "x")), InvalidFilterError, "got numbers and strings"),
    (In("a", (True, 1)), InvalidFilterError, "got booleans and numbers"),
    (In("a", (1, None)), InvalidFilterError, "null"),
    (In("a", ((1,), (2,))), WrongTypeError, "got tuple"),
    (In("a", (1.0, NAN)), InvalidFilterError, "finite"),
    (Contains("a", None), InvalidFilterError, "null"),
    (Contains("a", ["x"]), WrongTypeError, "got list"),
    (NotContains("a", NAN), InvalidFilterError, "finite"),
    (Contains("#document", 5), WrongTypeError, "must be a string"),
    (Eq("#document", "x"), InvalidFilterError, r"\$eq cannot test #document"),
    (In("#document", ("x",)), InvalidFilterError, r"\$in cannot test #document"),
    (Gt("#document", "x"), InvalidFilterError, r"\$gt cannot test #document"),
    (Regex("a", 5), WrongTypeError, "must be a string"),  # type: ignore[arg-type]
    (Exists("a", 1), WrongTypeError, "must be true or false"),  # type: ignore[arg-type]
    (K("a").substring(b"x"), WrongTypeError, "got bytes"),  # type: ignore[arg-type]
    (And(()), InvalidFilterError, "at least one condition"),
    (Or((Eq("a", 1), Or(()))), InvalidFilterError, r"filter\.\$or\[1\]"),
    (And(("a",)), WrongTypeError, "got str"),  # type: ignore[arg-type]
    (Not("a"), WrongTypeError, "got str"),  # type: ignore[arg-type]
    (Where(), WrongTypeError, "got Where"),
    ({"a": 1}, WrongTypeError, "must be a Where"),
    ("a = 1", WrongTypeError, "must be a Where"),
]


@pytest.mark.parametrize(("where", "error", "message"), WITHOUT_MEANING, ids=range(len(WITHOUT_MEANING)))
def test_a_filter_without_a_meaning_is_refused(where, error, message):
    with pytest.raises(error, match=message) as caught:
        check_where(where)
    assert isinstance(caught.value, ValueError)


def test_the_error_names_the_path():
    where = (K("a") == 1) & ((K("b") == 2) | ~(K("c") == None))  # noqa: E711 - builds a filter
    with pytest.raises(InvalidFilterError) as caught:
        check_where(where)
    assert caught.value.path == "filter.$and[1].$or[1].$not.c"


def test_a_value_nested_without_end_is_refused_without_being_printed():
    endless = []
    endless.append(endless)
    with pytest.raises(WrongTypeError, match="got list"):
        check_where(Eq("a", endless))


def test_a_filter_nested_too_deep_is_refused():
    where = Eq("a", 1)
    for _ in range(3000):
        where = Not(where)
    with pytest.raises(InvalidArgumentError, match="100 levels"):
        check_where(where)
    with pytest.raises(InvalidArgumentError, match="10000 parts"):
        check_where(Or([Eq("a", n) for n in range(10_001)]))


def test_every_pattern_is_shown_to_the_regex_check():
    seen = []
    where = (K.DOCUMENT.regex("a") | ~K("b").not_regex("b")) & (K("c") == "d")
    check_where(where, regex_check=seen.append)
    assert seen == ["a", "b"]


def test_the_error_of_the_regex_check_comes_through():
    def refuse(pattern):
        raise InvalidArgumentError(f"Regex syntax error in {pattern}")

    with pytest.raises(InvalidArgumentError, match="Regex syntax error in a"):
        check_where(K.DOCUMENT.regex("a"), regex_check=refuse)


@pytest.mark.parametrize(
    ("where", "feature"),
    [
        (~(K("a") == 1), "$not"),
        (K("a").exists(), "$exists"),
        (K("a").substring("x"), "$substring"),
        (K.DOCUMENT.ends_with("x", ignore_case=True), "$iends_with"),
        (K("a").iequals("x"), "$ieq"),
        (K("a") > "x", "$gt with a string"),
        (K.ID <= "x", "$lte with a string"),
        (K("a").regex("x"), "$regex on a key other than #document"),
        (K.ID.not_regex("x"), "$not_regex on a key other than #document"),
        (K("a").is_in([1, 2.5]), "$in with an int first and floats after it"),
        ((K("a") == 1) & ((K("b") == 1) | K("c").exists()), "$exists"),
    ],
)
def test_strict_names_the_feature_that_upstream_lacks(where, feature):
    check_where(where)
    with pytest.raises(InvalidArgumentError) as caught:
        check_where(where, strict=True)
    assert f"{feature} goes beyond Chroma's Search API" in str(caught.value)


@pytest.mark.parametrize(
    "where",
    [K("a") == 1, K("a").is_in([2.5, 1]), K.ID.contains("x"), K.DOCUMENT.regex("x"), K.SCORE > 1, K("a") != True],  # noqa: E712
)
def test_strict_accepts_what_upstream_has(where):
    check_where(where, strict=True)


# --- get, query, delete ---


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ({}, InvalidFilterError),
        ({"a": 1, "b": 2}, InvalidFilterError),
        ({"a": {"$gt": 0, "$lt": 2}}, InvalidFilterError),
        ({"a": {}}, InvalidFilterError),
        ({"a": None}, InvalidFilterError),
        ({"a": [1]}, WrongTypeError),
        ({"a": {"$gt": True}}, InvalidFilterError),
        ({"a": {"$in": []}}, InvalidFilterError),
        ({"a": {"$in": [1, True]}}, InvalidFilterError),
        ({"a": {"$contains": None}}, WrongTypeError),
        ({"#document": {"$contains": 5}}, WrongTypeError),
        ({"#document": "x"}, InvalidFilterError),
        ({"$and": []}, InvalidFilterError),
        ({"$x": 1}, InvalidFilterError),
        ({"a": {"$x": 1}}, InvalidFilterError),
        ({1: 2}, WrongTypeError),
        ("a", WrongTypeError),
        (None, WrongTypeError),
        ([{"a": 1}], WrongTypeError),
    ],
)
def test_json_of_get_without_a_meaning_is_a_value_error(where, error):
    with pytest.raises(error) as caught:
        check_where_dict(where)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("where", "node"),
    [
        ({"a": 1}, Eq("a", 1)),
        ({"$and": [{"a": 1}]}, Eq("a", 1)),
        ({"a": {"$regex": "x"}}, Regex("a", "x")),
        ({"a": {"$in": [1, 1.5]}}, In("a", (1, 1.5))),
        ({"#id": {"$in": ["x"]}}, In("#id", ("x",))),
        ({"$not": {"a": {"$exists": False}}}, Not(Exists("a", False))),
    ],
)
def test_json_of_get_may_be_what_either_layer_of_upstream_takes(where, node):
    assert check_where_dict(where) == node


def test_strict_applies_to_the_json_of_get():
    with pytest.raises(InvalidArgumentError, match="strict"):
        check_where_dict({"a": {"$exists": True}}, strict=True)
