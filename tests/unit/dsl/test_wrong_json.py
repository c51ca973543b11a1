"""Wrong JSON gives the class of error that chromadb gives, or one that is more precise."""

from __future__ import annotations

from typing import Any

import pytest
from chromadb.execution import expression as upstream

from chroma_search.dsl import Aggregate, GroupBy, Knn, Limit, Rank, Select, Where
from chroma_search.dsl.where_document import where_document_to_where
from chroma_search.errors import ChromaSearchError, InvalidFilterError, InvalidRankError

KNN = {"$knn": {"query": [1.0, 2.0]}}

WRONG: list[tuple[str, Any]] = [
    ("Where", None),
    ("Where", []),
    ("Where", {}),
    ("Where", {"a": 1, "b": 2}),
    ("Where", {5: 1}),
    ("Where", {"a": {}}),
    ("Where", {"a": {"$gt": 1, "$lt": 2}}),
    ("Where", {"a": {"$near": 1}}),
    ("Where", {"a": {"$in": "x"}}),
    ("Where", {"a": {"$nin": 5}}),
    ("Where", {"a": {"$contains": None}}),
    ("Where", {"a": {"$contains": [1]}}),
    ("Where", {"a": {"$not_contains": {}}}),
    ("Where", {"#document": {"$contains": 5}}),
    ("Where", {"a": {"$regex": 5}}),
    ("Where", {"a": {"$not_regex": None}}),
    ("Where", {"$and": {}}),
    ("Where", {"$and": []}),
    ("Where", {"$or": "x"}),
    ("Where", {"$or": []}),
    ("Where", {"$and": [{"a": 1}], "b": 1}),
    ("Where", {"$or": [{"a": 1}, 5]}),
    ("Rank", None),
    ("Rank", []),
    ("Rank", {}),
    ("Rank", {"$val": 1, "$abs": KNN}),
    ("Rank", {"$nope": 1}),
    ("Rank", {"$val": "1"}),
    ("Rank", {"$knn": [1.0]}),
    ("Rank", {"$knn": {}}),
    ("Rank", {"$knn": {"query": None}}),
    ("Rank", {"$knn": {"query": {"indices": [1], "values": [1.0]}}}),
    ("Rank", {"$knn": {"query": [[1.0], [2.0]]}}),
    ("Rank", {"$knn": {"query": [1.0], "key": 5}}),
    ("Rank", {"$knn": {"query": [1.0], "limit": "5"}}),
    ("Rank", {"$knn": {"query": [1.0], "limit": 0}}),
    ("Rank", {"$knn": {"query": [1.0], "return_rank": 1}}),
    ("Rank", {"$sum": {}}),
    ("Rank", {"$sum": [KNN]}),
    ("Rank", {"$mul": []}),
    ("Rank", {"$max": 5}),
    ("Rank", {"$min": [KNN]}),
    ("Rank", {"$sub": []}),
    ("Rank", {"$sub": {"left": KNN}}),
    ("Rank", {"$div": {"right": KNN}}),
    ("Rank", {"$abs": [KNN]}),
    ("Rank", {"$exp": 5}),
    ("Rank", {"$log": None}),
    ("Limit", None),
    ("Limit", {"offset": "0"}),
    ("Limit", {"offset": -1}),
    ("Limit", {"limit": "5"}),
    ("Limit", {"limit": 0}),
    ("Limit", {"limit": -1}),
    ("Limit", {"page": 1}),
    ("Select", None),
    ("Select", {"keys": "abc"}),
    ("Select", {"keys": [5]}),
    ("Select", {"keys": [], "other": 1}),
    ("GroupBy", None),
    ("GroupBy", {"keys": ["a"]}),
    ("GroupBy", {"aggregate": {"$min_k": {"keys": ["a"], "k": 1}}}),
    ("GroupBy", {"keys": "a", "aggregate": {"$min_k": {"keys": ["a"], "k": 1}}}),
    ("GroupBy", {"keys": [], "aggregate": {"$min_k": {"keys": ["a"], "k": 1}}}),
    ("GroupBy", {"keys": ["a"], "aggregate": []}),
    ("Aggregate", None),
    ("Aggregate", {}),
    ("Aggregate", {"$min_k": {"keys": ["a"], "k": 1}, "$max_k": {"keys": ["a"], "k": 1}}),
    ("Aggregate", {"$avg": {"keys": ["a"], "k": 1}}),
    ("Aggregate", {"$min_k": []}),
    ("Aggregate", {"$min_k": {"k": 1}}),
    ("Aggregate", {"$min_k": {"keys": ["a"]}}),
    ("Aggregate", {"$min_k": {"keys": "a", "k": 1}}),
    ("Aggregate", {"$min_k": {"keys": [], "k": 1}}),
    ("Aggregate", {"$max_k": {"keys": ["a"], "k": "1"}}),
    ("Aggregate", {"$max_k": {"keys": ["a"], "k": 0}}),
]
OURS = {each.__name__: each for each in (Where, Rank, Limit, Select, GroupBy, Aggregate)}


