from __future__ import annotations

import pytest

from chroma_search.errors import InvalidArgumentError, WrongTypeError
from chroma_search.schema.names import validate_collection_name, validate_database_name, validate_tenant_name

ALLOWED = ["abc", "a" * 512, "a_b", "a.b-c", "1.2.3", "256.1.1.1", "01.2.3.4", "1.2.3.4.5", "abc+def", "A0" * 3]
REFUSED = [
    ("ab", "3-512 characters"),
    ("", "3-512 characters"),
    ("a" * 513, "513 characters"),
    ("-ab", "starting and ending"),
    ("ab-", "starting and ending"),
    ("_ab", "starting and ending"),
    ("ab c", "a-zA-Z0-9"),
    ("é12", "a-zA-Z0-9"),
    ("٣٣٣", "a-zA-Z0-9"),
    ("abc\n", "a-zA-Z0-9"),
    ("ab\x00c", "a-zA-Z0-9"),
    ("../etc", "a-zA-Z0-9"),
    ("a..b", "two consecutive periods"),
    ("1.2.3.4", "valid ip address"),
    ("255.255.255.255", "valid ip address"),
    ("::1", "a-zA-Z0-9"),
    ("fe80::1", "a-zA-Z0-9"),
    ("abc+def+ghi", "at most one '\\+'"),
    ("abc+de", "Got: de"),
    ("a+bcd", "Got: a"),
    ("+abc", "3-512 characters"),
    ("abc+", "3-512 characters"),
    ("1.2.3.4+abc", "valid ip address"),
    ("abc+1.2.3.4", "valid ip address"),
]


@pytest.mark.parametrize("validate", [validate_collection_name, validate_database_name])
@pytest.mark.parametrize("name", ALLOWED)
def test_an_allowed_name_comes_back_unchanged(validate, name: str) -> None:
    assert validate(name) == name


@pytest.mark.parametrize("validate", [validate_collection_name, validate_database_name])
@pytest.mark.parametrize(("name", "gist"), REFUSED, ids=[repr(name[:12]) for name, _ in REFUSED])
def test_a_refused_name_is_an_invalid_argument_that_says_why(validate, name: str, gist: str) -> None:
    with pytest.raises(InvalidArgumentError, match=gist):
        validate(name)


@pytest.mark.parametrize("validate", [validate_collection_name, validate_database_name, validate_tenant_name])
@pytest.mark.parametrize("name", [None, 5, b"abc", ["abc"]])
def test_a_name_that_is_no_string_is_a_type_error(validate, name: object) -> None:
    with pytest.raises(WrongTypeError, match="to be a str"):
        validate(name)


def test_a_long_refused_name_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        validate_collection_name("x" * 100_000)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["abc", "a b c", "1.2.3.4", "üöä", "a" * 600])
def test_a_tenant_may_have_any_name_of_three_characters_or_more(name: str) -> None:
    assert validate_tenant_name(name) == name


@pytest.mark.parametrize("name", ["", "a", "ab", "ab\ud800c"])
def test_a_short_or_unencodable_tenant_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        validate_tenant_name(name)
