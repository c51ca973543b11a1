from __future__ import annotations

import copy
import json
import pickle

import pytest

from chroma_search.errors import InvalidArgumentError, InvalidConfigError, WrongTypeError
from chroma_search.schema.configuration import (
    CollectionConfig,
    create_configuration,
    load_collection_configuration_from_json,
    load_collection_configuration_from_json_str,
    updated_configuration,
)
from chroma_search.schema.function_conflict import (
    validate_embedding_function_conflict_on_create,
    validate_embedding_function_conflict_on_get,
)
from chroma_search.schema.index_params import default_params
from tests.unit.schema.schema_functions import LEGACY, LENGTHS_FORM, Lengths, Nameless

HNSW_SHOWN = {
    "space": "l2",
    "ef_construction": 100,
    "ef_search": 100,
    "max_neighbors": 16,
    "resize_factor": 1.2,
    "sync_threshold": 1000,
}


def test_nothing_given_reads_back_as_upstreams_default() -> None:
    for given in (None, {}):
        assert create_configuration(given).to_json() == {
            "hnsw": HNSW_SHOWN,
            "spann": None,
            "embedding_function": None,
        }


def test_a_configuration_without_a_function_reads_back_as_legacy() -> None:
    assert create_configuration({"hnsw": {}}).to_json()["embedding_function"] == LEGACY
    assert create_configuration({"hnsw": None, "embedding_function": None}).embedding_function == LEGACY


def test_spann_reads_back_with_its_public_fields() -> None:
    form = create_configuration({"spann": {"space": "ip", "search_nprobe": 5, "nreplica_count": 3}}).to_json()
    assert form["hnsw"] is None
    assert form["spann"] == {"space": "ip", **default_params("spann"), "search_nprobe": 5}


def test_flat_has_a_space_and_nothing_else() -> None:
    config = create_configuration({"flat": {"space": "cosine"}})
    assert (config.index_kind, config.index_params) == ("flat", {})
    assert config.to_json() == {
        "hnsw": None,
        "spann": None,
        "flat": {"space": "cosine"},
        "embedding_function": LEGACY,
    }
    with pytest.raises(InvalidConfigError, match="unknown field `ef_search`, expected one of no field"):
        create_configuration({"flat": {"ef_search": 5}})


@pytest.mark.parametrize(
    ("given", "gist"),
    [
        ({"hnsw": {}, "spann": {}}, "hnsw and spann cannot both be provided"),
        ({"hnsw": {}, "flat": {}}, "hnsw and flat cannot both"),
        ({"spann": {}, "flat": {}, "hnsw": None}, "spann and flat cannot both"),
        ({"hnsw": {"space": "cosin"}}, "unknown space 'cosin', expected one of l2, cosine, ip"),
        ({"hnsw": {"space": []}}, "unknown space"),
        ({"hnsw": {"foo": 1}}, "unknown field `foo`"),
        ({"hnsw": {"ef_search": -1}}, "configuration.hnsw.ef_search"),
        ({"spann": {"search_nprobe": 129}}, "between 1 and 128"),
        ({"embedding_function": {"type": "x"}}, "known, legacy or unknown, got 'x'"),
        ({"embedding_function": {"type": "known"}}, "needs a name"),
    ],
    ids=str,
)
def test_what_no_collection_can_have_is_refused(given, gist: str) -> None:
    with pytest.raises(InvalidConfigError, match=gist):
        create_configuration(given)


@pytest.mark.parametrize("given", ["hnsw", 5, {"hnsw": "x"}, {"hnsw": []}, {"embedding_function": "x"}], ids=str)
def test_a_wrong_type_is_a_type_error(given) -> None:
    with pytest.raises(WrongTypeError, match="Expected"):
        create_configuration(given)


def test_an_unknown_top_level_name_is_ignored_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="'hnws' is ignored"):
        assert create_configuration({"hnws": {"ef_search": 5}}).index_params == default_params("hnsw")


def test_the_argument_is_left_as_it_was() -> None:
    given = {"hnsw": {"ef_search": 7}, "embedding_function": Lengths()}
    create_configuration(given, {"hnsw:M": 5})
    assert given["hnsw"] == {"ef_search": 7}


