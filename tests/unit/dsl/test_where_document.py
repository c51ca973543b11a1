"""`where_document`: JSON without a key, and what is refused in it."""

from __future__ import annotations

import pytest

from chroma_search.dsl import And, Contains, Eq, Exists, ISubstring, K, Not, NotContains, NotRegex, Or, Regex
from chroma_search.dsl.parser import parse_where_document
from chroma_search.dsl.validation import check_where_document, check_where_document_dict, where_document_to_where
from chroma_search.errors import InvalidArgumentError, InvalidFilterError, WrongTypeError

FOX, DRAFT = Contains("#document", "fox"), NotRegex("#document", "(?i)draft")


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"$contains": "fox"}, FOX),
        ({"$not_contains": "fox"}, NotContains("#document", "fox")),
        ({"$regex": "^a"}, Regex("#document", "^a")),
        ({"$not_regex": "(?i)draft"}, DRAFT),
        ({"$and": [{"$contains": "fox"}, {"$not_regex": "(?i)draft"}]}, And((FOX, DRAFT))),
        ({"$or": [{"$contains": "fox"}]}, FOX),
        (
            {"$and": [{"$and": [{"$contains": "fox"}, {"$contains": "fox"}]}, {"$contains": "fox"}]},
            And((FOX, FOX, FOX)),
        ),
        ({"$not": {"$or": [{"$contains": "fox"}, {"$exists": True}]}}, Not(Or((FOX, Exists("#document", True))))),
        ({"$isubstring": "FOX"}, ISubstring("#document", "FOX")),
    ],
)
def test_the_json_becomes_a_filter_on_the_document(data, where):
    assert where_document_to_where(data) == where
    assert check_where_document_dict(data) == where


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({}, InvalidFilterError),
        ({"$contains": "a", "$regex": "b"}, InvalidFilterError),
        ({"$contains": ""}, InvalidFilterError),
        ({"$regex": ""}, InvalidFilterError),
        ({"$contains": 1}, WrongTypeError),
        ({"$contains": None}, WrongTypeError),
        ({"$contains": "\ud800"}, InvalidFilterError),
        ({"$eq": "a"}, InvalidFilterError),
        ({"a": {"$contains": "b"}}, InvalidFilterError),
        ({5: "b"}, InvalidFilterError),
        ({"$and": []}, InvalidFilterError),
        ({"$and": {"$contains": "a"}}, WrongTypeError),
        ({"$or": [{"$contains": "a"}, "b"]}, WrongTypeError),
        ({"$exists": 1}, WrongTypeError),
        ("fox", WrongTypeError),
        (None, WrongTypeError),
    ],
)
def test_json_without_a_meaning_is_a_value_error(data, error):
    with pytest.raises(error) as caught:
        check_where_document_dict(data)
    assert isinstance(caught.value, ValueError)


def test_a_deep_nesting_is_refused():
    data = {"$contains": "a"}
    for _ in range(150):
        data = {"$not": data}
    with pytest.raises(InvalidFilterError, match="100 levels"):
        where_document_to_where(data)


def test_the_text_form_passes_the_same_check():
    check_where_document(parse_where_document("CONTAINS 'fox' AND NOT MATCHES '(?i)draft'"))
    with pytest.raises(InvalidFilterError, match="non-empty"):
        check_where_document(parse_where_document("CONTAINS 'a' OR NOT STARTS WITH ''"))


def test_a_test_of_another_key_is_refused():
    with pytest.raises(InvalidFilterError, match=r"documents? only"):
        check_where_document(K.DOCUMENT.contains("a") & Eq("b", 1))


def test_no_filter_passes():
    check_where_document(None)


def test_patterns_are_checked_and_strict_applies():
    seen = []
    check_where_document_dict({"$and": [{"$regex": "a"}, {"$contains": "b"}]}, strict=True, regex_check=seen.append)
    assert seen == ["a"]
    with pytest.raises(InvalidArgumentError, match=r"\$isubstring goes beyond"):
        check_where_document_dict({"$isubstring": "a"}, strict=True)
