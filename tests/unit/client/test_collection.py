"""Collection: upstream's methods and shapes on the real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search import Collection, EphemeralClient, K, Knn, NotFoundError, ReadLevel, Search
from chroma_search.client.system import clear_systems
from chroma_search.errors import DimensionMismatchError, InvalidInputError, WrongTypeError
from tests.functions import Letters


@pytest.fixture
def client() -> Iterator[Any]:
    clear_systems()
    yield EphemeralClient()
    clear_systems()


@pytest.fixture
def collection(client: Any) -> Collection:
    made = client.create_collection("abc", embedding_function=Letters(), metadata={"topic": "x"})
    made.add(
        ids=["a", "b", "c"],
        embeddings=[[1, 0], [0, 1], [1, 1]],
        documents=["da", None, "dc"],
        metadatas=[{"n": 1, "tags": ["x", "y"]}, {"n": 2}, None],
        uris=["ua", None, None],
    )
    return made


def test_get_gives_every_column_in_order_of_insertion(collection: Collection) -> None:
    found = collection.get(ids=["c", "a", "unknown"], include=["documents", "metadatas", "embeddings", "uris"])
    assert list(found) == ["ids", "embeddings", "documents", "uris", "included", "data", "metadatas"]
    assert (found.ids, found.documents, found.uris, found.data) == (["a", "c"], ["da", "dc"], ["ua", None], None)
    assert found.metadatas == [{"n": 1, "tags": ["x", "y"]}, None]
    assert found.embeddings.dtype == np.float32
    assert found.embeddings.tolist() == [[1, 0], [1, 1]]
    assert found.included == ["documents", "metadatas", "embeddings", "uris"]


def test_get_leaves_out_what_is_not_included(collection: Collection) -> None:
    found = collection.get(ids="a", include=[])
    assert [name for name, value in found.items() if value is not None] == ["ids", "included"]


def test_get_takes_filters_as_dict_text_or_object_and_pages(collection: Collection) -> None:
    for where in ({"n": {"$gte": 1}}, "n >= 1", K("n") >= 1):
        assert collection.get(where=where, limit=1, offset=1).ids == ["b"]
    assert collection.get(limit=0).ids == []
    assert collection.get(offset=9).ids == []
    assert collection.get(where={"$and": [{"n": 1}]}).ids == ["a"]  # upstream wants two under $and


def test_what_a_result_holds_can_be_changed_without_changing_the_collection(collection: Collection) -> None:
    found = collection.get(include=["metadatas", "embeddings"])
    found.metadatas[0]["n"] = 99
    found.metadatas[0]["tags"].append("z")
    found.embeddings[:] = 7
    again = collection.get(ids="a", include=["metadatas", "embeddings"])
    assert (again.metadatas, again.embeddings.tolist()) == ([{"n": 1, "tags": ["x", "y"]}], [[1, 0]])


def test_peek_shows_the_first_records_with_embeddings(collection: Collection) -> None:
    found = collection.peek(limit=2)
    assert (found.ids, found.included) == (["a", "b"], ["metadatas", "documents", "embeddings"])
    assert found.embeddings.shape == (2, 2)


def test_query_gives_a_list_per_query_by_ascending_distance(collection: Collection) -> None:
    found = collection.query(query_embeddings=[[1, 0], [0, 1]], n_results=2, include=["distances", "embeddings"])
    assert (found.ids, found.distances) == ([["a", "c"], ["b", "c"]], [[0.0, 1.0], [0.0, 1.0]])
    assert [each.shape for each in found.embeddings] == [(2, 2), (2, 2)]
    assert (found.documents, found.metadatas) == (None, None)


def test_query_by_ids_passes_over_unknown_ones(collection: Collection) -> None:
    assert collection.query(query_embeddings=[1, 0], ids=["b", "unknown", "b"]).ids == [["b"]]
    assert collection.query(query_embeddings=[1, 0], ids=[]).ids == [[]]
    assert collection.query(query_embeddings=[1, 0], ids="c", where="n > 0").ids == [[]]


def test_a_collection_never_written_to_answers_with_nothing(client: Any) -> None:
    empty = client.create_collection("empty", embedding_function=None)
    assert empty.query(query_embeddings=[[1.0], [2.0]]).ids == [[], []]
    assert empty.get(include=["embeddings"]).embeddings.shape[0] == 0
    result = empty.search([Search().rank(Knn([1.0])).select_all(), Search()])
    assert (result.ids, result.scores, result.metadatas) == ([[], []], [[], None], [[], None])
    assert empty.count() == 0


def test_dimension_is_that_of_the_first_write(collection: Collection) -> None:
    with pytest.raises(DimensionMismatchError, match="dimension of 2, got 3") as raised:
        collection.query(query_embeddings=[1, 2, 3])
    assert (raised.value.expected, raised.value.got) == (2, 3)
    with pytest.raises(DimensionMismatchError):
        collection.search(Search().rank(Knn([1.0, 2.0, 3.0])))


def test_add_skips_ids_that_exist_and_update_ignores_those_that_do_not(collection: Collection) -> None:
    collection.add(ids=["a", "d"], embeddings=[[9, 9], [5, 5]], documents=["new", "dd"])
    collection.update(ids=["d", "e"], metadatas=[{"n": 4}, {"n": 5}])
    found = collection.get()
    assert (found.ids, found.documents) == (["a", "b", "c", "d"], ["da", None, "dc", "dd"])
    assert found.metadatas[3] == {"n": 4}


def test_update_merges_metadata_and_none_deletes_a_key(collection: Collection) -> None:
    collection.update(ids=["a", "b"], metadatas=[{"n": None, "new": "v"}, {"n": None}])
    assert collection.get(ids=["a", "b"]).metadatas == [{"tags": ["x", "y"], "new": "v"}, None]
    collection.update(ids=["a"])
    collection.update(ids=["a"], metadatas=[None], documents=None)
    assert collection.get(ids="a").metadatas == [{"tags": ["x", "y"], "new": "v"}]


def test_upsert_changes_and_inserts_in_one_call(collection: Collection) -> None:
    collection.upsert(ids=["z", "a"], embeddings=[[3, 3], [4, 4]], metadatas=[{"n": None, "k": 1}, {"n": None}])
    found = collection.get(include=["metadatas", "documents", "embeddings"])
    assert found.ids == ["a", "b", "c", "z"]
    assert (found.metadatas[0], found.metadatas[3]) == ({"tags": ["x", "y"]}, {"k": 1})
    assert found.documents == ["da", None, "dc", None]
    assert found.embeddings[0].tolist() == [4, 4]


def test_delete_counts_as_upstream_does(collection: Collection) -> None:
    assert collection.delete(ids=["a", "unknown"]) == {"deleted": 2}
    assert collection.delete(where="n = 2") == {"deleted": 1}
    assert collection.delete(where={"n": 2}) == {"deleted": 0}
    assert collection.count() == 1
    assert collection.delete(ids="c", where={"n": {"$ne": 1}}, limit=0) == {"deleted": 0}


def test_a_delete_with_a_limit_takes_the_oldest(client: Any) -> None:
    made = client.create_collection("many", embedding_function=None)
    made.add(ids=list("abcde"), embeddings=[[1.0]] * 5, metadatas=[{"n": 1}] * 5)
    assert made.delete(where={"n": 1}, limit=2) == {"deleted": 2}
    assert made.get().ids == ["c", "d", "e"]


@pytest.mark.parametrize("level", ReadLevel)
def test_every_read_level_sees_every_write(collection: Collection, level: ReadLevel) -> None:
    assert collection.count(read_level=level) == 3
    assert collection.search(Search(), read_level=level).ids == [["a", "b", "c"]]


def test_search_has_upstreams_shape(collection: Collection) -> None:
    search = Search().where(K("n") >= 1).rank(Knn([1, 0])).limit(2).select(K.SCORE, "n", K.DOCUMENT, "missing")
    result = collection.search([search, Search().limit(1)])
    assert dict(result) == {
        "ids": [["a", "b"], ["a"]],
        "documents": [["da", None], None],
        "embeddings": [None, None],
        "metadatas": [[{"n": 1}, {"n": 2}], None],
        "scores": [[0.0, 2.0], None],
        "select": [["#document", "#score", "missing", "n"], []],
    }
    assert result.rows()[1] == [{"id": "a"}]


def test_a_search_result_can_be_written_as_json(collection: Collection) -> None:
    result = collection.search(Search().rank(Knn([1, 0])).select_all().limit(1))
    assert json.loads(json.dumps(result))["embeddings"] == [[[1.0, 0.0]]]


def test_search_takes_text_json_and_batches_of_all(collection: Collection) -> None:
    text = "WHERE n >= $least RANK knn($q) LIMIT 1"
    result = collection.search([Search().limit(1), text, {"filter": {"n": 2}}], params={"least": 2, "q": [0, 1]})
    assert result.ids == [["a"], ["b"], ["b"]]
    assert collection.search("WHERE n = 1 SELECT n").metadatas == [[{"n": 1}]]
    assert collection.search([]).ids == []


@pytest.mark.parametrize("wrong", [None, 5, [None], Knn([1.0, 0.0]), [[Search()]]])
def test_what_is_no_search_is_refused(collection: Collection, wrong: Any) -> None:
    with pytest.raises(WrongTypeError, match="a search must be a Search, a text or a dict"):
        collection.search(wrong)


def test_parameters_without_a_text_are_refused(collection: Collection) -> None:
    with pytest.raises(InvalidInputError, match="params="):
        collection.search(Search(), params={"q": 1})


def test_one_invalid_search_fails_the_whole_batch(collection: Collection) -> None:
    with pytest.raises(ValueError):
        collection.search([Search(), Search().rank(Knn([1.0, 0.0], limit=0))])


def test_strict_refuses_what_chroma_does_not_have(collection: Collection) -> None:
    ours = Search().where(K("n").exists())
    assert collection.search(ours).ids == [["a", "b"]]
    with pytest.raises(ValueError, match="strict"):
        collection.search(ours, strict=True)


def test_exact_gives_the_same_here(collection: Collection) -> None:
    search = Search().rank(Knn([1, 0])).select(K.SCORE)
    assert collection.search(search, exact=True) == collection.search(search)
    assert collection.query(query_embeddings=[1, 0], exact=True) == collection.query(query_embeddings=[1, 0])


def test_explain_prints_the_plan_or_gives_it_as_a_dict(collection: Collection) -> None:
    search = Search().where(K("n") > 1).rank(Knn([1, 0])).limit(3)
    plan = collection.explain(search)
    assert "Knn: " in plan
    assert "n > 1" in plan
    assert json.dumps(collection.explain(search, format="json"))
    assert len(collection.explain("WHERE n > 1", "verbose")) > 0
    assert "ms" in collection.explain(search, mode="analyze")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"mode": "all"}, "explain mode must be"),
        ({"format": "xml"}, "format must be"),
        ({"search": [Search()]}, "one search"),
    ],
)
def test_explain_refuses_what_it_does_not_know(collection: Collection, arguments: Any, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        collection.explain(**{"search": Search(), **arguments})


def test_modify_shows_at_once_on_every_handle(client: Any, collection: Collection) -> None:
    other = client.get_collection("abc")
    collection.modify(name="renamed", metadata={"topic": "y"}, configuration={"hnsw": {"ef_search": 77}})
    assert (other.name, other.metadata, other.configuration_json["hnsw"]["ef_search"]) == (
        "renamed",
        {"topic": "y"},
        77,
    )
    assert client.get_collection("renamed") == collection
    with pytest.raises(NotFoundError):
        client.get_collection("abc")


def test_a_modify_that_fails_changes_nothing(client: Any, collection: Collection) -> None:
    client.create_collection("taken")
    for change in (
        {"name": "taken", "metadata": {"b": 1}},
        {"name": "fine", "metadata": {"b": []}},
        {"name": "fine", "configuration": {"hnsw": {"ef_construction": 9}}},
    ):
        with pytest.raises(chroma_search.ChromaSearchError):
            collection.modify(**change)
    assert (collection.name, collection.metadata) == ("abc", {"topic": "x"})


def test_metadata_and_configuration_are_copies(collection: Collection) -> None:
    held = collection.metadata
    assert held is not None
    held["topic"] = "changed"
    collection.configuration_json["hnsw"]["ef_search"] = 1
    assert collection.metadata == {"topic": "x"}
    assert collection.configuration_json["hnsw"]["ef_search"] == 100


def test_a_handle_names_its_place(collection: Collection) -> None:
    assert (collection.tenant, collection.database, collection.database_name) == (
        "default_tenant",
        "default_database",
        "default_database",
    )
    assert repr(collection) == "Collection(name=abc)"
    assert collection != "abc"
    assert len({collection, collection}) == 1


def test_flush_and_compact_change_no_answer(collection: Collection) -> None:
    search = Search().rank(Knn([1, 0])).select_all()
    before = collection.search(search), collection.get()
    collection.update(ids="a", metadatas={"n": 1})
    collection.flush()
    collection.compact()
    assert (collection.search(search), collection.get()) == before
    assert collection.stats()["records"] == 3


def test_writing_to_a_deleted_collection_is_refused(client: Any, collection: Collection) -> None:
    client.delete_collection("abc")
    with pytest.raises(NotFoundError):
        collection.add(ids="z", embeddings=[1, 2])
    with pytest.raises(NotFoundError):
        collection.modify(name="other")