# --- where the space comes from --------------------------------------------------------------------------------------


def test_the_functions_default_space_is_taken_when_none_is_named() -> None:
    for given in ({"embedding_function": Lengths()}, {"embedding_function": Lengths(), "hnsw": {"ef_search": 5}}):
        config = create_configuration(given)
        assert config.space == "cosine"
        assert config.embedding_function == LENGTHS_FORM


def test_a_legacy_function_has_no_say_in_the_space() -> None:
    with pytest.warns(DeprecationWarning, match="name"):
        config = create_configuration({"embedding_function": Nameless()})
    assert (config.space, config.embedding_function) == ("l2", LEGACY)


def test_an_unsupported_space_is_kept_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="space l2 is not supported by schema_test_lengths"):
        assert create_configuration({"embedding_function": Lengths(), "hnsw": {"space": "l2"}}).space == "l2"


def test_a_function_that_arrives_as_json_is_kept_word_for_word() -> None:
    form = {"type": "known", "name": "not_registered_here", "config": {"a": [1]}}
    config = create_configuration({"hnsw": {"space": "ip"}, "embedding_function": form})
    assert config.to_json()["embedding_function"] == form
    assert create_configuration({"embedding_function": form}).space == "l2"


# --- legacy metadata -------------------------------------------------------------------------------------------------

LEGACY_METADATA = {
    "title": "x",
    "hnsw:space": "ip",
    "hnsw:construction_ef": 11,
    "hnsw:M": 5,
    "hnsw:search_ef": 12,
    "hnsw:num_threads": 2,
    "hnsw:batch_size": 33,
    "hnsw:sync_threshold": 44,
    "hnsw:resize_factor": 1.5,
}
FROM_LEGACY = {
    "ef_construction": 11,
    "max_neighbors": 5,
    "ef_search": 12,
    "num_threads": 2,
    "batch_size": 33,
    "sync_threshold": 44,
    "resize_factor": 1.5,
}


@pytest.mark.parametrize("given", [None, {"hnsw": {}}, {"hnsw": {"ef_search": 100, "space": "l2"}}], ids=str)
def test_legacy_metadata_count_when_the_configuration_says_nothing_but_defaults(given) -> None:
    config = create_configuration(given, LEGACY_METADATA)
    assert (config.space, config.index_params) == ("ip", FROM_LEGACY)


def test_a_configuration_that_says_something_outranks_legacy_metadata_as_a_whole() -> None:
    config = create_configuration({"hnsw": {"ef_search": 55}}, LEGACY_METADATA)
    assert (config.space, config.index_params) == ("l2", {**default_params("hnsw"), "ef_search": 55})


def test_the_legacy_space_outranks_the_functions_default_and_counts_for_flat_and_spann() -> None:
    assert create_configuration({"embedding_function": Lengths()}, {"hnsw:space": "ip"}).space == "ip"
    for kind in ("flat", "spann"):
        assert create_configuration({kind: {}}, LEGACY_METADATA).space == "ip"
        assert create_configuration({kind: {"space": "cosine"}}, LEGACY_METADATA).space == "cosine"


def test_other_legacy_metadata_do_not_hide_the_functions_default_space() -> None:
    config = create_configuration({"embedding_function": Lengths()}, {"hnsw:M": 5})
    assert (config.space, config.index_params["max_neighbors"]) == ("cosine", 5)


@pytest.mark.parametrize(
    "metadata", [{"hnsw:foo": 1}, {"hnsw:": 1}, {"hnsw:space": "foo"}, {"hnsw:M": "x"}, {"hnsw:M": 0}], ids=str
)
def test_wrong_legacy_metadata_are_refused(metadata) -> None:
    with pytest.raises(InvalidConfigError, match="metadata"):
        create_configuration(None, metadata)


def test_a_legacy_value_of_none_counts_as_absent() -> None:
    assert create_configuration(None, {"hnsw:M": None}) == CollectionConfig()


