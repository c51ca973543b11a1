"""The oracle's writes, filters and distances against chromadb 1.5.9, wherever the spec keeps upstream's behaviour.

Left out, because the spec decides otherwise or upstream cannot: fractions compared with ints, elements of number
arrays, uris, sparse vectors, None in `add`, the order of ties.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given, settings

from tests.oracle import OracleCollection
from tests.property.record_strategies import DOCUMENT_FILTERS, FILTERS, Operation, apply, histories

WHERES: tuple[dict[str, Any], ...] = (
    *FILTERS,
    {"n": {"$lt": 0}},
    {"n": False},
    {"m": {"$gt": -1}},
    {"s": ""},
    {"s": "😀"},
    {"s": {"$in": ["a", "A", "e\u0301"]}},
    {"tags": {"$not_contains": "a"}},
    {"tags": {"$contains": True}},
    {"#document": {"$contains": "fo"}},
)
TEXTS: tuple[dict[str, Any], ...] = (
    *DOCUMENT_FILTERS,
    {"$contains": "é"},
    {"$contains": "x_%"},
    {"$regex": "^$"},
    {"$regex": "(?i)FOX"},
    {"$not_regex": "fox$"},
    {"$or": [{"$contains": "日本"}, {"$contains": "STR"}]},
)


@pytest.fixture(scope="module")
def client() -> Any:
    import chromadb
    from chromadb.config import Settings

    return chromadb.EphemeralClient(Settings(anonymized_telemetry=False))


@pytest.mark.slow
@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_a_history_leaves_what_it_leaves_in_chromadb(client: Any, space: str) -> None:
    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(histories(upstream=True))
    def check(history: list[Operation]) -> None:
        name = f"c{uuid.uuid4().hex}"
        upstream = client.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": space}})
        oracle = OracleCollection(space)
        for operation in history:
            assert apply(operation, oracle) == apply(operation, upstream)
        compare(oracle, upstream)

    check()


def compare(oracle: OracleCollection, upstream: Any) -> None:
    assert oracle.count() == upstream.count()
    expected, found = oracle.get(), upstream.get(include=["embeddings", "documents", "metadatas"])
    assert (found["ids"], found["documents"]) == (expected["ids"], expected["documents"])
    assert found["metadatas"] == expected["metadatas"]
    for stored, embedding in zip(found["embeddings"], expected["embeddings"], strict=True):
        assert list(stored) == pytest.approx(embedding, rel=1e-6)  # for cosine, upstream scales to 1 and back
    for where in WHERES:
        assert upstream.get(where=where)["ids"] == oracle.get(where=where)["ids"], where
    for where_document in TEXTS:
        assert upstream.get(where_document=where_document)["ids"] == oracle.get(where_document=where_document)["ids"]
    found = upstream.query(query_embeddings=[[1.0, 0.5]], n_results=20)
    expected = oracle.query([[1.0, 0.5]], n_results=20)
    assert found["distances"][0] == pytest.approx(expected["distances"][0], abs=1e-6)
    distances = dict(zip(expected["ids"][0], expected["distances"][0], strict=True))
    assert [distances[each] for each in found["ids"][0]] == pytest.approx(expected["distances"][0], abs=1e-6)
