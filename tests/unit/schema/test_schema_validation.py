from __future__ import annotations

import copy
from typing import Any

import pytest

from chroma_search.errors import InvalidConfigError, WrongTypeError
from chroma_search.schema import Schema, SparseVectorIndexConfig
from chroma_search.schema.schema_validation import checked_form
from tests.unit.schema.schema_functions import LETTERS_FORM, Letters

ON: dict[str, Any] = {"enabled": True, "config": {}}
OFF: dict[str, Any] = {"enabled": False, "config": {}}


def keyed(key: str, value_type: str, index: str, node: Any) -> dict[str, Any]:
    return {"defaults": {}, "keys": {key: {value_type: {index: node}}}}


def vector(config: Any, key: str = "#embedding") -> dict[str, Any]:
    return keyed(key, "float_list", "vector_index", {"enabled": key == "#embedding", "config": config})


def sparse(config: Any) -> dict[str, Any]:
    return keyed("sp", "sparse_vector", "sparse_vector_index", {"config": config})


def defaults(value_type: str, index: str) -> dict[str, Any]:
    return {"defaults": {value_type: {index: ON}}, "keys": {}}


REFUSED = [
    (defaults("float_list", "vector_index"), "vector_index cannot be enabled by default"),
    (defaults("sparse_vector", "sparse_vector_index"), "sparse_vector_index cannot be enabled by default"),
    (defaults("string", "fts_index"), "fts_index cannot be enabled by default"),
    (keyed("x", "float_list", "vector_index", ON), "Vector index can only be enabled on #embedding, not on 'x'"),
    (keyed("x", "string", "fts_index", ON), "can only be enabled on #document, not on 'x'"),
    (keyed("#document", "string", "string_inverted_index", ON), "String inverted index cannot be enabled"),
    (keyed("#document", "int", "int_inverted_index", OFF), "#document cannot have any value type other than string"),
    (keyed("#embedding", "int", "int_inverted_index", OFF), "#embedding cannot have any value type other"),
    (keyed("#foo", "int", "int_inverted_index", OFF), "key cannot begin with '#'"),
    (vector({"source_key": "body"}), "can only source from #document, got 'body'"),
    (vector({"space": "euclid"}), "unknown space 'euclid'"),
    (vector({"foo": 1}), "unknown field `foo`, expected one of `space`"),
    (vector({"hnsw": {}, "spann": {}}), "Both spann and hnsw"),
    (vector({"hnsw": {"batch_size": 1}}), "between 2"),
    (vector({"hnsw": {"foo": 1}}), "unknown field `foo`"),
    (vector({"spann": {"search_nprobe": 129}}), "between 1 and 128"),
    (vector({"embedding_function": {"type": "x"}}), "known, legacy or unknown, got 'x'"),
    (vector({"embedding_function": {"type": "known"}}), "needs a name"),
    (
        sparse({"source_key": "#foo", "embedding_function": LETTERS_FORM}),
        "source_key cannot begin with '#' unless it is '#document', got '#foo'",
    ),
    (sparse({"source_key": "body"}), "embedding_function must also be provided"),
    (sparse({"source_key": "body", "embedding_function": {"type": "unknown"}}), "must also be provided"),
    (keyed("x", "int", "int_inverted_index", {"config": {"foo": 1}}), "unknown field `foo`, expected one of no field"),
    ({"defaults": {}, "keys": {}, "cmek": {"gcp": "foo"}}, "CMEK does not match"),
]


@pytest.mark.parametrize(("form", "gist"), REFUSED, ids=[gist for _, gist in REFUSED])
def test_a_schema_that_no_collection_can_have_is_refused(form: dict[str, Any], gist: str) -> None:
    with pytest.raises(InvalidConfigError, match=gist):
        checked_form(form)


@pytest.mark.parametrize(
    "form",
    [
        5,
        {"defaults": []},
        {"keys": "x"},
        {"keys": {"x": 1}},
        {"keys": {"x": {"int": 1}}},
        {"keys": {"x": {"int": {"int_inverted_index": True}}}},
        keyed("x", "int", "int_inverted_index", {"enabled": "yes"}),
        keyed("x", "int", "int_inverted_index", {"config": [1]}),
        vector({"hnsw": 5}),
        vector({"embedding_function": "default"}),
        sparse({"bm25": 1}),
        sparse({"source_key": 5}),
        {"cmek": "x"},
        {"cmek": {"gcp": 1}},
    ],
    ids=str,
)
def test_json_of_another_shape_is_a_type_error(form: Any) -> None:
    with pytest.raises(WrongTypeError, match="Expected"):
        checked_form(form)


def test_what_a_schema_writes_passes_and_is_not_changed() -> None:
    schema = Schema()
    for key in ("one", "two"):
        schema.create_index(SparseVectorIndexConfig(embedding_function=Letters(), source_key="body", bm25=True), key)
    form = schema.serialize_to_json()
    before = copy.deepcopy(form)
    assert checked_form(form) == before
    assert form == before


def test_gaps_are_filled_and_unknown_parts_are_dropped() -> None:
    assert checked_form({"keys": {"x": {"int": {"int_inverted_index": {}, "foo": 1}, "bar": 2}, "y": {}}}) == {
        "defaults": {},
        "keys": {"x": {"int": {"int_inverted_index": ON}}, "y": {}},
    }
    assert checked_form({}) == {"defaults": {}, "keys": {}}


def test_a_disabled_index_may_be_named_anywhere() -> None:
    for form in (
        keyed("x", "float_list", "vector_index", OFF),
        keyed("x", "string", "fts_index", OFF),
        vector({"space": "ip", "source_key": "#document"}),
    ):
        assert checked_form(form) == form


def test_an_encryption_key_is_kept_with_a_warning_that_it_is_not_used() -> None:
    cmek = {"gcp": "projects/p/locations/l/keyRings/r/cryptoKeys/k"}
    with pytest.warns(UserWarning, match="nothing is encrypted"):
        assert checked_form({"cmek": cmek})["cmek"] == cmek