# --- stored and read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        CollectionConfig(),
        create_configuration({"flat": {"space": "ip"}}),
        create_configuration({"spann": {"split_threshold": 100}}),
        create_configuration({"hnsw": {"num_threads": 3, "batch_size": 7}, "embedding_function": Lengths(5)}),
    ],
    ids=lambda config: config.index_kind,
)
def test_a_stored_configuration_comes_back_equal(config: CollectionConfig) -> None:
    assert CollectionConfig.from_stored(json.loads(json.dumps(config.to_stored()))) == config
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == config


def test_parameters_that_an_older_version_did_not_store_take_their_defaults() -> None:
    form = {"space": "ip", "index_kind": "hnsw", "index_params": {"ef_search": 9}}
    config = CollectionConfig.from_stored(form)
    assert config.index_params == {**default_params("hnsw"), "ef_search": 9}
    assert config.embedding_function is None


@pytest.mark.parametrize("form", [{}, {"index_kind": "tree"}, {"index_kind": "hnsw", "space": "x"}], ids=str)
def test_a_damaged_stored_configuration_is_a_typed_error(form) -> None:
    with pytest.raises(InvalidConfigError):
        CollectionConfig.from_stored(form)


def test_loading_gives_the_function_as_an_object() -> None:
    form = create_configuration({"hnsw": {"space": "ip"}, "embedding_function": Lengths(7)}).to_json()
    loaded = load_collection_configuration_from_json_str(json.dumps(form))
    assert loaded["embedding_function"].size == 7
    assert (loaded["hnsw"], loaded["spann"]) == (form["hnsw"], None)


@pytest.mark.parametrize("form", [{}, {"embedding_function": None}, {"embedding_function": LEGACY}], ids=str)
def test_loading_no_function_or_a_legacy_one_gives_none(form) -> None:
    assert load_collection_configuration_from_json(form)["embedding_function"] is None


@pytest.mark.parametrize(
    "form",
    [
        {"hnsw": {}, "spann": {}},
        {"embedding_function": {"type": "known"}},
        {"embedding_function": {"type": "known", "name": "nobody_registered_this", "config": {}}},
    ],
    ids=str,
)
def test_loading_what_cannot_be_built_is_an_error(form) -> None:
    with pytest.raises(InvalidConfigError):
        load_collection_configuration_from_json(form)


def test_loading_a_flat_configuration_keeps_flat() -> None:
    form = create_configuration({"flat": {"space": "ip"}}).to_json()
    assert load_collection_configuration_from_json(form).get("flat") == {"space": "ip"}
    assert "flat" not in load_collection_configuration_from_json(CollectionConfig().to_json())


# --- updates ---------------------------------------------------------------------------------------------------------


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    config = create_configuration({"hnsw": {"space": "ip", "max_neighbors": 7}, "embedding_function": Lengths()})
    updated = updated_configuration(config, {"hnsw": {"ef_search": 9, "resize_factor": None}})
    assert updated.index_params == {**config.index_params, "ef_search": 9}
    assert (updated.space, updated.embedding_function) == ("ip", LENGTHS_FORM)
    assert config.index_params["ef_search"] == 100


@pytest.mark.parametrize("update", [None, {}, {"hnsw": None}, {"hnsw": {}}, {"embedding_function": None}], ids=str)
def test_an_empty_update_changes_nothing(update) -> None:
    config = create_configuration({"embedding_function": Lengths()})
    assert updated_configuration(config, update) == config


def test_spann_takes_its_two_fields() -> None:
    config = create_configuration({"spann": {}})
    updated = updated_configuration(config, {"spann": {"search_nprobe": 3, "ef_search": 4}})
    assert updated.index_params == {**default_params("spann"), "search_nprobe": 3, "ef_search": 4}
    with pytest.raises(InvalidConfigError, match="unknown field `write_nprobe`, expected one of `search_nprobe`"):
        updated_configuration(config, {"spann": {"write_nprobe": 3}})


