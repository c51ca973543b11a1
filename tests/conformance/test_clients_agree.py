"""One suite for every client: the same calls have the same answers in this process, in threads, and over HTTP.

Servers run on a real socket: Chroma's own, and ours. What Chroma's refuses is in `test_searches_agree.py`.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search import (
    Client,
    ConflictError,
    K,
    NotFoundError,
    Settings,
)
from chroma_search.errors import (
    ClosedError,
    DimensionMismatchError,
    DuplicateIDError,
    ForbiddenError,
    InvalidInputError,
)
from tests.conformance.clients import HOST, OF_ANY_THREAD, Clients, new_database_name
from tests.functions import Letters


@pytest.fixture
def collection(client: Any) -> Any:
    made = client.create_collection("abc", embedding_function=Letters(), metadata={"topic": "x"})
    made.add(
        ids=["a", "b", "c"],
        embeddings=[[1, 0], [0, 1], [1, 1]],
        documents=["da", None, "dc"],
        metadatas=[{"n": 1, "f": 1.0, "yes": True, "tags": ["x", "y"]}, {"n": 2, "f": 2.5}, None],
        uris=["ua", None, None],
    )
    return made


# --- records ----------------------------------------------------------------------------------------------------------


def test_every_column_comes_back_as_it_was_written(collection: Any) -> None:
    found = collection.get(include=["documents", "metadatas", "embeddings", "uris"])
    assert list(found) == ["ids", "embeddings", "documents", "uris", "included", "data", "metadatas"]
    assert found.ids == ["a", "b", "c"]
    assert (found.documents, found.uris, found.data) == (["da", None, "dc"], ["ua", None, None], None)
    assert found.metadatas == [{"n": 1, "f": 1.0, "yes": True, "tags": ["x", "y"]}, {"n": 2, "f": 2.5}, None]
    assert [type(found.metadatas[0][key]) for key in ("n", "f", "yes")] == [int, float, bool]
    assert (found.embeddings.dtype, found.embeddings.tolist()) == (np.float32, [[1, 0], [0, 1], [1, 1]])


def test_float32_values_come_back_bit_by_bit(client: Any, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((50, 7)).astype(np.float32)
    vectors[0, :4] = [np.float32(1e-45), np.float32(3.4e38), -0.0, np.float32(0.1)]
    collection = client.create_collection("abc", embedding_function=None)
    collection.add(ids=[str(at) for at in range(50)], embeddings=vectors)
    assert collection.get(include=["embeddings"]).embeddings.tobytes() == vectors.tobytes()


def test_numbers_and_texts_at_their_limits_come_back(client: Any) -> None:
    metadata = {
        "low": -(2**63),
        "high": 2**63 - 1,
        "tiny": 5e-324,
        "large": 1.7e308,
        "half": 0.1,
        "text": 'ü\n\t"\\ 漢 😀',
    }
    collection = client.create_collection("abc", embedding_function=None)
    collection.add(ids="é/?#%", embeddings=[0.5], metadatas=metadata, documents="ß\x00")
    found = collection.get(ids="é/?#%")
    assert (found.ids, found.metadatas, found.documents) == (["é/?#%"], [metadata], ["ß\x00"])


def test_get_gives_records_in_order_of_insertion_and_passes_over_unknown_ids(collection: Any) -> None:
    assert collection.get(ids=["c", "unknown", "a"]).ids == ["a", "c"]
    assert collection.get(limit=1, offset=1).ids == ["b"]
    assert collection.get(limit=0).ids == []
    assert collection.get(offset=9).ids == []
    assert collection.peek(2).ids == ["a", "b"]


def test_get_leaves_out_what_is_not_included(collection: Any) -> None:
    found = collection.get(ids="a", include=[])
    assert [name for name, value in found.items() if value is not None] == ["ids", "included"]


@pytest.mark.parametrize(
    ("where", "where_document", "expected"),
    [
        ({"n": 1}, None, ["a"]),
        ({"n": {"$ne": 1}}, None, ["b", "c"]),
        ({"$or": [{"n": 1}, {"f": {"$gt": 2.0}}]}, None, ["a", "b"]),
        ({"n": {"$in": [2, 3]}}, None, ["b"]),
        ("n >= 1 AND f < 2.0", None, ["a"]),
        (K("yes") == True, None, ["a"]),  # noqa: E712 - builds a filter
        ({"tags": {"$contains": "y"}}, None, ["a"]),
        (None, {"$contains": "c"}, ["c"]),
        (None, {"$not_contains": "c"}, ["a", "b"]),
        (None, {"$regex": "d[ac]"}, ["a", "c"]),
        ({"n": {"$gte": 1}}, {"$contains": "d"}, ["a"]),
        ("n = 1 OR #document CONTAINS 'c'", None, ["a", "c"]),
    ],
    ids=str,
)
def test_filters_find_the_same_records(collection: Any, where: Any, where_document: Any, expected: list[str]) -> None:
    assert collection.get(where=where, where_document=where_document).ids == expected


def test_query_gives_a_list_per_query_by_ascending_distance(collection: Any) -> None:
    found = collection.query(
        query_embeddings=[[1, 0], [0.25, 1]], n_results=2, include=["distances", "embeddings", "uris"]
    )
    assert (found.ids, found.distances) == ([["a", "c"], ["b", "c"]], [[0.0, 1.0], [0.0625, 0.5625]])
    assert [each.shape for each in found.embeddings] == [(2, 2), (2, 2)]
    assert (found.documents, found.metadatas, found.uris) == (None, None, [["ua", None], [None, None]])


def test_query_takes_filters_and_ids(collection: Any) -> None:
    assert collection.query(query_embeddings=[1, 0], where="n >= 1", n_results=5).ids == [["a", "b"]]
    assert collection.query(query_embeddings=[1, 0], where_document={"$contains": "dc"}).ids == [["c"]]
    assert collection.query(query_embeddings=[1, 0], ids=["b", "c"]).ids == [["c", "b"]]


def test_a_collection_never_written_to_answers_with_nothing(client: Any) -> None:
    empty = client.create_collection("empty", embedding_function=None)
    found = empty.query(query_embeddings=[[1.0], [2.0]])
    assert (found.ids, found.distances, found.metadatas) == ([[], []], [[], []], [[], []])
    assert (empty.get().ids, empty.count()) == ([], 0)
    assert len(empty.get(include=["embeddings"]).embeddings) == 0


def test_add_skips_update_ignores_and_upsert_does_both(collection: Any) -> None:
    collection.add(ids=["a", "d"], embeddings=[[9, 9], [5, 5]], documents=["new", "dd"])
    collection.update(ids=["d", "e"], metadatas=[{"n": 4}, {"n": 5}])
    collection.upsert(ids=["d", "f"], embeddings=[[6, 6], [7, 7]], documents=["d2", None], metadatas=[{"m": 1}, None])
    found = collection.get(include=["documents", "metadatas", "embeddings"])
    assert (found.ids, found.documents) == (["a", "b", "c", "d", "f"], ["da", None, "dc", "d2", None])
    assert found.metadatas[3:] == [{"n": 4, "m": 1}, None]
    assert found.embeddings[[0, 3, 4]].tolist() == [[1, 0], [6, 6], [7, 7]]


def test_update_merges_metadata_and_none_deletes_a_key(collection: Any) -> None:
    collection.update(ids=["a", "b"], metadatas=[{"n": None, "new": "v"}, {"n": None, "f": None}])
    assert collection.get(ids=["a", "b"]).metadatas == [{"f": 1.0, "yes": True, "tags": ["x", "y"], "new": "v"}, None]
    collection.update(ids="a", embeddings=[[3, 3]])
    assert collection.get(ids="a", include=["embeddings"]).embeddings.tolist() == [[3, 3]]


def test_delete_says_how_many(collection: Any) -> None:
    assert collection.delete(ids=["a", "unknown"]) == {"deleted": 2}  # as upstream: the number asked for
    assert collection.delete(where={"n": 9}) == {"deleted": 0}
    assert collection.delete(where={"n": {"$ne": 9}}, limit=1) == {"deleted": 1}
    assert collection.get().ids == ["c"]
    assert collection.delete(where_document={"$contains": "dc"}) == {"deleted": 1}
    assert collection.count() == 0


def test_a_write_of_any_size_is_one_call(client: Any) -> None:
    n_rows = 5_461 + 2  # more than Chroma's server takes in one request
    vectors = np.arange(2 * n_rows, dtype=np.float32).reshape(n_rows, 2)
    collection = client.create_collection("abc", embedding_function=None)
    collection.add(
        ids=[f"i{at}" for at in range(n_rows)], embeddings=vectors, metadatas=[{"n": at} for at in range(n_rows)]
    )
    assert collection.count() == n_rows
    last = collection.get(ids=f"i{n_rows - 1}", include=["metadatas", "embeddings"])
    assert (last.metadatas, last.embeddings.tolist()) == ([{"n": n_rows - 1}], [vectors[-1].tolist()])


# --- texts ------------------------------------------------------------------------------------------------------------


def test_texts_are_embedded_with_the_function_of_the_collection(client: Any) -> None:
    function = Letters(3)
    collection = client.create_collection("abc", embedding_function=function)
    collection.add(ids=["x", "y"], documents=["aab", "ccc"])
    found = collection.query(query_texts="cc", n_results=1, include=["distances", "documents"])
    assert (found.ids, found.documents, found.distances) == ([["y"]], [["ccc"]], [[2.0]])  # 1 from embed_query's mark
    assert function.calls == [["aab", "ccc"], ["cc"]]
    assert client.get_collection("abc").configuration["embedding_function"] is function


def test_the_function_is_stored_with_the_collection_and_guarded(client: Any, open_client: Clients) -> None:
    client.create_collection("abc", embedding_function=Letters(3)).add(ids="x", documents="ab")
    other = open_client(database=client.database)
    opened = other.get_collection("abc")
    assert opened.configuration_json["embedding_function"]["config"] == {"size": 3}
    assert opened.query(query_texts="ab").ids == [["x"]]
    with pytest.raises(ValueError, match="conflict"):
        other.get_collection("abc", embedding_function=chroma_search.LsaEmbeddingFunction())
    with pytest.raises(ValueError, match="conflict"):
        other.get_or_create_collection("abc", embedding_function=chroma_search.LsaEmbeddingFunction())


@pytest.mark.filterwarnings("ignore:LsaEmbeddingFunction was fitted on")
def test_a_function_is_fitted_by_the_first_write_and_stored(client: Any, open_client: Clients) -> None:
    texts = ["apples and pears", "cars and trucks", "pears and plums", "trucks and trains"]
    collection = client.create_collection("abc", embedding_function=chroma_search.LsaEmbeddingFunction(n_components=2))
    collection.add(ids=list("abcd"), documents=texts)
    expected = collection.query(query_texts="pears").ids
    opened = open_client(database=client.database).get_collection("abc")
    assert opened.configuration_json["embedding_function"]["config"]["model"] is not None
    assert opened.query(query_texts="pears").ids == expected


def test_uris_are_loaded_by_the_data_loader(client: Any) -> None:
    def loader(uris: list[str | None]) -> list[str]:
        return [f"what is at {uri}" for uri in uris]

    collection = client.create_collection("abc", embedding_function=Letters(), data_loader=loader)
    collection.add(ids="a", embeddings=[1.0, 0.0], uris="u")
    assert collection.get(include=["data"]).data == ["what is at u"]
    assert collection.query(query_embeddings=[1.0, 0.0], include=["data"]).data == [["what is at u"]]


# --- collections ------------------------------------------------------------------------------------------------------


def test_collections_are_found_by_name_and_id_and_listed(client: Any) -> None:
    made = [client.create_collection(name, embedding_function=None) for name in ("zzz", "aaa", "mmm")]
    assert client.get_collection("aaa") == made[1]
    assert client.get_collection_by_id(made[2].id).name == "mmm"
    # Chroma's server orders them by the second of their creation: the order of two in one second is not told.
    listed = [each.name for each in client.list_collections()]
    assert sorted(listed) == ["aaa", "mmm", "zzz"]
    assert [each.name for each in client.list_collections(limit=1, offset=1)] == listed[1:2]
    assert client.count_collections() == 3
    client.delete_collection("aaa")
    for call in (lambda: client.get_collection("aaa"), lambda: client.delete_collection("aaa"), made[1].count):
        with pytest.raises(NotFoundError):
            call()
    with pytest.raises(NotFoundError):
        client.get_collection_by_id(uuid.uuid4())


def test_creating_what_exists_is_a_conflict_unless_asked_for(client: Any) -> None:
    first = client.create_collection("abc", metadata={"a": 1}, embedding_function=None)
    with pytest.raises(ConflictError) as raised:
        client.create_collection("abc")
    assert (raised.value.kind, raised.value.missing_name) == ("collection", "abc")
    again = client.get_or_create_collection("abc", metadata={"b": 2}, embedding_function=None)
    assert (again, again.metadata) == (first, {"a": 1})


def test_a_collection_knows_what_it_is(client: Any) -> None:
    made = client.create_collection(
        "abc", configuration={"hnsw": {"space": "cosine", "ef_search": 50}}, embedding_function=Letters()
    )
    assert (made.name, made.tenant, made.database) == ("abc", "default_tenant", client.database)
    assert made.metadata is None
    assert made.configuration_json["hnsw"]["space"] == "cosine"
    assert made.configuration_json["hnsw"]["ef_search"] == 50
    assert made.configuration_json["spann"] is None
    assert made.configuration["embedding_function"].name() == "client_test_letters"
    config = made.schema.keys["#embedding"].float_list.vector_index.config
    assert (config.space, config.hnsw.ef_search) == ("cosine", 50)


def test_metadata_of_old_programs_configures_the_index(client: Any) -> None:
    made = client.create_collection("abc", metadata={"hnsw:space": "ip", "hnsw:M": 20}, embedding_function=None)
    for each in (made, client.get_collection("abc", embedding_function=None)):
        shown = each.configuration_json["hnsw"]
        assert (shown["space"], shown["max_neighbors"], each.metadata) == ("ip", 20, {"hnsw:space": "ip", "hnsw:M": 20})


def test_modify_shows_at_once_and_after_opening_again(client: Any, collection: Any) -> None:
    collection.modify(name="xyz", metadata={"new": 1}, configuration={"hnsw": {"ef_search": 77}})
    for each in (collection, client.get_collection("xyz")):
        assert (each.name, each.metadata) == ("xyz", {"new": 1})
        assert each.configuration_json["hnsw"]["ef_search"] == 77
    assert collection.count() == 3
    with pytest.raises(NotFoundError):
        client.get_collection("abc")


# --- clients ----------------------------------------------------------------------------------------------------------


def test_a_client_says_who_answers(client: Any) -> None:
    assert client.heartbeat() > 1_600_000_000_000_000_000
    assert client.get_version()
    assert client.get_max_batch_size() > 5_000
    assert client.get_user_identity().user_id == ""
    assert isinstance(client.get_settings(), Settings)


def test_an_unknown_tenant_or_database_is_not_found(client: Any, open_client: Clients) -> None:
    with pytest.raises(NotFoundError, match=r"nobody"):
        open_client(tenant="nobody")
    with pytest.raises(NotFoundError, match=r"nothing"):
        open_client(database="nothing")
    held = client.database
    for call in (lambda: client.set_database("nothing"), lambda: client.set_tenant("nobody")):
        with pytest.raises(NotFoundError):
            call()
    assert (client.tenant, client.database) == ("default_tenant", held)


def test_tenants_and_databases_keep_collections_apart(open_client: Clients) -> None:
    admin, name = open_client.admin(), new_database_name()
    tenant = f"tenant/of {name}"  # a name that must be quoted in a path
    admin.create_tenant(tenant)
    admin.create_database(name, tenant)
    assert admin.get_tenant(tenant) == {"name": tenant}
    found = admin.get_database(name, tenant)
    assert (found["name"], found["tenant"]) == (name, tenant)
    assert [each["name"] for each in admin.list_databases(tenant=tenant)] == [name]
    for create in (lambda: admin.create_tenant(tenant), lambda: admin.create_database(name, tenant)):
        with pytest.raises(ConflictError):
            create()
    client, other = open_client(tenant, name), open_client()
    client.create_collection("only-here", embedding_function=None)
    with pytest.raises(NotFoundError):
        other.get_collection("only-here")
    other.set_tenant(tenant, name)
    assert other.get_collection("only-here").tenant == tenant
    admin.delete_database(name, tenant)
    with pytest.raises(NotFoundError):
        admin.get_database(name, tenant)


def test_settings_may_name_a_server_as_with_chroma(chroma_port: int) -> None:
    impl = "chromadb.api.fastapi.FastAPI"
    settings = Settings(chroma_api_impl=impl, chroma_server_host=HOST, chroma_server_http_port=str(chroma_port))
    with Client(settings) as client:
        assert client.get_version() == "1.0.0"


def test_reset_needs_permission(client: Any) -> None:
    with pytest.raises(ForbiddenError, match="Reset is disabled"):
        client.reset()


def test_a_closed_client_refuses_to_work(open_client: Clients) -> None:
    client = open_client()
    with client:
        client.heartbeat()
    client.close()
    for call in (client.list_collections, client.heartbeat, lambda: client.create_collection("abc")):
        with pytest.raises(ClosedError, match="closed"):
            call()


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES: list[tuple[str, Callable[[Any], Any], type[Exception]]] = [
    ("no ids", lambda each: each.add(ids=[], embeddings=[]), InvalidInputError),
    ("an id twice", lambda each: each.add(ids=["x", "x"], embeddings=[[1, 0], [1, 0]]), DuplicateIDError),
    ("an empty id", lambda each: each.add(ids="", embeddings=[1, 0]), InvalidInputError),
    ("unequal lengths", lambda each: each.add(ids=["x", "y"], embeddings=[[1, 0]]), InvalidInputError),
    ("a NaN", lambda each: each.upsert(ids="x", embeddings=[float("nan"), 0]), InvalidInputError),
    ("a key that is no text", lambda each: each.add(ids="x", embeddings=[1, 0], metadatas={1: 2}), TypeError),
    ("a reserved key", lambda each: each.add(ids="x", embeddings=[1, 0], metadatas={"#a": 2}), InvalidInputError),
    ("a lone surrogate", lambda each: each.get(where={"n": "\ud800"}), InvalidInputError),
    ("delete of everything", lambda each: each.delete(), InvalidInputError),
    ("an unknown operator", lambda each: each.get(where={"n": {"$near": 1}}), InvalidInputError),
    ("a filter that is none", lambda each: each.get(where=7), ValueError),
    ("an unknown column", lambda each: each.get(include=["colour"]), InvalidInputError),
    ("a negative limit", lambda each: each.get(limit=-1), InvalidInputError),
    ("no results wanted", lambda each: each.query(query_embeddings=[1, 0], n_results=0), TypeError),
    ("a syntax error", lambda each: each.get(where="n >= "), chroma_search.QuerySyntaxError),
    ("a pattern that is none", lambda each: each.get(where_document={"$regex": "("}), InvalidInputError),
    ("a name that is none", lambda each: each.modify(name="a b"), InvalidInputError),
    ("empty metadata", lambda each: each.modify(metadata={}), InvalidInputError),
    ("another space", lambda each: each.modify(configuration={"hnsw": {"space": "ip"}}), InvalidInputError),
    ("no search", lambda each: each.search(7), TypeError),
    ("a search with a mistake", lambda each: each.search({"limit": {"limit": -1}}), InvalidInputError),
    ("an unknown mode", lambda each: each.explain("LIMIT 1", mode="loud"), InvalidInputError),
]


@pytest.mark.parametrize(("call", "error"), [pytest.param(*each[1:], id=each[0]) for each in MISTAKES])
def test_a_mistake_is_the_same_error_and_changes_nothing(
    collection: Any, call: Callable[[Any], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(collection)
    assert collection.get().ids == ["a", "b", "c"]


def test_another_dimension_is_refused_with_both_numbers(collection: Any) -> None:
    for call in (
        lambda: collection.query(query_embeddings=[1, 2, 3]),
        lambda: collection.add(ids="x", embeddings=[1, 2, 3]),
    ):
        with pytest.raises(DimensionMismatchError, match="dimension of 2, got 3") as raised:
            call()
        assert (raised.value.expected, raised.value.got) == (2, 3)


# --- at the same time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("open_client", OF_ANY_THREAD, indirect=True)
def test_threads_share_a_client(client: Any) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            collection = client.get_or_create_collection("abc", embedding_function=None)
            for at in range(10):
                collection.upsert(ids=[f"{number}-{at}", "same"], embeddings=[[number, at], [1, 1]])
                assert collection.get(ids=f"{number}-{at}").ids == [f"{number}-{at}"]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert client.get_collection("abc", embedding_function=None).count() == 61
