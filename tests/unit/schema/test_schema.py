from __future__ import annotations

import copy

import pytest
from pydantic import ValidationError

from chroma_search.dsl.key import Key
from chroma_search.errors import InternalError, InvalidConfigError, WrongTypeError
from chroma_search.schema import (
    BoolInvertedIndexConfig,
    Cmek,
    FloatInvertedIndexConfig,
    FtsIndexConfig,
    HnswIndexConfig,
    IntInvertedIndexConfig,
    Schema,
    SpannIndexConfig,
    SparseVectorIndexConfig,
    StringInvertedIndexConfig,
    ValueTypes,
    VectorIndexConfig,
)
from chroma_search.schema.value_types import LAYOUT, SLOTS, get_index
from tests.unit.schema.schema_functions import LENGTHS_FORM, LETTERS_FORM, Lengths, Letters

SCALAR_CONFIGS = {
    "string_inverted_index": StringInvertedIndexConfig,
    "int_inverted_index": IntInvertedIndexConfig,
    "float_inverted_index": FloatInvertedIndexConfig,
    "bool_inverted_index": BoolInvertedIndexConfig,
}


def is_on(schema: Schema, key: str | None, index: str) -> bool | None:
    place = schema.defaults if key is None else schema.keys.get(key, ValueTypes())
    found = get_index(place, SLOTS[index])
    return None if found is None else found.enabled


def test_a_new_schema_has_upstreams_defaults() -> None:
    schema = Schema()
    assert {slot.index: is_on(schema, None, slot.index) for slot in LAYOUT} == {
        "fts_index": False,
        "string_inverted_index": True,
        "vector_index": False,
        "sparse_vector_index": False,
        "int_inverted_index": True,
        "float_inverted_index": True,
        "bool_inverted_index": True,
    }
    assert list(schema.keys) == ["#document", "#embedding"]
    assert is_on(schema, "#document", "fts_index") is True
    assert is_on(schema, "#document", "string_inverted_index") is False
    assert is_on(schema, "#embedding", "vector_index") is True
    assert schema.keys["#embedding"].float_list.vector_index.config.source_key == "#document"  # type: ignore[union-attr]


def test_two_new_schemas_are_equal_and_independent() -> None:
    one, other = Schema(), Schema()
    assert one == other
    one.delete_index(IntInvertedIndexConfig())
    assert one != other
    assert other == Schema()
    assert copy.deepcopy(one).serialize_to_json() == one.serialize_to_json()


@pytest.mark.parametrize("index", SCALAR_CONFIGS)
@pytest.mark.parametrize("key", [None, "price", Key("price")], ids=["all keys", "str", "Key"])
def test_a_scalar_index_is_switched_off_and_on_for_one_key_or_all(index: str, key) -> None:
    schema = Schema()
    name = key.name if isinstance(key, Key) else key
    assert schema.delete_index(SCALAR_CONFIGS[index](), key) is schema
    assert is_on(schema, name, index) is False
    assert schema.create_index(SCALAR_CONFIGS[index](), key=key) is schema
    assert is_on(schema, name, index) is True


def test_a_key_may_say_something_about_several_value_types() -> None:
    schema = Schema().delete_index(IntInvertedIndexConfig(), "x").create_index(StringInvertedIndexConfig(), "x")
    assert is_on(schema, "x", "int_inverted_index") is False
    assert is_on(schema, "x", "string_inverted_index") is True
    assert is_on(schema, "x", "fts_index") is None
    assert schema.serialize_to_json()["keys"]["x"] == {
        "string": {"string_inverted_index": {"enabled": True, "config": {}}},
        "int": {"int_inverted_index": {"enabled": False, "config": {}}},
    }


@pytest.mark.parametrize("key", ["#document", Key.DOCUMENT], ids=["str", "Key"])
def test_full_text_search_can_be_switched_off_and_on_for_documents(key) -> None:
    schema = Schema().delete_index(FtsIndexConfig(), key)
    assert is_on(schema, "#document", "fts_index") is False
    assert is_on(schema, "#document", "string_inverted_index") is False
    assert is_on(schema.create_index(FtsIndexConfig(), key), "#document", "fts_index") is True