@pytest.mark.parametrize(("name", "data"), WRONG)
def test_wrong_json_raises_what_chromadb_raises(name, data):
    with pytest.raises((TypeError, ValueError)) as theirs:
        getattr(upstream, name).from_dict(data)
    with pytest.raises(type(theirs.value)) as ours:
        OURS[name].from_dict(data)
    assert isinstance(ours.value, ChromaSearchError)


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        ({"$rrf": {"ranks": None}}, "requires 'ranks'"),
        ({"$rrf": {"ranks": []}}, "at least one rank"),
        ({"$rrf": {"ranks": [KNN], "weights": ["1"]}}, "weights must be numbers"),
        ({"$rrf": {"ranks": [KNN], "top": 5}}, "does not know 'top'"),
        ({"$bm25": {"query": 5}}, "wrong type int"),
        ({"$bm25": {}}, "requires 'query'"),
        ({"$decay": {"key": "ts", "origin": 1, "scale": None}}, "requires 'scale'"),
        ({"$decay": {"key": "ts", "origin": True, "scale": 1}}, "wrong type bool"),
        ({"$field": {}}, "requires 'key'"),
        ({"$if": {"condition": {"a": 1}, "then": KNN}}, "requires 'else'"),
        ({"$if": {"condition": {}, "then": KNN, "else": KNN}}, "cannot be empty"),
        ({"$knn": {"query": [1.0], "default": "1"}}, "default must be a number"),
        ({"$knn": {"query": []}}, "exactly one query embedding"),
        ({"$knn": {"query": [1, "a"]}}, "list of floats or ints"),
        ({"$knn": {"query": {"#type": "sparse_vector", "indices": [1], "values": [10**400]}}}, "64-bit float"),
        ({"$knn": {"query": {"#type": "sparse_vector", "indices": [2, 1], "values": [1, 2]}}}, "ascending"),
        ({"$pow": KNN}, "'left' and 'right'"),
        ({"$sqrt": 5}, "requires a rank dict"),
    ],
)
def test_wrong_json_of_our_own_nodes_is_refused(rank, message):
    with pytest.raises(ValueError, match=message) as caught:
        Rank.from_dict(rank)
    assert isinstance(caught.value, ChromaSearchError)


@pytest.mark.parametrize(
    ("read", "data", "message"),
    [
        (Where.from_dict, {"a": {"gt": 1}}, r"Unknown operator: gt: did you mean \$gt\? \(one of \$eq"),
        (Where.from_dict, {"a": {"$gte ": 1}}, r"did you mean \$gte\?"),
        (Where.from_dict, {"a": {"$between": 1}}, r"Unknown operator: \$between \(one of"),
        (Where.from_dict, {"$AND": [{"a": 1}]}, r"Unknown operator: \$AND: did you mean \$and\? \(a field"),
        (Where.from_dict, {"a": {7: 1}}, r"Unknown operator: int \(one of"),
        (Where.from_dict, {"a": {"x" * 10**6: 1}}, r"Unknown operator: x{40} \(one of"),
        (where_document_to_where, {"contains": "x"}, r"Unknown operator: contains: did you mean \$contains\?"),
        (Rank.from_dict, {"$kn": {}}, r"Unknown rank operator: \$kn: did you mean \$knn\?"),
        (Rank.from_dict, {"x" * 10**6: 1}, r"Unknown rank operator: x{40} \(one of"),
    ],
)
def test_an_unknown_operator_is_told_with_the_nearest_one(read, data, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(data)
    assert len(str(caught.value)) < 400


def test_the_error_names_the_path():
    with pytest.raises(InvalidFilterError) as caught:
        Where.from_dict({"$and": [{"a": 1}, {"$not": {"b": {"$near": 1}}}]})
    assert caught.value.path == "filter.$and[1].$not.b"
    with pytest.raises(InvalidRankError) as caught:
        Rank.from_dict({"$sum": [KNN, {"$abs": {"$sub": {"left": KNN, "right": {}}}}]})
    assert caught.value.path == "rank.$sum[1].$abs.$sub.right"


def test_a_text_is_a_query_in_json_as_in_python():
    knn = Knn("text", "s", 5)  # upstream's code refuses it, its documentation does not
    assert Rank.from_dict(knn.to_dict()) == knn


@pytest.mark.parametrize("wrap", [lambda inner: {"$and": [inner, inner]}, lambda inner: {"$not": inner}])
def test_json_nested_too_deep_is_refused(wrap):
    data: Any = {"a": 1}
    for _ in range(5000):
        data = wrap(data)
    with pytest.raises(InvalidFilterError, match="nested more than 100 levels"):
        Where.from_dict(data)


def test_ranks_nested_too_deep_in_json_are_refused():
    data: Any = {"$val": 1}
    for _ in range(5000):
        data = {"$abs": data}
    with pytest.raises(InvalidRankError, match="nested more than 100 levels"):
        Rank.from_dict(data)
