"""What a Chroma collection was configured to be, from each of the places where releases have written it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

import chroma_search
from chroma_search.exchange.chroma_configuration import plan_collection
from chroma_search.exchange.chroma_tables import SourceCollection
from chroma_search.schema.schema_form import default_form


def source(
    *,
    metadata: dict[str, Any] | None = None,
    configuration: Any = None,
    schema: Any = None,
    index_metadata: dict[str, Any] | None = None,
) -> SourceCollection:
    return SourceCollection(
        id="c",
        name="docs",
        tenant="t",
        database="d",
        dimension=3,
        metadata=metadata,
        configuration=configuration,
        schema=schema,
        topic="c",
        vector_segment="v",
        metadata_segment="m",
        index_metadata=index_metadata or {},
    )


def schema_form(**config: Any) -> dict[str, Any]:
    form = deepcopy(default_form())
    form["keys"]["#embedding"]["float_list"]["vector_index"]["config"] = {"source_key": "#document", **config}
    form["defaults"]["float_list"]["vector_index"]["config"] = dict(config)
    return form


def test_a_collection_that_says_nothing_is_an_l2_one() -> None:
    plan = plan_collection(source())
    assert (plan.configuration, plan.metadata, plan.schema, plan.warnings) == (
        {"hnsw": {"space": "l2"}},
        None,
        None,
        (),
    )


def test_old_metadata_give_space_and_parameters() -> None:
    metadata = {"hnsw:space": "ip", "hnsw:M": 24, "hnsw:construction_ef": 50, "hnsw:num_threads": 3, "topic": "x"}
    plan = plan_collection(source(metadata=metadata, index_metadata=metadata))
    assert plan.configuration == {"hnsw": {"space": "ip", "max_neighbors": 24, "ef_construction": 50}}
    assert (plan.space, plan.max_neighbors, plan.metadata, plan.warnings) == ("ip", 24, metadata, ())


def test_the_segment_remembers_what_modified_metadata_have_forgotten() -> None:
    plan = plan_collection(source(metadata={"topic": "x"}, index_metadata={"hnsw:space": "cosine"}))
    assert plan.configuration == {"hnsw": {"space": "cosine"}}


def test_what_0_6_wrote_as_configuration_does_not_count() -> None:
    idle = {"hnsw_configuration": {"space": "l2", "ef_search": 10, "M": 16}, "_type": "CollectionConfigurationInternal"}
    plan = plan_collection(source(configuration=idle, index_metadata={"hnsw:space": "cosine"}))
    assert plan.configuration == {"hnsw": {"space": "cosine"}}


def test_the_configuration_of_1_0_counts_and_its_function_is_carried_over() -> None:
    function = {"type": "known", "name": "of-another-machine", "config": {"model": "x"}}
    form = {"vector_index": {"hnsw": {"space": "cosine", "ef_search": 77}}, "embedding_function": function}
    plan = plan_collection(source(configuration=form))
    assert plan.configuration == {"hnsw": {"space": "cosine", "ef_search": 77}, "embedding_function": function}


def test_a_configuration_of_defaults_gives_way_to_old_metadata() -> None:
    form = {
        "vector_index": {"hnsw": {"space": "l2", "ef_search": 100, "max_neighbors": 16}},
        "embedding_function": None,
    }
    plan = plan_collection(source(configuration=form, index_metadata={"hnsw:space": "ip"}))
    assert plan.space == "ip"


def test_a_configuration_of_its_own_outranks_old_metadata_which_are_left_out() -> None:
    form = {"hnsw": {"space": "cosine"}, "embedding_function": None}
    plan = plan_collection(source(configuration=form, metadata={"hnsw:space": "ip", "a": 1}))
    assert (plan.space, plan.metadata) == ("cosine", {"a": 1})
    assert "hnsw:space" in plan.warnings[0]


def test_the_schema_outranks_everything_and_seen_keys_say_nothing() -> None:
    function = {"type": "known", "name": "default", "config": {}}
    form = schema_form(space="cosine", embedding_function=function, hnsw={"ef_construction": 60, "num_threads": 2})
    form["keys"]["year"] = {"int": form["defaults"]["int"]}
    plan = plan_collection(source(schema=form, configuration={}))
    assert plan.configuration == {"hnsw": {"space": "cosine", "ef_construction": 60}, "embedding_function": function}
    assert plan.schema is None


def test_what_a_schema_says_of_a_key_is_kept() -> None:
    form = schema_form(space="l2")
    form["keys"]["body"] = {"string": {"string_inverted_index": {"enabled": False, "config": {}}}}
    plan = plan_collection(source(schema=form))
    assert plan.schema is not None
    with chroma_search.EphemeralClient() as client:
        configuration: Any = plan.configuration
        made = client.create_collection("docs", plan.schema, configuration, embedding_function=None)
        kept = made.schema.serialize_to_json()["keys"]["body"]["string"]["string_inverted_index"]
        client.delete_collection("docs")
    assert kept["enabled"] is False


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"configuration": {"hnsw": {"space": "hamming"}}}, "hamming"),
        ({"configuration": {"hnsw": {"space": "ip", "ef_search": -4}}}, "ef_search=-4"),
        ({"configuration": {"hnsw": {"space": "ip", "future": 1}}}, "future=1"),
        ({"configuration": {"hnsw": {}, "embedding_function": {"type": "strange"}}}, "embedding function"),
        ({"metadata": {"#odd": 1}}, "#odd"),
        ({"metadata": {"x": float("inf")}}, "'x'"),
        ({"schema": {"keys": {"a": {"string": {"fts_index": {"enabled": True}}}}, "defaults": {}}}, "schema"),
    ],
)
def test_what_our_own_would_refuse_is_left_out_with_a_warning(given: dict[str, Any], part: str) -> None:
    plan = plan_collection(source(**given))
    assert len(plan.warnings) == 1
    assert part in plan.warnings[0]


@pytest.mark.parametrize(
    "nonsense", [None, 3, "x", [], {"hnsw": 3}, {"vector_index": []}, {"keys": 1, "defaults": [2]}]
)
def test_nonsense_in_the_place_of_a_configuration_is_none(nonsense: Any) -> None:
    plan = plan_collection(source(configuration=nonsense, schema=nonsense))
    assert plan.configuration == {"hnsw": {"space": "l2"}}
