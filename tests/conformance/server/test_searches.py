"""`search` and `explain` on the wire: shapes, order, what is selected, and what is refused before anything runs."""

import pytest

from tests.conformance.server.serving import DEFAULT, serving
from tests.conformance.server.test_requests import is_error

KNN = {"$knn": {"query": [1, 0]}}


def searched(client, path, *searches, **more):
    answer = client.post(f"{path}/search", json={"searches": list(searches), **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_search_answers_column_by_column(client, records):
    by_vector = {"rank": KNN, "select": {"keys": ["#score", "#document", "t"]}}
    plain = {"filter": {"n": {"$gt": 0}}, "limit": {"limit": 1}}
    assert searched(client, records, by_vector, plain) == {
        "ids": [["a", "c", "b"], ["a"]],
        "documents": [["red fox", "grey wolf", None], None],
        "embeddings": [None, None],
        "metadatas": [[{"t": "x"}, None, None], None],
        "scores": [[0.0, 1.0, 2.0], None],
        "select": [["#document", "#score", "t"], []],
    }


def test_no_searches_no_answers(client, records):
    assert searched(client, records)["ids"] == []


def test_a_text_of_the_language_is_a_search_too(client, records):
    answer = searched(client, records, "WHERE n > 1 RANK knn($q) LIMIT 1 SELECT #score", params={"q": [0, 1]})
    assert (answer["ids"], answer["scores"]) == ([["b"]], [[0.0]])


def test_groups_keep_their_best(client, records):
    client.post(f"{records}/update", json={"ids": ["a", "b", "c"], "metadatas": [{"g": 1}, {"g": 2}, {"g": 1}]})
    group = {"keys": ["g"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 1}}}
    assert searched(client, records, {"rank": KNN, "group_by": group})["ids"] == [["a", "b"]]


def test_a_score_that_json_has_not_is_null(client, records):
    rank = {"$div": {"left": {"$val": 1}, "right": {"$sub": {"left": KNN, "right": {"$knn": {"query": [1, 0]}}}}}}
    answer = searched(client, records, {"rank": rank, "select": {"keys": ["#score"]}})
    assert answer["scores"] == [[None] * len(answer["ids"][0])]


@pytest.mark.parametrize(
    "search",
    [
        {"rank": {"$nope": 1}}, {"rank": {"$knn": {"query": "text"}}}, {"rank": {"$knn": {"query": [1, 2, 3]}}},
        {"rank": {"$knn": {"query": []}}}, {"rank": {"$knn": {"query": [1, 0], "limit": 0}}}, {"limit": {"limit": -1}},
        {"rank": {"$knn": {"query": [1, 0], "key": "sparse"}}}, {"filter": {"n": {"$nope": 1}}},
        {"group_by": {"keys": ["t"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 0}}}, "rank": KNN},
        "WHERE", "RANK knn('a')",
    ],
)  # fmt: skip
def test_a_search_without_meaning_is_400_and_none_of_the_batch_runs(client, records, search):
    body = {"searches": [{"rank": KNN}, search]}
    is_error(client.post(f"{records}/search", json=body), 400, "InvalidArgumentError")


@pytest.mark.parametrize(
    "body", [{}, {"searches": {}}, {"searches": [5]}, {"searches": [None]}, {"searches": [], "exact": "yes"}]
)
def test_a_search_of_another_shape_is_422(client, records, body):
    is_error(client.post(f"{records}/search", json=body), 422, "ChromaError")


def test_strict_refuses_what_is_ours(client, records):
    search = {"filter": {"n": {"$exists": True}}}
    assert len(searched(client, records, search)["ids"][0]) == 2
    is_error(client.post(f"{records}/search", json={"searches": [search], "strict": True}), 400, "InvalidArgumentError")


def test_explain_says_how_a_search_runs(client, records):
    plain = client.post(f"{records}/explain", json={"search": {"rank": KNN}}).json()["explanation"]
    assert "knn" in plain.lower()
    analyzed = {"search": "RANK knn([1, 0])", "mode": "analyze", "format": "json"}
    assert isinstance(client.post(f"{records}/explain", json=analyzed).json()["explanation"], dict)
    is_error(client.post(f"{records}/explain", json={"search": {}, "mode": "nope"}), 422, "ChromaError")


def nested(depth, leaf):
    for _ in range(depth):
        leaf = {"$abs": leaf}
    return leaf


@pytest.mark.parametrize(
    "search",
    [
        {"rank": nested(400, KNN)},
        {"rank": nested(900, KNN)},
        {"rank": {"$sum": [KNN] * 20_000}},
        {"filter": {"$or": [{"n": 1}] * 20_000}},
        {"rank": {"$knn": {"query": [1, 0], "limit": 2_000_000}}},
        {"rank": {"$sum": [{"$knn": {"query": [1, at], "limit": 300_000}} for at in range(4)]}},
        {"limit": {"limit": 10, "offset": 2**31}},
        {"limit": {"limit": 2**31}},
        "RANK " + "abs(" * 400 + "1" + ")" * 400,
        "WHERE " + "NOT " * 5000 + "a = 1",
    ],
)
def test_depth_width_and_cost_are_bounded_before_a_search_runs(client, records, search):
    is_error(client.post(f"{records}/search", json={"searches": [search]}), 400, "InvalidArgumentError")
    is_error(client.post(f"{records}/explain", json={"search": search}), 400, "InvalidArgumentError")


def test_the_number_of_searches_is_bounded(client, records):
    is_error(client.post(f"{records}/search", json={"searches": [{}] * 101}), 400, "InvalidArgumentError")


def test_the_number_of_results_is_bounded_where_the_settings_say_so(name):
    with serving(max_results=2) as server, server.client() as client:
        path = f"{DEFAULT}/collections/{client.post(f'{DEFAULT}/collections', json={'name': name}).json()['id']}"
        client.post(f"{path}/add", json={"ids": ["a", "b", "c"], "embeddings": [[1, 0], [0, 1], [1, 1]]})
        refused = [
            ("query", {"query_embeddings": [[1, 0]], "n_results": 3}),
            ("query", {"query_embeddings": [[1, 0]]}),
            ("search", {"searches": [{"rank": KNN}]}),
            ("search", {"searches": [{"rank": KNN, "limit": {"limit": 3}}]}),
            ("get", {}),
            ("get", {"limit": 3}),
            ("get", {"ids": ["a", "b", "c"]}),
        ]
        for route, body in refused:
            is_error(client.post(f"{path}/{route}", json=body), 400, "InvalidArgumentError")
        assert len(client.post(f"{path}/get", json={"limit": 2}).json()["ids"]) == 2
        assert len(client.post(f"{path}/get", json={"ids": ["a", "b"]}).json()["ids"]) == 2
        answer = client.post(f"{path}/query", json={"query_embeddings": [[1, 0]], "n_results": 2}).json()
        assert len(answer["ids"][0]) == 2
