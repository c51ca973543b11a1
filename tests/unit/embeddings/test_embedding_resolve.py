"""Which function embeds a text query, and what is done with its answer."""

from typing import Any

import numpy as np
import pytest

from chroma_search.embeddings import DefaultEmbeddingFunction, Documents, EmbeddingFunction
from chroma_search.embeddings.apply import (
    embed_documents,
    embed_queries,
    embed_sparse_documents,
    embed_sparse_queries,
)
from chroma_search.embeddings.bm25 import ChromaBm25EmbeddingFunction
from chroma_search.embeddings.resolve import (
    EmbeddingSources,
    KeyFunctions,
    resolve_dense_function,
    resolve_query_function,
)
from chroma_search.errors import InvalidInputError, WrongTypeError


class Named(EmbeddingFunction[Documents]):
    def __init__(self, label: str) -> None:
        self.label = label

    def __call__(self, input: Documents) -> Any:
        return [[0.0] for _ in input]

    def __len__(self) -> int:  # falsy on purpose: functions are chosen by `is None`, not by truth
        return 0


GIVEN, CONFIGURED, SCHEMA, SCHEMA_DEFAULT, DENSE = (Named(each) for each in "gcsdx")
DEFAULT = DefaultEmbeddingFunction()
BM25 = ChromaBm25EmbeddingFunction()
KEYS = {
    "#embedding": KeyFunctions(dense=SCHEMA),
    "sparse": KeyFunctions(sparse=BM25),
    "both": KeyFunctions(sparse=BM25, dense=DENSE),
    "dense": KeyFunctions(dense=DENSE),
    "bare": KeyFunctions(),
}


def no_key(key: str) -> KeyFunctions | None:
    return None


@pytest.mark.parametrize(
    ("given", "configured", "of_key", "schema_default", "expected"),
    [
        (GIVEN, CONFIGURED, KEYS.get, SCHEMA_DEFAULT, GIVEN),
        (DEFAULT, CONFIGURED, KEYS.get, SCHEMA_DEFAULT, CONFIGURED),
        (None, CONFIGURED, KEYS.get, SCHEMA_DEFAULT, CONFIGURED),
        (DEFAULT, None, KEYS.get, SCHEMA_DEFAULT, SCHEMA),
        (None, None, KEYS.get, SCHEMA_DEFAULT, SCHEMA),
        (DEFAULT, None, {"#embedding": KeyFunctions()}.get, SCHEMA_DEFAULT, SCHEMA_DEFAULT),
        (DEFAULT, None, no_key, SCHEMA_DEFAULT, SCHEMA_DEFAULT),
        (DEFAULT, None, no_key, None, DEFAULT),
    ],
)
def test_the_dense_function_is_the_first_that_exists(
    given: Any, configured: Any, of_key: Any, schema_default: Any, expected: Any
) -> None:
    sources = EmbeddingSources(given, configured, of_key, schema_default)
    assert resolve_dense_function(sources) is expected
    assert resolve_query_function("#embedding", sources) is expected


def test_none_given_and_none_stored_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="You must provide an embedding function"):
        resolve_query_function("#embedding", EmbeddingSources(None))


@pytest.mark.parametrize(("key", "expected"), [("sparse", BM25), ("both", BM25), ("dense", DENSE)])
def test_another_key_uses_its_own_sparse_or_dense_function(key: str, expected: Any) -> None:
    sources = EmbeddingSources(GIVEN, CONFIGURED, KEYS.get, SCHEMA_DEFAULT)
    assert resolve_query_function(key, sources) is expected


@pytest.mark.parametrize(
    ("key", "words"), [("absent", "key not found in schema"), ("bare", "no embedding function configured")]
)
def test_another_key_never_falls_back_to_the_dense_function(key: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=f"Cannot embed string query for key '{key}': {words}"):
        resolve_query_function(key, EmbeddingSources(GIVEN, CONFIGURED, KEYS.get, SCHEMA_DEFAULT))


def test_a_key_object_must_be_given_by_its_name() -> None:
    class AlwaysEqual:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(WrongTypeError, match="by its name"):
        resolve_query_function(AlwaysEqual(), EmbeddingSources(GIVEN))  # type: ignore[arg-type]


def test_any_callable_embeds_and_what_it_returns_is_normalised() -> None:
    class Duck:
        def __call__(self, input: Documents) -> Any:
            return [[len(each), 1] for each in input]

    for embed in (embed_documents, embed_queries):
        vectors = embed(Duck(), ("a", "bb"))  # type: ignore[arg-type]
        assert [each.dtype for each in vectors] == [np.float32, np.float32]
        np.testing.assert_array_equal(vectors, [[1, 1], [2, 1]])


def test_queries_use_embed_query_and_are_normalised() -> None:
    class Asymmetric(Named):
        def embed_query(self, input: Documents) -> Any:
            return np.full((len(input), 2), 7.0)

    np.testing.assert_array_equal(embed_queries(Asymmetric("a"), ["x"]), [[7, 7]])
    np.testing.assert_array_equal(embed_documents(Asymmetric("a"), ["x"]), [[0]])


def test_sparse_functions_are_called_alike() -> None:
    assert embed_sparse_queries(BM25, ["red fox"]) == embed_sparse_documents(BM25, ["red fox"]) == BM25(["red fox"])


@pytest.mark.parametrize("n_returned", [1, 3])
def test_a_wrong_number_of_vectors_is_refused(n_returned: int) -> None:
    class Miscounting(Named):
        def __call__(self, input: Documents) -> Any:
            return [[1.0]] * n_returned

    for embed in (embed_documents, embed_queries):
        with pytest.raises(InvalidInputError, match=f"unexpected number of embeddings: {n_returned} for 2 inputs"):
            embed(Miscounting("m"), ["a", "b"])


def test_the_function_cannot_change_the_callers_list() -> None:
    class Greedy(Named):
        def __call__(self, input: Documents) -> Any:
            n_inputs = len(input)
            input.clear()
            return [[1.0]] * n_inputs

    texts = ["a", "b"]
    assert len(embed_documents(Greedy("g"), texts)) == 2
    assert texts == ["a", "b"]
