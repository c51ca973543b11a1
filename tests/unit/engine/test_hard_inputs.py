"""Sizes and texts at the edge, through the public client: the right answer or a typed error, nothing half-written."""

from __future__ import annotations

import numpy as np
import pytest

import chroma_search
from chroma_search import K, Knn, Search
from chroma_search.errors import ChromaSearchError, InvalidInputError

MANY = 100_000


@pytest.fixture
def collection():
    return chroma_search.EphemeralClient().create_collection("hard", embedding_function=None)


def test_a_hundred_thousand_ids_in_one_call(collection):
    """One call adds them, one gets them, one restricts a query to them, one filter names them, one deletes them."""
    ids = [f"id-{at}" for at in range(MANY)]
    vectors = np.arange(MANY, dtype=np.float32)[:, None]
    collection.add(ids=ids, embeddings=vectors, metadatas=[{"n": at} for at in range(MANY)])
    assert collection.count() == MANY
    assert collection.get(ids=ids[::-1], include=[])["ids"] == ids
    wanted = [*ids[: MANY // 2], *(f"unknown-{at}" for at in range(MANY // 2))]
    found = collection.query(query_embeddings=[[MANY]], ids=wanted, n_results=2, exact=True)
    assert found["ids"] == [[ids[MANY // 2 - 1], ids[MANY // 2 - 2]]]
    found = collection.get(where={"n": {"$in": list(range(0, MANY, 2))}}, include=[])
    assert found["ids"] == ids[::2]
    collection.delete(ids=ids[1:])
    assert collection.get(include=[])["ids"] == ids[:1]


@pytest.mark.parametrize("n_ids", [1, 10, 1000])
def test_query_restricted_to_ids_ignores_unknown_ones(collection, n_ids):
    collection.add(ids=[f"{at}" for at in range(1500)], embeddings=[[float(at)] for at in range(1500)])
    wanted = [*(f"{at}" for at in range(n_ids)), "nobody"]
    found = collection.query(query_embeddings=[[0.0]], ids=wanted, n_results=2000, include=[])
    assert found["ids"] == [[f"{at}" for at in range(n_ids)]]
    assert collection.query(query_embeddings=[[0.0]], ids=[], include=[])["ids"] == [[]]


def test_an_id_of_a_megabyte_and_a_document_of_ten(collection):
    long_id, long_text = "é" * 500_000, "needle " + "hay " * 2_500_000
    collection.add(ids=[long_id, "b"], embeddings=[[0.0], [1.0]], documents=[long_text, "needle"])
    assert collection.get(ids=[long_id])["documents"] == [long_text]
    assert collection.get(where_document={"$contains": "needle hay hay"})["ids"] == [long_id]
    assert collection.get(where_document={"$regex": "hay $"})["ids"] == [long_id]
    assert collection.search(Search(where=K.ID.is_in([long_id])))["ids"] == [[long_id]]
    assert collection.search(Search(rank=chroma_search.Bm25("hay")))["ids"] == [[long_id]]


@pytest.mark.parametrize("key", ["😀", "a\x00b", "e\u0301", "with space", "WHERE", '"', "a.b", "ß" * 1000])
def test_any_key_that_can_be_stored_can_be_searched_in_three_spellings(collection, key):
    collection.add(ids=["a", "b"], embeddings=[[0.0], [1.0]], metadatas=[{key: "x\x00"}, {"other": 1}])
    search = Search(where=K(key) == "x\x00")
    assert collection.search(search)["ids"] == [["a"]]
    assert collection.search(Search.from_dict(search.to_dict()))["ids"] == [["a"]]
    assert collection.search(search.to_text())["ids"] == [["a"]]
    assert collection.get(where={key: {"$ne": "x\x00"}})["ids"] == ["b"]


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_text_that_is_no_unicode_is_refused_and_nothing_is_written(collection, text):
    for arguments in (
        {"ids": ["a", text], "embeddings": [[0.0], [1.0]]},
        {"ids": ["a"], "embeddings": [[0.0]], "documents": [text]},
        {"ids": ["a"], "embeddings": [[0.0]], "metadatas": [{"k": text}]},
        {"ids": ["a"], "embeddings": [[0.0]], "metadatas": [{text: "k"}]},
    ):
        with pytest.raises(InvalidInputError):
            collection.add(**arguments)
    assert collection.count() == 0


@pytest.mark.parametrize(
    "embeddings",
    [
        [[1.0, 2.0], [1.0]],
        [[1.0, float("nan")], [1.0, 2.0]],
        [[1.0, float("inf")], [1.0, 2.0]],
        [[1e39, 0.0], [1.0, 2.0]],
        [[], []],
        [["a", "b"], ["c", "d"]],
        [[True, False], [True, True]],
        [[1 + 2j, 0], [0, 0]],
        np.zeros((2, 2), dtype="datetime64[s]"),
        np.zeros((2, 2, 2)),
        np.zeros((3, 2)),
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
    ],
    ids=str,
)
def test_wrong_embeddings_write_nothing(collection, embeddings):
    collection.add(ids=["first"], embeddings=[[0.0, 0.0]])
    for write in (collection.add, collection.upsert, collection.update):
        with pytest.raises((ValueError, TypeError)) as caught:
            write(ids=["first", "second"], embeddings=embeddings)
        assert isinstance(caught.value, ChromaSearchError)
    assert collection.get(include=["embeddings"])["embeddings"].tolist() == [[0.0, 0.0]]


def test_an_empty_collection_answers_everything_with_nothing(collection):
    assert collection.count() == 0
    assert collection.get()["ids"] == []
    assert collection.peek()["ids"] == []
    assert collection.query(query_embeddings=[[1.0, 2.0], [3.0, 4.0]])["ids"] == [[], []]
    assert collection.search(Search(where=K("a") == 1, rank=Knn([1.0]), limit=3).select_all()).rows() == [[]]
    assert collection.delete(where={"a": 1}) == {"deleted": 0}
    assert "Scan" in str(collection.explain(Search(rank=Knn([1.0]))))


def test_all_records_deleted_is_an_empty_collection_of_its_dimension(collection):
    collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
    collection.delete(ids=["a"])
    assert collection.query(query_embeddings=[[1.0, 2.0]])["ids"] == [[]]
    with pytest.raises(ValueError, match="dimension of 2, got 3"):
        collection.add(ids=["b"], embeddings=[[1.0, 2.0, 3.0]])


def test_a_failing_search_of_a_batch_fails_the_batch(collection):
    collection.add(ids=["a"], embeddings=[[1.0, 2.0]])
    with pytest.raises(ValueError, match="dimension of 2, got 1"):
        collection.search([Search(rank=Knn([1.0, 2.0])), Search(rank=Knn([1.0]))])
