"""Routes of records: what is written, what comes back, and what is refused."""

import base64
import uuid

import numpy as np
import pytest

from tests.conformance.server.serving import DEFAULT
from tests.conformance.server.test_requests import is_error

ROUTES_BY_ID = ("add", "upsert", "update", "delete", "get", "query", "search", "explain")
BODIES = {
    "add": {"ids": [], "embeddings": []},
    "upsert": {"ids": [], "embeddings": []},
    "update": {"ids": []},
    "delete": {},
    "get": {},
    "query": {"query_embeddings": []},
    "search": {"searches": []},
    "explain": {"search": {}},
}


def b64(*numbers):
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


def found(client, path, **body):
    answer = client.post(f"{path}/get", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("route", ROUTES_BY_ID)
def test_a_collection_is_addressed_by_a_known_uuid(client, route):
    message = is_error(client.post(f"{DEFAULT}/collections/x/{route}", json=BODIES[route]), 400, "InvalidArgumentError")
    assert message == "Collection ID is not a valid UUIDv4"
    id_ = uuid.UUID(int=7)
    message = is_error(client.post(f"{DEFAULT}/collections/{id_}/{route}", json=BODIES[route]), 404, "NotFoundError")
    assert message == f"Collection [{id_}] does not exist."


def test_add_is_201_and_the_first_of_an_id_counts(client, records):
    body = {"ids": ["a", "d", "d"], "embeddings": [[9, 9], [2, 0], [3, 0]], "documents": ["new", "one", "two"]}
    answer = client.post(f"{records}/add", json=body)
    assert (answer.status_code, answer.json()) == (201, {})
    got = found(client, records, ids=["a", "d"], include=["documents", "embeddings"])
    assert got["documents"] == ["red fox", "one"]
    assert got["embeddings"] == [[1.0, 0.0], [2.0, 0.0]]


def test_of_an_upsert_the_last_of_an_id_counts(client, records):
    body = {"ids": ["a", "d", "d"], "embeddings": [[9, 9], [2, 0], [3, 0]], "documents": [None, "one", "two"]}
    answer = client.post(f"{records}/upsert", json=body)
    assert (answer.status_code, answer.json()) == (200, {})
    got = found(client, records, ids=["a", "d"], include=["documents", "embeddings"])
    assert got["documents"] == ["red fox", "two"]
    assert got["embeddings"] == [[9.0, 9.0], [3.0, 0.0]]


def test_an_update_changes_what_is_not_null(client, records):
    body = {
        "ids": ["a", "b", "nope"],
        "embeddings": [None, [5, 5], [6, 6]],
        "documents": [None, "blue", "x"],
        "metadatas": [{"n": None, "z": True}, None, {"q": 1}],
        "uris": ["u://2", None, None],
    }
    answer = client.post(f"{records}/update", json=body)
    assert (answer.status_code, answer.json()) == (200, {})
    got = found(client, records, include=["documents", "embeddings", "metadatas", "uris"])
    assert got["ids"] == ["a", "b", "c"]
    assert got["embeddings"] == [[1.0, 0.0], [5.0, 5.0], [1.0, 1.0]]
    assert got["documents"] == ["red fox", "blue", "grey wolf"]
    assert got["metadatas"] == [{"t": "x", "z": True}, {"n": 2.5}, None]
    assert got["uris"] == ["u://2", None, None]


@pytest.mark.parametrize("vectors", [[b64(1.5, 2), b64(3, -0.1)], [[1.5, 2], [3, -0.1]]])
@pytest.mark.parametrize("route", ["add", "upsert"])
def test_vectors_are_lists_or_base64(client, records, route, vectors):
    client.post(f"{records}/{route}", json={"ids": ["x", "y"], "embeddings": vectors})
    raw = client.post(f"{records}/get", json={"ids": ["x", "y"], "include": ["embeddings"]}).text
    assert '"embeddings":[[1.5,2.0],[3.0,-0.1]]' in raw


def test_an_update_takes_nulls_among_base64(client, records):
    client.post(f"{records}/update", json={"ids": ["a", "b"], "embeddings": [None, b64(7, 8)]})
    assert found(client, records, ids=["a", "b"], include=["embeddings"])["embeddings"] == [[1.0, 0.0], [7.0, 8.0]]


@pytest.mark.parametrize(
    ("vectors", "status"),
    [
        (["AAA"], 400), (["AAAA"], 400), ([""], 400), (["!!!!"], 400), ([b64(1, 2) + "\n"], 400),
        ([b64(1, float("nan"))], 400),
        ([b64(1, float("inf"))], 400), ([[]], 400), ([[1, 2, 3]], 400), ([[1e39, 0]], 400), ([[1, "2"]], 422),
        ([[1, None]], 422), ([[True, 1]], 422), ([None], 422), ([5], 422),
        (["AAAAAAAAAAA=", [1, 2]], 422), ("AAAA", 422),
    ],
)  # fmt: skip
def test_a_vector_that_is_none_is_refused(client, records, vectors, status):
    name = "ChromaError" if status == 422 else "InvalidArgumentError"
    ids = [f"n{at}" for at in range(len(vectors))] if isinstance(vectors, list) else ["n"]
    is_error(client.post(f"{records}/add", json={"ids": ids, "embeddings": vectors}), status, name)
    assert client.get(f"{records}/count").json() == 3


def test_another_dimension_is_refused_with_both_numbers(client, records):
    words = "Collection expecting embedding with dimension of 2, got 3"
    answer = client.post(f"{records}/add", json={"ids": ["x"], "embeddings": [[1, 2, 3]]})
    assert is_error(answer, 400, "InvalidArgumentError") == words
    answer = client.post(f"{records}/query", json={"query_embeddings": [[1, 2, 3]]})
    assert is_error(answer, 400, "InvalidArgumentError") == words


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"ids": ["x", "y"]}, 400, "Inconsistent number of IDs, embeddings, documents, URIs and metadatas"),
        ({"documents": []}, 400, "Inconsistent number of IDs, embeddings, documents, URIs and metadatas"),
        ({"uris": ["a", "b"]}, 400, "Inconsistent number of IDs, embeddings, documents, URIs and metadatas"),
        ({"ids": [""]}, 400, "Empty ID, ID must have at least one character"),
        ({"ids": [5]}, 422, "ids"),
        ({"ids": None}, 422, "ids"),
        ({"embeddings": None}, 422, "embeddings"),
        ({"documents": [5]}, 422, "documents"),
        ({"documents": "text"}, 422, "documents"),
        ({"metadatas": [[]]}, 422, "metadatas"),
        ({"metadatas": [{"k": None}]}, 422, "metadatas"),
        ({"metadatas": [{"k": {"a": 1}}]}, 422, "metadatas"),
        ({"metadatas": [{"k": [1, "a"]}]}, 422, "metadatas"),
        ({"metadatas": [{"k": [[1]]}]}, 422, "metadatas"),
        ({"metadatas": [{"": 1}]}, 400, "Validation error: metadatas"),
        ({"metadatas": [{"#k": 1}]}, 400, "Validation error: metadatas"),
        ({"metadatas": [{"$k": 1}]}, 400, "Validation error: metadatas"),
    ],
)
def test_what_cannot_be_added(client, records, change, status, words):
    body = {"ids": ["x"], "embeddings": [[1, 2]], **change}
    answer = client.post(f"{records}/add", json=body)
    name = "ChromaError" if status == 422 else "InvalidArgumentError"
    assert words in is_error(answer, status, name)
    assert client.get(f"{records}/count").json() == 3