def test_a_vector_config_goes_to_defaults_and_embedding_and_keeps_flags_and_source() -> None:
    config = VectorIndexConfig(space="ip", hnsw=HnswIndexConfig(ef_search=7), source_key="body")
    schema = Schema().create_index(config)
    default = schema.defaults.float_list.vector_index  # type: ignore[union-attr]
    embedding = schema.keys["#embedding"].float_list.vector_index  # type: ignore[union-attr]
    assert (default.enabled, embedding.enabled) == (False, True)  # type: ignore[union-attr]
    assert (default.config.source_key, embedding.config.source_key) == ("body", "#document")  # type: ignore[union-attr]
    assert embedding.config.hnsw.ef_search == 7  # type: ignore[union-attr]


def test_a_vector_config_also_fits_a_schema_that_was_read_without_one() -> None:
    schema = Schema.deserialize_from_json({}).create_index(VectorIndexConfig(space="ip", embedding_function=None))
    assert schema.serialize_to_json()["keys"]["#embedding"]["float_list"]["vector_index"] == {
        "enabled": True,
        "config": {"space": "ip", "source_key": "#document", "embedding_function": {"type": "legacy"}},
    }


def test_several_keys_may_have_a_sparse_index() -> None:
    schema = Schema()
    for key in ("title_terms", "body_terms"):
        schema.create_index(SparseVectorIndexConfig(embedding_function=Letters(), source_key="#document"), key)
    assert [is_on(schema, key, "sparse_vector_index") for key in ("title_terms", "body_terms")] == [True, True]


REFUSALS = [
    ("create", None, None, "Cannot enable all index types globally"),
    ("delete", None, None, "Cannot disable all indexes"),
    ("create", None, "x", "Cannot enable all index types for key 'x'"),
    ("delete", None, "x", "Cannot disable all index types for key 'x'"),
    ("create", VectorIndexConfig(), "#embedding", "special key '#embedding'"),
    ("delete", VectorIndexConfig(), Key.EMBEDDING, "special key '#embedding'"),
    ("create", StringInvertedIndexConfig(), "#document", "special key '#document'"),
    ("delete", None, "#document", "special key '#document'"),
    ("create", IntInvertedIndexConfig(), "#id", "key cannot begin with '#'"),
    ("delete", IntInvertedIndexConfig(), Key.SCORE, "key cannot begin with '#'"),
    ("create", VectorIndexConfig(), "x", "Vector index cannot be enabled on specific keys"),
    ("delete", VectorIndexConfig(), None, "Deleting vector index is not currently supported"),
    ("delete", SparseVectorIndexConfig(), None, "Deleting sparse vector index is not currently supported"),
    ("delete", SparseVectorIndexConfig(), "x", "Deleting sparse vector index is not currently supported"),
    ("create", FtsIndexConfig(), None, "on #document"),
    ("create", FtsIndexConfig(), "x", "on #document"),
    ("delete", FtsIndexConfig(), "x", "on #document"),
    ("create", SparseVectorIndexConfig(), None, "must be created on a specific key"),
    ("create", SparseVectorIndexConfig(source_key="body"), "x", "embedding_function must also be provided"),
]


@pytest.mark.parametrize(("verb", "config", "key", "gist"), REFUSALS, ids=[gist for *_, gist in REFUSALS])
def test_what_no_collection_can_have_is_refused_and_changes_nothing(verb, config, key, gist: str) -> None:
    schema = Schema()
    with pytest.raises(InvalidConfigError, match=gist):
        getattr(schema, f"{verb}_index")(config, key)
    assert schema == Schema()


@pytest.mark.parametrize(
    ("config", "key"), [("fts", None), (FtsIndexConfig, "#document"), (FtsIndexConfig(), 5)], ids=str
)
def test_another_type_of_config_or_key_is_a_type_error(config, key) -> None:
    for method in (Schema().create_index, Schema().delete_index):
        with pytest.raises(WrongTypeError, match="Expected"):
            method(config, key)


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_the_json_form_has_functions_by_name_and_leaves_out_none() -> None:
    schema = Schema()
    schema.create_index(VectorIndexConfig(embedding_function=Lengths(), spann=SpannIndexConfig(search_nprobe=5)))
    # A Key is taken and stored as its name, which is the type of the field.
    sparse = SparseVectorIndexConfig(embedding_function=Letters(), source_key=Key.DOCUMENT, bm25=True)  # type: ignore[arg-type]
    schema.create_index(sparse, "sp")
    form = schema.serialize_to_json()
    assert form["defaults"]["float_list"]["vector_index"] == {
        "enabled": False,
        "config": {"space": "cosine", "spann": {"search_nprobe": 5}, "embedding_function": LENGTHS_FORM},
    }
    assert form["keys"]["sp"]["sparse_vector"]["sparse_vector_index"] == {
        "enabled": True,
        "config": {"source_key": "#document", "bm25": True, "embedding_function": LETTERS_FORM},
    }
    assert "cmek" not in form


