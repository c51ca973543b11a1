"""What a collection computes by itself: dense vectors, sparse vectors, the vectors of text queries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chroma_search import (
    EphemeralClient,
    K,
    Knn,
    LsaEmbeddingFunction,
    Rrf,
    Schema,
    Search,
    SparseVector,
    SparseVectorIndexConfig,
    Val,
)
from chroma_search.client.system import clear_systems
from chroma_search.errors import InvalidArgumentError, InvalidInputError
from tests.functions import Letters, SparseLetters

pytestmark = pytest.mark.filterwarnings("ignore:.* cannot be stored with the collection")  # small functions below

TEXTS = ["red apples and green apples", "green trees", "fast red cars", "cars and trucks", "apple trees bear apples"]


@pytest.fixture
def client() -> Iterator[Any]:
    clear_systems()
    yield EphemeralClient()
    clear_systems()


def sparse_schema(function: Any, *, source: str | None = "#document", key: str = "terms") -> Schema:
    return Schema().create_index(SparseVectorIndexConfig(embedding_function=function, source_key=source), key=key)


# --- dense -----------------------------------------------------------------------------------------------------------


def test_documents_are_embedded_by_the_function_and_queries_by_its_query_method(client: Any) -> None:
    function = Letters()
    collection = client.create_collection("abc", embedding_function=function)
    collection.add(ids=["a", "b"], documents=["aab", "dd"])
    assert collection.get(include=["embeddings"]).embeddings.tolist() == [[2, 1, 0, 0, 0], [0, 0, 0, 2, 0]]
    found = collection.query(query_texts=["aab"], n_results=1)
    assert (found.ids, found.distances) == ([["a"]], [[1.0]])  # the 1 that marks a query is the whole distance


def test_explicit_embeddings_win_and_documents_are_stored_as_they_are(client: Any) -> None:
    function = Letters()
    collection = client.create_collection("abc", embedding_function=function)
    collection.add(ids="a", embeddings=[0] * 5, documents="aaa")
    collection.query(query_embeddings=[0] * 5, query_texts="aaa")
    assert function.calls == []
    assert collection.get().documents == ["aaa"]


def test_a_new_document_is_embedded_again_but_new_metadata_is_not(client: Any) -> None:
    collection = client.create_collection("abc", embedding_function=Letters())
    collection.add(ids="a", documents="a")
    collection.update(ids="a", metadatas={"n": 1})
    collection.update(ids="a", documents="bb")
    collection.upsert(ids=["a", "b"], documents=["ccc", "d"])
    found = collection.get(include=["embeddings", "documents", "metadatas"])
    assert found.embeddings.tolist() == [[0, 0, 3, 0, 0], [0, 0, 0, 1, 0]]
    assert (found.documents, found.metadatas) == (["ccc", "d"], [{"n": 1}, None])


def test_images_and_uris_are_embedded_through_the_loader(client: Any) -> None:
    class Brightness:
        def __call__(self, input: Any) -> Any:
            return [[float(np.mean(image)), 1.0] for image in input]

    def loader(uris: list[str | None]) -> list[Any]:
        return [None if uri is None else np.full((2, 2), float(uri)) for uri in uris]

    collection = client.create_collection("abc", embedding_function=Brightness(), data_loader=loader)
    collection.add(ids="a", images=[np.full((2, 2), 3.0)])
    collection.add(ids=["b", "c"], uris=["5", "7"])
    found = collection.get(include=["embeddings", "data"])
    assert found.embeddings.tolist() == [[3, 1], [5, 1], [7, 1]]
    assert (found.uris, found.included) == ([None, "5", "7"], ["embeddings", "data", "uris"])
    assert found.data[0] is None
    assert found.data[1].tolist() == [[5, 5], [5, 5]]
    asked = collection.query(query_uris="7", n_results=1, include=["data"])
    assert (asked.ids, asked.uris, asked.data[0][0].tolist()) == ([["c"]], [["7"]], [[7, 7], [7, 7]])
    assert collection.query(query_images=[np.full((2, 2), 4.9)], n_results=1).ids == [["b"]]


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        ([], InvalidInputError),
        ([[1.0]], InvalidInputError),
        ([[1.0], [float("nan")]], InvalidArgumentError),
        ([[1.0], [1.0, 2.0]], InvalidArgumentError),
    ],
    ids=["nothing", "too few", "NaN", "unequal"],
)
def test_a_function_that_returns_nonsense_writes_nothing(client: Any, returned: Any, error: type[Exception]) -> None:
    class Broken:
        def __call__(self, input: Any) -> Any:
            return returned

    collection = client.create_collection("abc", embedding_function=Broken())
    with pytest.raises(error):
        collection.add(ids=["a", "b"], documents=["x", "y"])
    assert collection.count() == 0


def test_an_error_of_the_function_reaches_the_caller_unchanged(client: Any) -> None:
    class Offline:
        def __call__(self, input: Any) -> Any:
            raise ConnectionError("no network")

    collection = client.create_collection("abc", embedding_function=Offline())
    with pytest.raises(ConnectionError, match=r"^no network$"):
        collection.add(ids="a", documents="x")


# --- a function that must be fitted ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:LsaEmbeddingFunction was fitted on")
def test_a_function_is_fitted_on_the_documents_of_the_first_write(client: Any) -> None:
    function = LsaEmbeddingFunction(n_components=3)
    collection = client.create_collection("abc", embedding_function=function)
    collection.add(ids=list("abcde"), documents=TEXTS)
    assert function.is_fitted
    assert collection.query(query_texts="apples", n_results=2).ids == [["a", "e"]]
    collection.add(ids="f", documents="green cars")  # not fitted again
    assert client.get_collection("abc").query(query_texts="truck", n_results=1).ids == [["d"]]
    assert collection.configuration_json["embedding_function"]["config"]["model"] is not None


@pytest.mark.filterwarnings("ignore:LsaEmbeddingFunction was fitted on")
def test_the_fitted_form_is_stored_with_the_collection(client: Any) -> None:
    collection = client.create_collection("abc", embedding_function=LsaEmbeddingFunction(n_components=3))
    collection.add(ids=list("abcde"), documents=TEXTS)
    expected = collection.query(query_texts="apples")
    collection._backend.system.functions.clear()  # as in another process: only what is stored is left
    assert client.get_collection("abc").query(query_texts="apples") == expected


@pytest.mark.filterwarnings("ignore:LsaEmbeddingFunction was fitted on")
def test_threads_that_add_at_once_fit_once(client: Any) -> None:
    collection = client.create_collection("abc", embedding_function=LsaEmbeddingFunction(n_components=2))
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            collection.add(ids=[f"{number}-{at}" for at in range(5)], documents=TEXTS)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert collection.count() == 20


# --- sparse ----------------------------------------------------------------------------------------------------------


def test_a_sparse_key_is_filled_from_the_documents_of_the_call(client: Any) -> None:
    collection = client.create_collection("abc", schema=sparse_schema(SparseLetters()), embedding_function=None)
    collection.add(
        ids=["a", "b", "c"], embeddings=[[1.0]] * 3, documents=["aab", "", None], metadatas=[{"n": 1}, None, None]
    )
    assert collection.get().metadatas == [
        {"n": 1, "terms": SparseVector([0, 1], [2.0, 1.0])},
        {"terms": SparseVector([], [])},
        None,
    ]
    collection.update(ids="a", embeddings=[2.0], documents="c")
    collection.update(ids="b", metadatas={"n": 2})
    assert collection.get().metadatas[:2] == [
        {"n": 1, "terms": SparseVector([2], [1.0])},
        {"n": 2, "terms": SparseVector([], [])},
    ]


def test_a_sparse_key_is_filled_from_a_metadata_field_and_given_vectors_are_kept(client: Any) -> None:
    function, given = SparseLetters(), SparseVector([9], [9.0])
    schema = sparse_schema(function, source="title")
    collection = client.create_collection("abc", schema=schema, embedding_function=None)
    metadatas = [{"title": "ab"}, {"title": 5}, {"title": "c", "terms": given}, {"other": "ab"}]
    collection.upsert(ids=list("abcd"), embeddings=[[1.0]] * 4, metadatas=metadatas)
    assert [each.get("terms") for each in collection.get().metadatas] == [
        SparseVector([0, 1], [1.0, 1.0]),
        None,
        given,
        None,
    ]
    assert function.calls == [["ab"]]
    assert metadatas[0] == {"title": "ab"}  # the caller's dict is not changed


def test_several_sparse_keys_are_filled_in_one_call(client: Any) -> None:
    schema = sparse_schema(SparseLetters(), key="one")
    schema.create_index(SparseVectorIndexConfig(embedding_function=SparseLetters(), source_key="title"), key="two")
    collection = client.create_collection("abc", schema=schema, embedding_function=None)
    collection.add(ids="a", embeddings=[1.0], documents="a", metadatas={"title": "b"})
    assert collection.get().metadatas == [
        {"title": "b", "one": SparseVector([0], [1.0]), "two": SparseVector([1], [1.0])}
    ]


def test_a_sparse_key_without_a_source_is_left_alone(client: Any) -> None:
    collection = client.create_collection(
        "abc", schema=sparse_schema(SparseLetters(), source=None), embedding_function=None
    )
    collection.add(ids="a", embeddings=[1.0], documents="a")
    assert collection.get().metadatas == [None]


def test_a_schema_changed_after_creation_changes_nothing(client: Any) -> None:
    schema = sparse_schema(SparseLetters())
    collection = client.create_collection("abc", schema=schema, embedding_function=None)
    schema.keys.clear()
    collection.add(ids="a", embeddings=[1.0], documents="a")
    assert collection.get().metadatas == [{"terms": SparseVector([0], [1.0])}]
    assert "terms" in collection.schema.keys


# --- text queries ----------------------------------------------------------------------------------------------------


@pytest.fixture
def texts(client: Any) -> Any:
    collection = client.create_collection("abc", schema=sparse_schema(SparseLetters()), embedding_function=Letters())
    collection.add(ids=["a", "b", "c"], documents=["aaa", "bbb", "abc"])
    return collection


@pytest.mark.parametrize("key", ["terms", K("terms")], ids=["str", "Key"])
def test_a_text_query_on_a_sparse_key_takes_its_function_however_the_key_is_given(texts: Any, key: Any) -> None:
    result = texts.search(Search().rank(Knn("bb", key=key)).select(K.SCORE))
    assert (result.ids, result.scores) == ([["b", "c"]], [[-5.0, -1.0]])  # 1 - dot; chromadb takes the dense one for K


def test_a_text_query_on_the_embedding_takes_the_query_method(texts: Any) -> None:
    for key in ("#embedding", K.EMBEDDING):
        result = texts.search(Search().rank(Knn("aaa", key=key)).select(K.SCORE).limit(1))
        assert (result.ids, result.scores) == ([["a"]], [[1.0]])


def test_text_queries_are_found_anywhere_in_a_rank_and_embedded_once(texts: Any) -> None:
    function = texts.configuration["embedding_function"]
    function.calls.clear()
    inner = Knn("aaa", limit=3)
    rank = Rrf([Knn("aaa", return_rank=True, default=9), Knn("aaa", key="terms", return_rank=True, default=9)])
    rank = (rank + abs(Val(2) - inner).max(inner.exp().log().min(Val(1)))) * 1 / 2
    plain = texts.search([Search().rank(rank), Search().rank(inner)])
    assert function.calls == [["aaa"]]
    assert [len(each) for each in plain.ids] == [3, 3]


def test_other_clauses_are_kept_when_a_query_is_embedded(texts: Any) -> None:
    search = Search().where(K.ID.is_in(["b", "c"])).rank(Knn("aaa")).limit(1, offset=1).select(K.DOCUMENT)
    result = texts.search(search)
    assert (result.ids, result.documents) == ([["b"]], [["bbb"]])


@pytest.mark.parametrize(
    ("key", "part"), [("unknown", "key not found in schema"), ("plain", "no embedding function configured")]
)
def test_a_key_without_a_function_cannot_be_searched_for_a_text(client: Any, key: str, part: str) -> None:
    schema = Schema().create_index(SparseVectorIndexConfig(), key="plain")
    collection = client.create_collection("abc", schema=schema, embedding_function=Letters())
    collection.add(ids="a", documents="a")
    with pytest.raises(ValueError, match=part):
        collection.search(Search().rank(Knn("a", key=key)))


def test_a_search_that_is_refused_anyway_costs_no_embedding(texts: Any) -> None:
    function = texts.configuration["embedding_function"]
    function.calls.clear()
    with pytest.raises(ValueError):
        texts.search([Search().rank(Knn("a")), Search().rank(Knn([1.0] * 5, limit=0))])
    assert function.calls == []


def test_explain_embeds_texts_too(texts: Any) -> None:
    assert "#embedding" in texts.explain(Search().rank(Knn("aaa")))