def test_embeddings_are_required_but_for_an_update(client, records):
    for route in ("add", "upsert"):
        is_error(client.post(f"{records}/{route}", json={"ids": ["x"]}), 422, "ChromaError")
    assert client.post(f"{records}/update", json={"ids": ["a"], "documents": ["new"]}).json() == {}


@pytest.mark.parametrize("route", ["add", "upsert", "update"])
def test_no_ids_is_success(client, records, route):
    answer = client.post(f"{records}/{route}", json={"ids": [], "embeddings": []})
    assert answer.status_code == (201 if route == "add" else 200)
    assert client.get(f"{records}/count").json() == 3


def test_metadata_come_back_with_their_types(client, records):
    metadata = {"i": 1, "f": 1.0, "s": "x", "b": False, "l": [1, 2], "big": 2**70, "most": 2**63 - 1, "none": []}
    body = {"ids": ["x", "y"], "embeddings": [[1, 2], [1, 2]], "metadatas": [metadata, {}]}
    assert client.post(f"{records}/add", json=body).status_code == 201
    raw = client.post(f"{records}/get", json={"ids": ["x"], "include": ["metadatas"]}).text
    assert '"i":1,"f":1.0' in raw
    assert found(client, records, ids=["x", "y"])["metadatas"] == [
        {"i": 1, "f": 1.0, "s": "x", "b": False, "l": [1, 2], "big": float(2**70), "most": 2**63 - 1},
        None,
    ]


def test_a_sparse_vector_comes_back_as_it_was(client, records):
    vector = {"#type": "sparse_vector", "indices": [1, 9], "values": [0.5, 2.0]}
    client.post(f"{records}/update", json={"ids": ["a"], "metadatas": [{"s": vector}]})
    got = found(client, records, ids=["a"])["metadatas"][0]["s"]
    assert {name: got[name] for name in vector} == vector
    for wrong in (
        {"indices": [9, 1]},
        {"indices": [1, 1]},
        {"indices": [-1, 2]},
        {"values": [1]},
        {"values": ["a", "b"]},
    ):
        answer = client.post(f"{records}/update", json={"ids": ["a"], "metadatas": [{"s": {**vector, **wrong}}]})
        assert answer.status_code in (400, 422), answer.text


def test_get_has_defaults(client, records):
    assert found(client, records) == {
        "ids": ["a", "b", "c"],
        "embeddings": None,
        "documents": ["red fox", None, "grey wolf"],
        "uris": None,
        "metadatas": [{"n": 1, "t": "x"}, {"n": 2.5}, None],
        "include": ["metadatas", "documents"],
    }


