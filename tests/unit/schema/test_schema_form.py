from __future__ import annotations

import json

import pytest

from chroma_search.model.sparse_vector import SparseVector
from chroma_search.schema import IntInvertedIndexConfig, Schema
from chroma_search.schema.configuration import CollectionConfig, create_configuration
from chroma_search.schema.index_params import default_params
from chroma_search.schema.schema_form import complete_form, default_form
from chroma_search.schema.schema_validation import checked_form
from chroma_search.schema.value_types import ValueTypeName, value_type_of
from tests.unit.schema.schema_functions import LENGTHS_FORM, Lengths


def test_the_default_form_is_what_an_untouched_schema_writes_but_for_the_functions() -> None:
    form = Schema().serialize_to_json()
    for place in (form["defaults"], form["keys"]["#embedding"]):
        config = place["float_list"]["vector_index"]["config"]
        del config["embedding_function"], config["space"]
    form["defaults"]["sparse_vector"]["sparse_vector_index"]["config"]["bm25"] = False
    assert default_form() == form


def test_a_collection_without_a_schema_reads_back_a_whole_one() -> None:
    form = complete_form(None, CollectionConfig())
    vector = {"space": "l2", "hnsw": default_params("hnsw")}
    assert form["defaults"]["float_list"]["vector_index"] == {"enabled": False, "config": vector}
    assert form["keys"]["#embedding"]["float_list"]["vector_index"] == {
        "enabled": True,
        "config": {**vector, "source_key": "#document"},
    }
    assert json.loads(json.dumps(form)) == form


def test_the_vector_index_is_the_collections_own_and_not_the_stored_schemas() -> None:
    config = create_configuration({"spann": {"space": "ip"}, "embedding_function": Lengths()})
    stored = checked_form(
        {"keys": {"#embedding": {"float_list": {"vector_index": {"config": {"hnsw": {"ef_search": 5}}}}}}}
    )
    index = complete_form(stored, config)["keys"]["#embedding"]["float_list"]["vector_index"]
    assert index["config"] == {
        "space": "ip",
        "spann": default_params("spann"),
        "embedding_function": LENGTHS_FORM,
        "source_key": "#document",
    }


def test_a_flat_collection_shows_its_space_alone() -> None:
    form = complete_form(None, create_configuration({"flat": {"space": "cosine"}}))
    assert form["defaults"]["float_list"]["vector_index"]["config"] == {
        "space": "cosine",
        "embedding_function": {"type": "legacy"},
    }


def test_what_the_schema_says_stays_and_observed_keys_follow_its_defaults() -> None:
    schema = Schema().delete_index(IntInvertedIndexConfig()).create_index(IntInvertedIndexConfig(), "x")
    stored = checked_form(schema.serialize_to_json())
    form = complete_form(stored, CollectionConfig(), {"x": ["int", "float"], "y": ["int"]})
    assert form["keys"]["x"] == {
        "int": {"int_inverted_index": {"enabled": True, "config": {}}},
        "float": {"float_inverted_index": {"enabled": True, "config": {}}},
    }
    assert form["keys"]["y"] == {"int": {"int_inverted_index": {"enabled": False, "config": {}}}}
    assert "y" not in stored["keys"]


def test_observing_by_form_and_by_schema_agree() -> None:
    observed: dict[str, list[ValueTypeName]] = {"x": ["string", "sparse_vector"], "y": ["bool"]}
    form = complete_form(None, create_configuration({"embedding_function": Lengths()}), observed)
    schema = Schema.deserialize_from_json(complete_form(None, create_configuration({"embedding_function": Lengths()})))
    for key, value_types in observed.items():
        for value_type in value_types:
            schema.observe(key, value_type)
    assert schema.serialize_to_json() == form


def test_each_complete_form_is_a_new_one() -> None:
    config = create_configuration({"embedding_function": Lengths()})
    form = complete_form(None, config)
    form["keys"]["#embedding"]["float_list"]["vector_index"]["config"]["embedding_function"]["name"] = "other"
    assert config.embedding_function == LENGTHS_FORM
    assert form["defaults"]["float_list"]["vector_index"]["config"]["embedding_function"] == LENGTHS_FORM


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "bool"),
        (1, "int"),
        (1.0, "float"),
        ("1", "string"),
        (SparseVector([1], [1.0]), "sparse_vector"),
        ([True], "bool"),
        ([1, 2], "int"),
        ([1.5], "float"),
        (["a"], "string"),
        (None, None),
        ([], None),
        ([None], None),
    ],
    ids=str,
)
def test_a_value_is_indexed_under_its_own_type_and_a_list_under_its_elements(value: object, name: str | None) -> None:
    assert value_type_of(value) == name
