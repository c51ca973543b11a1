from __future__ import annotations

from typing import Any

import pytest

from chroma_search.errors import InvalidConfigError
from chroma_search.schema import (
    HnswIndexConfig,
    Schema,
    SpannIndexConfig,
    StringInvertedIndexConfig,
    VectorIndexConfig,
)
from chroma_search.schema.configuration import CollectionConfig, create_configuration
from chroma_search.schema.index_params import default_params
from chroma_search.schema.reconcile import resolve_configuration
from chroma_search.schema.schema_validation import checked_form
from tests.unit.schema.schema_functions import LEGACY, LENGTHS_FORM, Lengths

DEFAULT = {"type": "known", "name": "default", "config": {}}


def stored(schema: Schema) -> dict[str, Any]:
    return checked_form(schema.serialize_to_json())


COSINE = stored(Schema().create_index(VectorIndexConfig(space="cosine")))


def default_function() -> Any:
    return VectorIndexConfig().embedding_function


def test_without_a_schema_the_configuration_counts() -> None:
    assert resolve_configuration({"hnsw": {"space": "ip"}}, None, None) == create_configuration(
        {"hnsw": {"space": "ip"}}
    )
    assert resolve_configuration(None, None, None) == CollectionConfig()


@pytest.mark.parametrize("configuration", [None, {}, {"hnsw": {}}, {"hnsw": {"ef_search": 100}}], ids=str)
def test_a_configuration_of_defaults_leaves_the_word_to_the_schema(configuration: Any) -> None:
    config = resolve_configuration(configuration, {"title": "x"}, COSINE)
    assert (config.space, config.embedding_function) == ("cosine", DEFAULT)


def test_the_default_function_as_an_argument_leaves_the_word_to_the_schema() -> None:
    configuration = {"embedding_function": default_function()}
    schema = stored(Schema().create_index(VectorIndexConfig(embedding_function=Lengths())))
    config = resolve_configuration(configuration, None, schema)
    assert (config.space, config.embedding_function) == ("cosine", LENGTHS_FORM)


def test_a_schema_that_asks_for_no_function_gets_none_even_beside_the_default_argument() -> None:
    schema = stored(Schema().create_index(VectorIndexConfig(embedding_function=None)))
    config = resolve_configuration({"embedding_function": default_function()}, None, schema)
    assert config.embedding_function == LEGACY


def test_hnsw_and_spann_of_a_schema_are_completed() -> None:
    hnsw = stored(Schema().create_index(VectorIndexConfig(hnsw=HnswIndexConfig(ef_search=9))))
    assert resolve_configuration(None, None, hnsw).index_params == {**default_params("hnsw"), "ef_search": 9}
    spann = stored(Schema().create_index(VectorIndexConfig(spann=SpannIndexConfig())))
    config = resolve_configuration(None, None, spann)
    assert (config.index_kind, config.index_params) == ("spann", default_params("spann"))


@pytest.mark.parametrize(
    "schema",
    [Schema(), Schema().delete_index(StringInvertedIndexConfig())],
    ids=["untouched", "speaks of other keys"],
)
def test_a_schema_that_says_nothing_of_vectors_goes_with_any_configuration(schema: Schema) -> None:
    configuration = {"hnsw": {"ef_search": 7}, "embedding_function": Lengths()}
    config = resolve_configuration(configuration, None, stored(schema))
    assert config == create_configuration(configuration)
    assert resolve_configuration(None, {"hnsw:space": "ip"}, stored(schema)).space == "ip"
    assert resolve_configuration({"flat": {}}, None, stored(schema)).index_kind == "flat"


def test_where_the_configuration_names_no_function_the_schemas_counts() -> None:
    assert resolve_configuration(None, None, stored(Schema())).embedding_function == DEFAULT
    own = stored(Schema().create_index(VectorIndexConfig(embedding_function=Lengths())))
    assert resolve_configuration(None, None, own).embedding_function == LENGTHS_FORM


@pytest.mark.parametrize(
    ("configuration", "metadata"),
    [
        ({"hnsw": {"space": "ip"}}, None),
        ({"hnsw": {"ef_search": 5}}, None),
        ({"spann": {}}, None),
        ({"flat": {}}, None),
        ({"embedding_function": Lengths()}, None),
        (None, {"hnsw:space": "ip"}),
        (None, {"hnsw:M": 5}),
    ],
    ids=lambda value: ", ".join(value or ()) or "nothing",  # no address of an object: test ids stay the same
)
def test_two_different_vector_indexes_are_refused(configuration: Any, metadata: Any) -> None:
    with pytest.raises(InvalidConfigError, match="Cannot set both collection config and schema simultaneously"):
        resolve_configuration(configuration, metadata, COSINE)


def test_the_same_vector_index_may_be_said_twice() -> None:
    schema = stored(Schema().create_index(VectorIndexConfig(embedding_function=Lengths())))
    config = resolve_configuration({"embedding_function": Lengths()}, None, schema)
    assert (config.space, config.embedding_function) == ("cosine", LENGTHS_FORM)


def test_a_form_without_any_vector_index_says_nothing() -> None:
    assert resolve_configuration(None, None, checked_form({})) == CollectionConfig()


def test_a_form_that_only_has_defaults_speaks_through_them() -> None:
    form = checked_form({"defaults": {"float_list": {"vector_index": {"enabled": False, "config": {"space": "ip"}}}}})
    assert resolve_configuration(None, None, form).space == "ip"