@pytest.mark.parametrize(
    ("kind", "update", "gist"),
    [
        ("hnsw", {"hnsw": {"space": "ip"}}, "unknown field `space`"),
        ("hnsw", {"hnsw": {"ef_construction": 5}}, "unknown field `ef_construction`"),
        ("hnsw", {"hnsw": {"ef_search": 0}}, "between 1"),
        ("hnsw", {"hnsw": {}, "spann": {}}, "cannot both"),
        ("hnsw", {"spann": {"ef_search": 5}}, "Trying to update SPANN config but the collection has HNSW"),
        ("spann", {"hnsw": {"ef_search": 5}}, "Trying to update HNSW config but the collection has SPANN"),
        ("flat", {"hnsw": {"ef_search": 5}}, "but the collection has FLAT"),
        ("hnsw", {"flat": {}}, "Trying to update FLAT"),
    ],
    ids=str,
)
def test_an_update_that_cannot_be_is_refused(kind, update, gist: str) -> None:
    with pytest.raises(InvalidConfigError, match=gist):
        updated_configuration(create_configuration({kind: {}}), update)


def test_an_update_of_a_wrong_type_is_a_type_error() -> None:
    for update in ("x", {"hnsw": 5}):
        with pytest.raises(WrongTypeError):
            updated_configuration(CollectionConfig(), update)  # type: ignore[arg-type]


def test_a_function_of_the_same_name_is_taken_after_its_own_check() -> None:
    config = create_configuration({"embedding_function": Lengths(3)})
    assert updated_configuration(config, {"embedding_function": Lengths(4)}).embedding_function == {
        **LENGTHS_FORM,
        "config": {"size": 4},
    }
    with pytest.raises(ValueError, match="cannot shrink"):
        updated_configuration(config, {"embedding_function": Lengths(2)})
    with pytest.raises(ValueError, match="cannot shrink"):
        updated_configuration(config, {"embedding_function": LENGTHS_FORM})


def test_a_function_of_another_name_is_refused() -> None:
    config = create_configuration({"embedding_function": {"type": "known", "name": "other", "config": {}}})
    with pytest.raises(InvalidConfigError, match=r"incompatible types \(other vs schema_test_lengths\)"):
        updated_configuration(config, {"embedding_function": Lengths()})


@pytest.mark.parametrize("before", [None, {"hnsw": {}}], ids=["no function", "legacy"])
def test_any_function_is_taken_where_there_was_none(before) -> None:
    updated = updated_configuration(create_configuration(before), {"embedding_function": Lengths()})
    assert updated.embedding_function == LENGTHS_FORM
    assert updated.space == "l2"


def test_a_legacy_function_does_not_replace_a_described_one() -> None:
    config = create_configuration({"embedding_function": Lengths()})
    with pytest.warns(DeprecationWarning, match="the old one is kept"):
        assert updated_configuration(config, {"embedding_function": LEGACY}) == config


# --- functions passed beside the stored one --------------------------------------------------------------------------


class Default(Lengths):
    @staticmethod
    def name() -> str:
        return "default"


def test_functions_conflict_by_name_unless_the_argument_is_the_default_one() -> None:
    other = {"type": "known", "name": "other", "config": {}}
    validate_embedding_function_conflict_on_create(Default(), Lengths())
    validate_embedding_function_conflict_on_create(Lengths(1), Lengths(2))
    validate_embedding_function_conflict_on_create(None, Lengths())
    validate_embedding_function_conflict_on_create(Lengths(), None)
    validate_embedding_function_conflict_on_get(Default(), other)
    validate_embedding_function_conflict_on_get(Lengths(), LENGTHS_FORM)
    for free in (None, LEGACY):
        validate_embedding_function_conflict_on_get(Lengths(), free)
    with pytest.raises(InvalidArgumentError, match="schema_test_lengths vs default"):
        validate_embedding_function_conflict_on_create(Lengths(), Default())
    with pytest.raises(InvalidArgumentError, match="new: schema_test_lengths vs persisted: other"):
        validate_embedding_function_conflict_on_get(Lengths(), other)
    with pytest.raises(InvalidArgumentError, match="new: function vs persisted: other"):
        validate_embedding_function_conflict_on_get(lambda input: input, other)
