"""What a schema of the document forbids is refused, and what is right fits it."""

import re

import pytest
from pydantic import TypeAdapter

from chroma_search.errors import InvalidInputError
from chroma_search.schema.names import validate_collection_name
from chroma_search.server.documented_types import Metadata, Name


def pattern_of_names():
    return re.compile(TypeAdapter(Name).json_schema()["pattern"])


@pytest.mark.parametrize("name", ["abc", "a-b", "a.b_c-D9", "a" * 512, "eu-west+articles"])
def test_a_name_that_may_be_fits_its_pattern(name):
    assert validate_collection_name(name) == name
    assert pattern_of_names().search(name)


@pytest.mark.parametrize(
    "name", ["", "ab", "-ab", "ab.", "a b", "a/b", "a" * 513, "abc+", "abc+ab", "abc+abc+abc", "abcé"]
)
def test_a_name_that_does_not_fit_its_pattern_is_refused(name):
    assert not pattern_of_names().search(name)
    with pytest.raises(InvalidInputError):
        validate_collection_name(name)


def test_metadata_is_said_to_hold_scalars_lists_of_them_and_sparse_vectors():
    values = TypeAdapter(Metadata).json_schema()["additionalProperties"]["anyOf"]
    assert [each["type"] for each in values] == ["string", "number", "boolean", "array", "array", "array", "object"]
