"""`where` and `where_document` on the wire: what matches, and what is 400."""

import pytest

from tests.conformance.server.serving import DEFAULT
from tests.conformance.server.test_requests import is_error


@pytest.fixture(scope="module")
def path(client):
    made = client.post(f"{DEFAULT}/collections", json={"name": "filters"}).json()
    path = f"{DEFAULT}/collections/{made['id']}"
    metadatas = [{"n": 2, "s": "x", "b": True}, {"n": 2.5, "s": "y"}, {"n": 1, "l": ["p", "q"]}, None, {"s": "2"}]
    body = {
        "ids": list("abcde"),
        "embeddings": [[at, 0] for at in range(5)],
        "metadatas": metadatas,
        "documents": ["red fox", "Red", "", None, "a.b"],
    }
    assert client.post(f"{path}/add", json=body).status_code == 201
    return path


def ids(client, path, **body):
    answer = client.post(f"{path}/get", json={"include": [], **body})
    assert answer.status_code == 200, answer.text
    return "".join(answer.json()["ids"])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, "abcde"), ({"n": 2}, "a"), ({"n": 2.0}, "a"), ({"n": {"$gt": 1.5}}, "ab"), ({"n": {"$lte": 2}}, "ac"),
        ({"n": {"$ne": 2}}, "bcde"), ({"n": {"$nin": [2, 1]}}, "bde"), ({"n": {"$in": [2.5, 1.0]}}, "bc"),
        ({"b": True}, "a"), ({"b": 1}, ""), ({"s": "2"}, "e"), ({"s": {"$ne": "x"}}, "bcde"),
        ({"l": {"$contains": "p"}}, "c"), ({"l": {"$not_contains": "p"}}, "abde"),
        ({"$and": [{"n": 2}]}, "a"), ({"$or": [{"n": 2}, {"s": "y"}]}, "ab"), ({"$and": []}, "abcde"),
        ({"$or": []}, ""), ({"$or": [{"$and": []}, {"n": 2}]}, "abcde"), ({"$or": [{"$or": []}, {"n": 2}]}, "a"),
        ({"$and": [{"$or": []}, {"n": 2}]}, ""), ({"$and": [{"$and": []}, {"$and": [{"$or": [{"n": 1}]}]}]}, "c"),
        ({"#document": {"$contains": "fox"}}, "a"), ({"#document": {"$not_contains": "fox"}}, "bcde"),
    ],
)  # fmt: skip
def test_where(client, path, where, expected):
    assert ids(client, path, where=where) == expected
    answer = client.post(f"{path}/query", json={"query_embeddings": [[0, 0]], "where": where, "include": []})
    assert "".join(answer.json()["ids"][0]) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"$contains": "red"}, "a"), ({"$not_contains": "red"}, "bcde"), ({"$regex": "^[rR]ed"}, "ab"),
        ({"$not_regex": "^[rR]ed"}, "cde"), ({"$contains": "a.b"}, "e"), ({"$and": []}, "abcde"), ({"$or": []}, ""),
        ({"$or": [{"$contains": "fox"}, {"$contains": "a.b"}]}, "ae"),
        ({"$or": [{"$and": []}, {"$contains": "x"}]}, "abcde"),
        ({"$and": [{"$or": []}, {"$contains": "x"}]}, ""),
    ],
)  # fmt: skip
def test_where_document(client, path, where, expected):
    assert ids(client, path, where_document=where) == expected


def test_both_are_a_conjunction(client, path):
    assert ids(client, path, where={"n": {"$gt": 0}}, where_document={"$contains": "R"}) == "b"
    assert ids(client, path, where={"$and": []}, where_document={"$contains": "R"}) == "b"
    assert ids(client, path, where={"n": 2}, where_document={"$or": []}) == ""


@pytest.mark.parametrize(
    "where",
    [
        {}, {"a": 1, "b": 2}, {"n": {"$nope": 1}}, {"n": None}, {"n": {"$eq": None}}, {"n": {"$in": []}},
        {"n": {"$in": [1, "a"]}}, {"n": {"$gt": True}}, {"n": {"$eq": [1]}}, {"n": [1]}, {"n": {}},
        {"n": {"$gt": 1, "$lt": 2}},
        {"$and": {}}, {"$and": [{}]}, {"$or": [{"$and": []}, {"n": {"$nope": 1}}]}, {"$and": [5]}, {"$nope": []},
        {"n": {"$in": 5}}, {"#document": {"$regex": "("}}, {"#document": {"$contains": 5}},
    ],
)  # fmt: skip
def test_a_where_without_meaning_is_400(client, path, where):
    is_error(client.post(f"{path}/get", json={"where": where}), 400, "InvalidArgumentError")
    is_error(client.post(f"{path}/delete", json={"where": where}), 400, "InvalidArgumentError")
    assert client.get(f"{path}/count").json() == 5


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"$contains": 5},
        {"$regex": "("},
        {"$nope": "a"},
        {"$contains": "a", "$regex": "b"},
        {"x": "a"},
        {"$and": [{}]},
    ],
)
def test_a_where_document_without_meaning_is_400(client, path, where):
    is_error(client.post(f"{path}/get", json={"where_document": where}), 400, "InvalidArgumentError")


def test_nesting_is_bounded_whatever_it_is_made_of(client, path):
    for empty in ({"n": 2}, {"$and": []}):
        where = empty
        for _ in range(300):
            where = {"$or": [where]}
        is_error(client.post(f"{path}/get", json={"where": where}), 400, "InvalidArgumentError")
    where = {"n": 2}
    for _ in range(40):
        where = {"$and": [where, {"$or": [{"n": 2}, {"n": 3}]}]}
    assert ids(client, path, where=where) == "a"


def test_a_condition_for_all_deletes_all_and_one_for_none_none(client, name):
    made = client.post(f"{DEFAULT}/collections", json={"name": name}).json()
    path = f"{DEFAULT}/collections/{made['id']}"
    client.post(f"{path}/add", json={"ids": ["a", "b"], "embeddings": [[1], [2]]})
    assert client.post(f"{path}/delete", json={"where": {"$or": []}}).json() == {"deleted": 0}
    assert client.post(f"{path}/delete", json={"where": {"$and": []}, "ids": ["a"]}).json() == {"deleted": 1}
    assert client.post(f"{path}/delete", json={"where": {"$and": []}}).json() == {"deleted": 1}


def test_the_filter_of_a_search_may_be_empty_too(client, path):
    for filter_, n in (({"$and": []}, 5), ({"$or": []}, 0), ({}, 5), (None, 5), ({"#id": {"$in": ["a"]}}, 1)):
        search = {"filter": filter_, "limit": {"limit": 10}}
        answer = client.post(f"{path}/search", json={"searches": [search]})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["ids"][0]) == n