def test_json_read_back_gives_the_same_json() -> None:
    schema = Schema().create_index(VectorIndexConfig(embedding_function=Lengths(3), hnsw=HnswIndexConfig(ef_search=5)))
    schema.create_index(SparseVectorIndexConfig(embedding_function=Letters(), source_key="body"), "sp")
    schema.set_cmek(Cmek.gcp("projects/p/locations/l/keyRings/r/cryptoKeys/k"))
    form = schema.serialize_to_json()
    read = Schema.deserialize_from_json(form)
    assert read.serialize_to_json() == form
    assert read.keys["#embedding"].float_list.vector_index.config.embedding_function.size == 3  # type: ignore[union-attr]


def test_an_unsupported_space_is_written_with_a_warning() -> None:
    schema = Schema().create_index(VectorIndexConfig(space="l2", embedding_function=Lengths()))
    with pytest.warns(UserWarning, match="space l2 is not supported by schema_test_lengths"):
        form = schema.serialize_to_json()
    assert form["keys"]["#embedding"]["float_list"]["vector_index"]["config"]["space"] == "l2"


def test_a_missing_enabled_is_true_and_a_missing_config_is_empty() -> None:
    schema = Schema.deserialize_from_json({"keys": {"x": {"int": {"int_inverted_index": {}}}}})
    assert is_on(schema, "x", "int_inverted_index") is True
    assert schema.serialize_to_json() == {
        "defaults": {},
        "keys": {"x": {"int": {"int_inverted_index": {"enabled": True, "config": {}}}}},
    }


@pytest.mark.parametrize("name", ["sparse_vector", "float_list"])
def test_a_function_that_cannot_be_rebuilt_is_none_with_a_warning(name: str) -> None:
    index = {"sparse_vector": "sparse_vector_index", "float_list": "vector_index"}[name]
    config = {"embedding_function": {"type": "known", "name": "nobody_registered_this", "config": {}}}
    with pytest.warns(UserWarning, match="nobody_registered_this"):
        schema = Schema.deserialize_from_json({"keys": {"x": {name: {index: {"config": config}}}}})
    assert get_index(schema.keys["x"], SLOTS[index]).config.embedding_function is None


def test_json_with_an_unknown_field_in_a_config_is_a_validation_error() -> None:
    with pytest.raises(ValidationError, match="'foo' is not a valid field for HnswIndexConfig"):
        Schema.deserialize_from_json(
            {"keys": {"#embedding": {"float_list": {"vector_index": {"config": {"hnsw": {"foo": 1}}}}}}}
        )


# --- keys seen in data -----------------------------------------------------------------------------------------------


def test_a_key_seen_in_data_gets_the_default_indexes_of_its_types_once() -> None:
    schema = Schema().delete_index(StringInvertedIndexConfig())
    for _ in range(2):
        schema.observe("x", "int")
        schema.observe("x", "string")
    assert schema.serialize_to_json()["keys"]["x"] == {
        "string": {
            "fts_index": {"enabled": False, "config": {}},
            "string_inverted_index": {"enabled": False, "config": {}},
        },
        "int": {"int_inverted_index": {"enabled": True, "config": {}}},
    }


def test_observing_does_not_touch_what_the_key_says_nor_share_the_defaults() -> None:
    schema = Schema().delete_index(IntInvertedIndexConfig(), "x")
    schema.observe("x", "int")
    assert is_on(schema, "x", "int_inverted_index") is False
    schema.observe("y", "int")
    schema.keys["y"].int_value.int_inverted_index.enabled = False  # type: ignore[union-attr]
    assert is_on(schema, None, "int_inverted_index") is True


def test_a_reserved_key_is_never_observed() -> None:
    with pytest.raises(InternalError):
        Schema().observe("#document", "string")
