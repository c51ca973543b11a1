from __future__ import annotations

from typing import Any

import pytest

from chroma_search.errors import InvalidFilterError
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.schema import (
    BoolInvertedIndexConfig,
    FloatInvertedIndexConfig,
    FtsIndexConfig,
    IntInvertedIndexConfig,
    Schema,
    SparseVectorIndexConfig,
    StringInvertedIndexConfig,
    VectorIndexConfig,
)
from chroma_search.schema.index_rules import IndexRules, SparseKey, functions_of
from chroma_search.schema.schema_validation import checked_form
from tests.unit.schema.schema_functions import LETTERS_FORM, Lengths, Letters


def rules_of(schema: Schema, **functions: Any) -> IndexRules:
    return IndexRules(checked_form(schema.serialize_to_json()), functions)


def refuses(rules: IndexRules, key: str, operand: object) -> bool:
    try:
        rules.check_filter(key, operand)
    except InvalidFilterError:
        return True
    return False


@pytest.mark.parametrize(
    "rules", [IndexRules(), rules_of(Schema()), IndexRules(checked_form({}))], ids=["none", "new", "empty"]
)
def test_without_a_word_everything_may_be_filtered_but_documents_by_equality(rules: IndexRules) -> None:
    for operand in ("x", 1, 1.5, True, ["a"], [1, 2.5], None, [], SparseVector([1], [1.0])):
        rules.check_filter("x", operand)
        rules.check_filter("#id", operand)
        rules.check_filter("#embedding", operand)
    assert refuses(rules, "#document", "x")
    assert not refuses(rules, "#document", 1)
    rules.check_text_filter()
    assert rules.fts_enabled()
    assert not rules.fts_enabled("title")
    assert rules.is_enabled("#embedding", "vector_index")
    assert not rules.is_enabled("title", "vector_index")
    assert dict(rules.sparse_keys) == {}
    assert not rules.is_bm25("x")
    assert rules.has_key("#document")
    assert not rules.has_key("x")
    assert rules.function_of("x") is None


CONFIGS = {
    "Str": (StringInvertedIndexConfig, "x"),
    "Int": (IntInvertedIndexConfig, 1),
    "Float": (FloatInvertedIndexConfig, 1.0),
    "Bool": (BoolInvertedIndexConfig, True),
}


@pytest.mark.parametrize("word", CONFIGS)
def test_the_type_of_the_operand_decides(word: str) -> None:
    config, operand = CONFIGS[word]
    rules = rules_of(Schema().delete_index(config()))
    with pytest.raises(InvalidFilterError) as caught:
        rules.check_filter("k", operand)
    assert str(caught.value) == f"Cannot filter using metadata key 'k' with type '{word}' because indexing is disabled"
    for other, (_, value) in CONFIGS.items():
        assert refuses(rules, "k", value) is (other == word)
        assert refuses(rules, "k", [value]) is (other == word)
    assert not refuses(rules, "#id", operand)


def test_every_element_of_a_list_is_looked_at() -> None:
    rules = rules_of(Schema().delete_index(FloatInvertedIndexConfig()))
    assert refuses(rules, "k", [1, 2, 1.5])
    assert not refuses(rules, "k", [1, 2])


def test_a_key_outranks_the_defaults_in_both_directions() -> None:
    on = rules_of(Schema().delete_index(IntInvertedIndexConfig()).create_index(IntInvertedIndexConfig(), "n"))
    off = rules_of(Schema().delete_index(IntInvertedIndexConfig(), "n"))
    assert (refuses(on, "n", 1), refuses(on, "m", 1)) == (False, True)
    assert (refuses(off, "n", 1), refuses(off, "m", 1)) == (True, False)


def test_a_key_that_speaks_of_another_type_falls_back_to_the_defaults() -> None:
    rules = rules_of(Schema().delete_index(IntInvertedIndexConfig()).create_index(StringInvertedIndexConfig(), "n"))
    assert refuses(rules, "n", 1)


def test_documents_keep_their_own_rule_when_all_strings_are_switched_on() -> None:
    form = checked_form({"defaults": {"string": {"string_inverted_index": {"enabled": True}}}})
    assert refuses(IndexRules(form), "#document", "x")


def test_text_filters_are_refused_when_full_text_search_is_off() -> None:
    rules = rules_of(Schema().delete_index(FtsIndexConfig(), "#document"))
    assert not rules.fts_enabled()
    with pytest.raises(InvalidFilterError) as caught:
        rules.check_text_filter()
    assert str(caught.value) == "Cannot filter using full-text search because FTS indexing is disabled"


def two_sparse_keys() -> Schema:
    schema = Schema().create_index(SparseVectorIndexConfig(), "plain")
    return schema.create_index(
        SparseVectorIndexConfig(embedding_function=Letters(), source_key="#document", bm25=True), "terms"
    )


def test_sparse_keys_come_with_source_flag_and_function() -> None:
    rules = rules_of(two_sparse_keys())
    assert list(rules.sparse_keys.values()) == [
        SparseKey("plain", None, False, False),
        SparseKey("terms", "#document", True, True),
    ]
    assert (rules.is_bm25("terms"), rules.is_bm25("plain"), rules.is_bm25("other")) == (True, False, False)
    assert isinstance(rules.function_of("terms"), Letters)
    assert rules.function_of("plain") is None


def test_a_disabled_sparse_index_is_none() -> None:
    config = {"embedding_function": LETTERS_FORM, "bm25": True}
    form = {"keys": {"sp": {"sparse_vector": {"sparse_vector_index": {"enabled": False, "config": config}}}}}
    rules = IndexRules(checked_form(form))
    assert dict(rules.sparse_keys) == {}
    assert rules.function_of("sp") is None


def test_a_function_at_hand_is_used_and_a_rebuilt_one_is_built_once() -> None:
    mine = Letters()
    schema = two_sparse_keys()
    assert rules_of(schema, terms=mine).function_of("terms") is mine
    rules = rules_of(schema)
    assert rules.function_of("terms") is rules.function_of("terms")
    terms = schema.keys["terms"].sparse_vector
    assert terms is not None
    assert terms.sparse_vector_index is not None
    assert functions_of(schema)["terms"] is terms.sparse_vector_index.config.embedding_function


def test_the_dense_function_of_the_embedding_key_is_the_schemas() -> None:
    schema = Schema().create_index(VectorIndexConfig(embedding_function=Lengths(5)))
    function = rules_of(schema).function_of("#embedding")
    assert isinstance(function, Lengths)
    assert function.size == 5
    assert functions_of(schema)["#embedding"].size == 5
    assert "#embedding" not in functions_of(Schema().create_index(VectorIndexConfig(embedding_function=None)))


def test_a_function_that_cannot_be_rebuilt_is_none_with_one_warning() -> None:
    config = {"embedding_function": {"type": "known", "name": "nobody_registered_this", "config": {}}}
    form = {"keys": {"sp": {"sparse_vector": {"sparse_vector_index": {"config": config}}}}}
    rules = IndexRules(checked_form(form))
    with pytest.warns(UserWarning, match="nobody_registered_this"):
        assert rules.function_of("sp") is None
    assert rules.function_of("sp") is None
    assert rules.sparse_keys["sp"].has_function