def test_get_by_ids_gives_each_once_in_order_of_insertion(client, records):
    assert found(client, records, ids=["c", "a", "c", "nope"], include=[])["ids"] == ["a", "c"]
    assert found(client, records, ids=[])["ids"] == []
    assert found(client, records, limit=0)["ids"] == []
    assert found(client, records, limit=1, offset=1)["ids"] == ["b"]
    assert found(client, records, offset=9)["ids"] == []
    assert found(client, records, limit=2**32 - 1, offset=2**32 - 1)["ids"] == []
    assert found(client, records, include=["uris", "embeddings"])["uris"] == ["u://a", None, None]
    assert found(client, records, include=["distances"])["ids"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "body",
    [
        *({"limit": each} for each in (-1, 2**32, 1.5, "1")),
        *({"include": each} for each in (["data"], "documents")),
        *({"where": each} for each in ([], "n = 1")),
        {"ids": "a"},
    ],
)
def test_a_get_of_another_shape_is_422(client, records, body):
    is_error(client.post(f"{records}/get", json=body), 422, "ChromaError")


def test_query_has_defaults(client, records):
    answer = client.post(f"{records}/query", json={"query_embeddings": [[1, 0], [0, 1]]}).json()
    assert answer == {
        "ids": [["a", "c", "b"], ["b", "c", "a"]],
        "embeddings": None,
        "documents": [["red fox", "grey wolf", None], [None, "grey wolf", "red fox"]],
        "uris": None,
        "metadatas": [[{"n": 1, "t": "x"}, None, {"n": 2.5}], [{"n": 2.5}, None, {"n": 1, "t": "x"}]],
        "distances": [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]],
        "include": ["metadatas", "documents", "distances"],
    }


def test_a_query_may_ask_for_nothing(client, records):
    nothing = client.post(f"{records}/query", json={"query_embeddings": []}).json()
    assert (nothing["ids"], nothing["distances"], nothing["documents"]) == ([], [], [])
    none = client.post(f"{records}/query", json={"query_embeddings": [[1, 0]], "n_results": 0}).json()
    assert (none["ids"], none["distances"], none["embeddings"]) == ([[]], [[]], None)
    most = client.post(f"{records}/query", json={"query_embeddings": [[1, 0]], "n_results": 2**32 - 1}).json()
    assert len(most["ids"][0]) == 3


def test_a_query_among_ids(client, records):
    body = {"query_embeddings": [[1, 0]], "ids": ["b", "nope"], "include": ["embeddings"]}
    answer = client.post(f"{records}/query", json=body).json()
    assert (answer["ids"], answer["embeddings"], answer["distances"]) == ([["b"]], [[[0.0, 1.0]]], None)
    assert client.post(f"{records}/query", json={**body, "ids": []}).json()["ids"] == [[]]


def test_an_empty_collection_gives_empty_rows(client, name):
    id_ = client.post(f"{DEFAULT}/collections", json={"name": name}).json()["id"]
    path = f"{DEFAULT}/collections/{id_}"
    answer = client.post(f"{path}/query", json={"query_embeddings": [[1, 0]]}).json()
    assert (answer["ids"], answer["distances"]) == ([[]], [[]])
    assert found(client, path)["ids"] == []
    assert client.get(f"{path}/count").json() == 0


@pytest.mark.parametrize("level", ["index_and_wal", "index_only", "index_and_bounded_wal"])
def test_count_has_levels_which_all_see_everything(client, records, level):
    assert client.get(f"{records}/count?read_level={level}").json() == 3


def test_an_unknown_level_is_refused(client, records):
    is_error(client.get(f"{records}/count?read_level=nope"), 400, "InvalidArgumentError")
    is_error(client.post(f"{records}/search", json={"searches": [], "read_level": "nope"}), 422, "ChromaError")


def test_delete_counts_as_upstream_does(client, records):
    def deleted(**body):
        return client.post(f"{records}/delete", json=body).json()

    assert deleted() == {"deleted": 0}
    assert client.get(f"{records}/count").json() == 3
    assert deleted(ids=["a", "nope"]) == {"deleted": 2}
    assert deleted(ids=["b", "c"], where={"n": {"$gt": 2}}) == {"deleted": 1}
    assert deleted(where_document={"$contains": "wolf"}, limit=1) == {"deleted": 1}
    assert client.get(f"{records}/count").json() == 0


def test_a_delete_must_say_what(client, records):
    message = is_error(client.post(f"{records}/delete", json={"ids": []}), 400, "InvalidArgumentError")
    assert message == "Either ids or where must be specified"
    is_error(client.post(f"{records}/delete", json={"limit": 1}), 400, "InvalidArgumentError")
    is_error(client.post(f"{records}/delete", json={"ids": ["a"], "limit": 1}), 400, "InvalidArgumentError")
    assert client.get(f"{records}/count").json() == 3
