"""Searches have the same answers from every client that can search: here, in threads, and from our server."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_search import (
    Bm25,
    EphemeralClient,
    GroupBy,
    K,
    Knn,
    MinK,
    QuerySyntaxError,
    Rrf,
    Schema,
    Search,
    SparseVector,
    SparseVectorIndexConfig,
)
from chroma_search.errors import DimensionMismatchError, InvalidInputError
from tests.conformance.clients import EVERYWHERE
from tests.functions import Letters, SparseLetters

pytestmark = pytest.mark.parametrize(
    "open_client", [each for each in EVERYWHERE if not each.endswith("chroma")], indirect=True
)

DOCUMENTS = ["abba", "cab", "deed", None, "bad cab", "aaa"]


def filled(client: Any) -> Any:
    """Return a collection with six records, dense and sparse vectors."""
    sparse = SparseVectorIndexConfig(source_key="#document", embedding_function=SparseLetters())
    schema = Schema().create_index(sparse, key="letters")
    collection = client.create_collection("abc", schema=schema, embedding_function=Letters(2))
    collection.add(
        ids=list("uvwxyz"),
        embeddings=[[2, 2, 0], [1, 1, 0], [0, 0, 0], [5, 5, 0], [2, 2, 0.5], [3, 0, 0]],
        documents=DOCUMENTS,
        metadatas=[{"n": at, "kind": "odd" if at % 2 else "even", "price": at / 4} for at in range(6)],
    )
    return collection


@pytest.fixture
def collection(client: Any) -> Any:
    return filled(client)


@pytest.fixture
def expected() -> Any:
    """Give the same collection in memory: what its answers are is tested against the oracle."""
    with EphemeralClient() as client:
        yield filled(client)


SEARCHES: list[Any] = [
    Search(),
    Search().where(K("n") > 1).limit(2, 1).select_all(),
    Search().rank(Knn([1.0, 1.0, 0.0])).select(K.SCORE, "n", "kind"),
    Search().rank(Knn("ab")).limit(3).select(K.SCORE, K.DOCUMENT),
    Search().rank(Knn("cab", key="letters")).select(K.SCORE),
    Search().rank(Knn(SparseVector([0, 1], [1.0, 0.5]), key="letters", limit=2)).select(K.SCORE, K.METADATA),
    Search().rank(Rrf([Knn([1.0, 1.0, 0.0], return_rank=True), Bm25("cab", return_rank=True)])).select(K.SCORE),
    Search().rank(Knn([1.0, 1.0, 0.0]) * 0.5 + K("price")).limit(4).select(K.SCORE),
    Search().rank(Knn([0.0, 0.0, 0.0])).group_by(GroupBy(keys=K("kind"), aggregate=MinK(keys=K.SCORE, k=1))),
    Search().where("n >= 1 AND #document CONTAINS 'ca'").order_by(K("n").desc()).select("n"),
    Search().rank(Knn([1.0, 1.0, 0.0])).select(K.EMBEDDING),
    {"filter": {"kind": "odd"}, "limit": {"limit": 2}, "select": {"keys": ["#document"]}},
    "WHERE n >= 2 RANK knn('ab') + 0.1 LIMIT 3 SELECT #score, n",
]


@pytest.mark.parametrize("search", SEARCHES, ids=range(len(SEARCHES)))
def test_a_search_has_the_answer_that_it_has_in_memory(collection: Any, expected: Any, search: Any) -> None:
    found = collection.search(search, exact=True)
    assert dict(found) == dict(expected.search(search, exact=True))
    assert found.rows() == expected.search(search, exact=True).rows()


def test_a_batch_is_answered_in_order(collection: Any, expected: Any) -> None:
    searches = [SEARCHES[2], SEARCHES[0], "WHERE n = $n", SEARCHES[1]]
    found = collection.search(searches, params={"n": 4})
    assert dict(found) == dict(expected.search(searches, params={"n": 4}))
    assert found.ids[2] == ["y"]


def test_sparse_vectors_are_made_of_documents_and_come_back_as_objects(collection: Any) -> None:
    found = collection.get(ids=["v", "x"])
    assert found.metadatas[0]["letters"] == SparseVector([0, 1, 2], [1.0, 1.0, 1.0])
    assert "letters" not in found.metadatas[1]


def test_an_exact_query_is_a_query(collection: Any, expected: Any) -> None:
    asked = {"query_embeddings": [[1, 1, 0], [0, 0, 0]], "n_results": 6, "where": "n < 5"}
    assert dict(collection.query(**asked, exact=True)) == dict(expected.query(**asked))


def test_explain_says_how(collection: Any) -> None:
    text = collection.explain("WHERE n >= 2 RANK knn($q) LIMIT 3", params={"q": [1.0, 0.0, 0.0]})
    assert text.startswith("Project")
    assert "Filter: where=n >= 2" in text
    plan = collection.explain(SEARCHES[6], mode="verbose", format="json")
    assert {"plan", "stages"} <= plan.keys()
    assert "visited=6" in collection.explain(SEARCHES[2], mode="analyze")


@pytest.mark.parametrize(
    ("search", "error"),
    [
        ("RANK knn(", QuerySyntaxError),
        (Search().rank(Knn([1.0])), DimensionMismatchError),
        (Search().where(K("n").is_in([])), InvalidInputError),
        (Search().rank(Knn("text", key="nothing")), InvalidInputError),
        (Search().where(K("kind").regex("(")), InvalidInputError),
    ],
    ids=["syntax", "dimension", "empty list", "key without a function", "pattern"],
)
def test_a_search_with_a_mistake_is_the_same_error(collection: Any, search: Any, error: type[Exception]) -> None:
    for call in (collection.search, collection.explain):
        with pytest.raises(error):
            call(search)


def test_strict_refuses_what_chroma_does_not_have(collection: Any) -> None:
    assert collection.search(SEARCHES[3], strict=True).ids
    for call in (collection.search, collection.explain):
        with pytest.raises(InvalidInputError):
            call(SEARCHES[6], strict=True)
