"""Our BM25 function by itself: known values, settings, errors. Equality with upstream: tests/conformance."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chroma_search.embeddings import ChromaBm25EmbeddingFunction
from chroma_search.embeddings.bm25 import DEFAULT_CHROMA_BM25_STOPWORDS, term_dimension
from chroma_search.errors import InvalidConfigError, InvalidInputError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector


@pytest.mark.parametrize(
    ("term", "dimension"),
    [("fox", 1621867415), ("", 0), ("hello", 613153351), ("日本", 992347838)],
)
def test_dimensions_are_murmur3_hashes(term: str, dimension: int) -> None:
    assert term_dimension(term) == dimension


def test_weights_follow_the_formula() -> None:
    (vector,) = ChromaBm25EmbeddingFunction(k=2.0, b=0.5, avg_doc_length=4.0, include_tokens=True)(
        ["The running foxes ran; a FOX runs!"]
    )
    held_back = 2.0 * (1 - 0.5 + 0.5 * 5 / 4.0)  # kept words: running foxes ran fox runs
    weight = {tf: tf * 3.0 / (tf + held_back) for tf in (1, 2)}
    expected = {"run": weight[2], "fox": weight[2], "ran": weight[1]}
    assert dict(zip(vector.labels or [], vector.values, strict=True)) == pytest.approx(expected)
    assert vector.indices == sorted(term_dimension(stem) for stem in expected)


@pytest.mark.parametrize("text", ["", " \n\t", "the and of", "'!?-", "x" * 41])
def test_a_text_without_kept_words_gives_an_empty_vector(text: str) -> None:
    for include_tokens in (False, True):
        assert ChromaBm25EmbeddingFunction(include_tokens=include_tokens)([text]) == [SparseVector([], [])]


@pytest.mark.parametrize("words", [("w30181", "w38066"), ("w90930", "w122127")], ids=["equal hash", "opposite sign"])
def test_words_that_fall_in_one_dimension_count_as_one_under_the_first_label(words: tuple[str, str]) -> None:
    assert term_dimension(words[0]) == term_dimension(words[1])
    (vector,) = ChromaBm25EmbeddingFunction(include_tokens=True)([" ".join(words)])
    (twice,) = ChromaBm25EmbeddingFunction(include_tokens=True)([f"{words[0]} {words[0]}"])
    assert vector == twice
    assert vector.labels == [words[0]]


def test_threads_may_share_a_function() -> None:
    function = ChromaBm25EmbeddingFunction()
    texts = [f"generalizations of organization number {n} {'happily ' * (n % 5)}" for n in range(300)]
    expected = function(texts)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: function([text])[0], texts)) == expected


def test_the_stop_list_has_179_sorted_words() -> None:
    assert len(DEFAULT_CHROMA_BM25_STOPWORDS) == 179
    assert sorted(set(DEFAULT_CHROMA_BM25_STOPWORDS)) == DEFAULT_CHROMA_BM25_STOPWORDS


def test_own_stop_words_replace_the_built_in_ones_whatever_their_case() -> None:
    (vector,) = ChromaBm25EmbeddingFunction(stopwords=["FOX"], include_tokens=True)(["the fox"])
    assert vector.labels == ["the"]
    (vector,) = ChromaBm25EmbeddingFunction(stopwords=[], include_tokens=True)(["the fox"])
    assert sorted(vector.labels or []) == ["fox", "the"]


def test_settings_survive_the_way_through_json() -> None:
    for function in (ChromaBm25EmbeddingFunction(), ChromaBm25EmbeddingFunction(1, 0.5, 10, 7, ("a", "b"), True)):
        config = json.loads(json.dumps(function.get_config()))
        assert ("stopwords" in config) == (function.stopwords is not None)
        rebuilt = ChromaBm25EmbeddingFunction.build_from_config(config)
        assert rebuilt.get_config() == config
        text = ["a quick brown foxy fox"]
        assert rebuilt(text) == function(text)


def test_the_configuration_of_an_empty_dict_is_the_default() -> None:
    assert ChromaBm25EmbeddingFunction.build_from_config({}).get_config() == {
        "k": 1.2,
        "b": 0.75,
        "avg_doc_length": 256.0,
        "token_max_length": 40,
        "include_tokens": False,
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"k": -0.1},
        {"k": math.nan},
        {"k": math.inf},
        {"k": 10**400},
        {"k": "1.2"},
        {"k": True},
        {"b": 1.1},
        {"b": -0.1},
        {"avg_doc_length": 0},
        {"avg_doc_length": -5},
        {"token_max_length": -1},
        {"token_max_length": None},
    ],
    ids=repr,
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        ChromaBm25EmbeddingFunction(**settings)
    assert caught.value.path == f"config.{next(iter(settings))}"


@pytest.mark.parametrize("settings", [{"k": 0}, {"b": 0}, {"b": 1}, {"avg_doc_length": 0.001}, {"k": 1e9}])
def test_extreme_settings_give_finite_weights(settings: dict[str, Any]) -> None:
    (vector,) = ChromaBm25EmbeddingFunction(**settings)(["fox fox dog " * 50])
    assert len(vector.values) == 2
    assert all(math.isfinite(value) and value >= 0 for value in vector.values)


def test_unknown_or_mistyped_settings_of_a_configuration_are_refused() -> None:
    for config in ({"K": 1.2}, {"stopwords": "the"}, {"include_tokens": 1}, {"k": None}):
        with pytest.raises(InvalidConfigError):
            ChromaBm25EmbeddingFunction.build_from_config(config)
    function = ChromaBm25EmbeddingFunction()
    function.validate_config_update(function.get_config(), {"k": 1.1, "stopwords": ["custom"]})
    with pytest.raises(InvalidConfigError, match="no setting 'unknown'"):
        function.validate_config_update(function.get_config(), {"unknown": 123})


def test_a_string_is_no_list_of_stop_words_or_texts() -> None:
    with pytest.raises(WrongTypeError, match="stopwords"):
        ChromaBm25EmbeddingFunction(stopwords="the")
    with pytest.raises(WrongTypeError, match="list of strings"):
        ChromaBm25EmbeddingFunction()("the fox")  # type: ignore[arg-type]


def test_a_lone_surrogate_is_an_error_and_no_crash() -> None:
    with pytest.raises(InvalidInputError, match="lone surrogate"):
        ChromaBm25EmbeddingFunction()(["fine", "\ud800abc"])


def test_no_texts_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="non-empty"):
        ChromaBm25EmbeddingFunction()([])
