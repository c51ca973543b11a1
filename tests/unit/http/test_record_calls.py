"""What is sent for searches, filters and explain, and how answers are read: the part that Chroma's server refuses."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import orjson
import pytest

from chroma_search import K, Knn, ReadLevel, Rrf, Search, SparseVector
from chroma_search.errors import InvalidArgumentError, InvalidFilterError
from chroma_search.front.filters import read_filter
from chroma_search.front.search_forms import search_result
from chroma_search.http import record_calls
from chroma_search.http.call import Response
from chroma_search.http.record_body import base64_vectors
from chroma_search.http.remote_facts import RemoteFacts
from chroma_search.requests import NearestRequest, RunOptions, Selection

ID = uuid.UUID(int=7)
BASE = f"/tenants/t%2F1/databases/d/collections/{ID}"


@pytest.fixture
def facts() -> RemoteFacts:
    form = {"id": str(ID), "name": "abc", "tenant": "t/1", "database": "d", "configuration_json": {}, "schema": None}
    return RemoteFacts(form, {})


def sent(call: Any) -> Any:
    return orjson.loads(call.request.body)


def answered(form: Any) -> Response:
    return Response(200, "application/json", orjson.dumps(form))


def test_a_search_is_sent_as_json_with_rrf_as_arithmetic(facts: RemoteFacts) -> None:
    search = Search().where(K("n") >= 1).rank(Rrf([Knn([1.0, 0.5], return_rank=True)])).limit(3).select("n", K.SCORE)
    call = record_calls.search(facts, [search.clauses], RunOptions(), ReadLevel.INDEX_ONLY)
    assert (call.request.method, call.request.path) == ("POST", f"{BASE}/search")
    assert sent(call) == {"searches": [search.to_dict()], "read_level": "index_only"}
    assert "$rrf" not in str(sent(call))


def test_exact_is_said_and_strict_is_kept_here(facts: RemoteFacts) -> None:
    call = record_calls.search(facts, [Search().clauses], RunOptions(exact=True, strict=True), ReadLevel.INDEX_AND_WAL)
    assert {**sent(call), "searches": []} == {"searches": [], "read_level": "index_and_wal", "exact": True}
    beyond = Search().order_by("n").clauses
    with pytest.raises(InvalidArgumentError, match="order_by"):
        record_calls.search(facts, [beyond], RunOptions(strict=True), ReadLevel.INDEX_AND_WAL)


def test_a_filter_that_has_no_meaning_is_not_sent(facts: RemoteFacts) -> None:
    wrong = read_filter(K("n").is_in([]), None)
    for call in (
        lambda: record_calls.get(facts, Selection(where=wrong), frozenset()),
        lambda: record_calls.delete(facts, Selection(where=wrong)),
        lambda: record_calls.query(
            facts, NearestRequest(np.ones((1, 2), np.float32), 1, None, wrong), frozenset(), RunOptions()
        ),
    ):
        with pytest.raises(InvalidFilterError):
            call()


def test_columns_of_a_search_are_read_with_sparse_vectors_as_objects(facts: RemoteFacts) -> None:
    search = Search().select("s", K.SCORE).clauses
    call = record_calls.search(facts, [search, search], RunOptions(), ReadLevel.INDEX_AND_WAL)
    sparse = {"#type": "sparse_vector", "indices": [1], "values": [0.5]}
    answers = call.read(
        answered(
            {
                "ids": [["a", "b"], []],
                "documents": [None, None],
                "embeddings": [[[1.0, 0.5], [0.0, 1.0]], None],
                "metadatas": [[{"s": sparse}, None], []],
                "scores": [[0.25, 1.5], []],
                "select": [["#score", "s"], ["#score", "s"]],
            }
        )
    )
    result = search_result([search, search], answers)
    assert result.rows()[0] == [
        {"id": "a", "embedding": [1.0, 0.5], "metadata": {"s": SparseVector([1], [0.5])}, "score": 0.25},
        {"id": "b", "embedding": [0.0, 1.0], "score": 1.5},
    ]
    assert (result.ids, result.documents) == ([["a", "b"], []], [None, None])


def test_vectors_are_asked_for_as_base64_and_only_they(facts: RemoteFacts) -> None:
    one = NearestRequest(np.ones((1, 2), np.float32), 1)
    for columns, expected in ((frozenset({"embeddings"}), "base64"), (frozenset({"uris"}), None)):
        assert sent(record_calls.get(facts, Selection(), columns)).get("vector_encoding") == expected
        assert sent(record_calls.query(facts, one, columns, RunOptions())).get("vector_encoding") == expected
    for search, expected in (
        (Search().select(K.EMBEDDING), "base64"),
        (Search().select_all(), "base64"),
        (Search(), None),
    ):
        call = record_calls.search(facts, [Search().clauses, search.clauses], RunOptions(), ReadLevel.INDEX_AND_WAL)
        assert sent(call).get("vector_encoding") == expected


@pytest.mark.parametrize("is_text", [True, False])
def test_vectors_are_read_as_base64_or_numbers_bit_by_bit(facts: RemoteFacts, is_text: bool) -> None:
    vectors = np.array([[0.1, -0.0, 1e-45], [3.4e38, 1.5, -7.0]], np.float32)
    written = base64_vectors(vectors) if is_text else vectors.tolist()
    call = record_calls.get(facts, Selection(), frozenset({"embeddings"}))
    found = call.read(answered({"ids": ["a", "b"], "embeddings": written}))
    assert found.embeddings is not None
    assert (found.embeddings.dtype, found.embeddings.shape) == (np.float32, (2, 3))
    assert found.embeddings.tobytes() == vectors.tobytes()
    found.embeddings[:] = 0  # the caller's own
    empty = call.read(answered({"ids": [], "embeddings": []}))
    assert empty.embeddings is not None
    assert empty.embeddings.shape[0] == 0


@pytest.mark.parametrize(
    "rows", [["AAAA"], ["AA?CAPw=="], ["AACAPw==", "AACAPwAAgD8AAIA/"], ["?"], [[1.0], [1.0, 2.0]]]
)
def test_vectors_that_are_none_are_refused(facts: RemoteFacts, rows: Any) -> None:
    with pytest.raises(ValueError):
        record_calls.get(facts, Selection(), frozenset()).read(answered({"ids": ["a"] * len(rows), "embeddings": rows}))


def test_explain_is_a_route_of_ours(facts: RemoteFacts) -> None:
    search = Search().rank(Rrf([Knn([1.0], return_rank=True)])).clauses
    call = record_calls.explain(facts, search, RunOptions(), "verbose", "text")
    assert call.request.path == f"{BASE}/explain"
    assert sent(call) == {"search": Search.of(search).to_dict(expand_rrf=False), "mode": "verbose", "format": "text"}
    assert call.read(answered({"explanation": "Project"})) == "Project"


def test_indexing_status_is_read(facts: RemoteFacts) -> None:
    form = {"op_indexing_progress": 0.5, "num_unindexed_ops": 2, "num_indexed_ops": 2, "total_ops": 4}
    status = record_calls.indexing_status(facts).read(answered(form))
    assert (status.total_ops, status.op_indexing_progress) == (4, 0.5)


def test_an_answer_in_another_content_type_is_refused(facts: RemoteFacts) -> None:
    call = record_calls.get(facts, Selection(), frozenset())
    with pytest.raises(TypeError, match="text/html"):
        call.read(Response(200, "text/html", b"{}"))
