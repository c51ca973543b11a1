"""The sentence-transformers function without the package: its settings, its errors, and when a model is loaded.

A stand-in takes the place of the package; vectors of a real model are compared in tests/manual.
"""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chroma_search.embeddings import (
    SentenceTransformerEmbeddingFunction,
    embedding_function_from_config,
    embedding_function_to_config,
)
from chroma_search.errors import InvalidConfigError, InvalidInputError, UnsupportedError, WrongTypeError


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Install the stand-in; gives the list of models loaded."""
    loads: list[tuple[Any, ...]] = []

    class SentenceTransformer:
        def __init__(self, name: str, device: str, **kwargs: Any) -> None:
            if name == "absent":
                raise OSError("absent is not a local folder and the hub cannot be reached")
            loads.append((name, device, kwargs))

        def encode(self, texts: list[str], *, convert_to_numpy: bool, normalize_embeddings: bool) -> np.ndarray:
            vectors = np.array([[3.0 * len(text), 4.0 * len(text)] for text in texts])
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if normalize_embeddings else vectors

    package = ModuleType("sentence_transformers")
    package.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)
    monkeypatch.setattr(SentenceTransformerEmbeddingFunction, "models", {})
    return loads


def test_vectors_are_float32_and_normalised_on_request(loaded: list[Any]) -> None:
    (plain,) = SentenceTransformerEmbeddingFunction()(["ab"])
    (unit,) = SentenceTransformerEmbeddingFunction(normalize_embeddings=True)(["ab"])
    assert plain.dtype == unit.dtype == np.float32
    np.testing.assert_array_equal(plain, np.array([6, 8], np.float32))
    np.testing.assert_allclose(unit, [0.6, 0.8], rtol=1e-6)


def test_a_model_is_loaded_on_the_first_text_and_once_per_setting(loaded: list[Any]) -> None:
    first, second = SentenceTransformerEmbeddingFunction(), SentenceTransformerEmbeddingFunction()
    assert loaded == []
    for function in (first, second, first):
        function(["a"])
    SentenceTransformerEmbeddingFunction(device="cuda")(["a"])
    SentenceTransformerEmbeddingFunction(trust_remote_code=True)(["a"])
    assert loaded == [
        ("all-MiniLM-L6-v2", "cpu", {}),
        ("all-MiniLM-L6-v2", "cuda", {}),
        ("all-MiniLM-L6-v2", "cpu", {"trust_remote_code": True}),
    ]


def test_a_model_that_cannot_be_loaded_is_a_typed_error_with_the_way_out(loaded: list[Any]) -> None:
    with pytest.raises(UnsupportedError, match=r"hub cannot be reached.*path of a folder.*LsaEmbeddingFunction"):
        SentenceTransformerEmbeddingFunction("absent")(["a"])


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UnsupportedError, match=r"pip install chroma-search\[sentence-transformers\]"):
        SentenceTransformerEmbeddingFunction("another")(["a"])


def test_the_configuration_is_upstreams_and_rebuilds_without_loading(loaded: list[Any]) -> None:
    function = SentenceTransformerEmbeddingFunction("m", "cuda", True, revision="v2", flags=[1])
    form = embedding_function_to_config(function)
    assert form["config"] == {
        "model_name": "m",
        "device": "cuda",
        "normalize_embeddings": True,
        "kwargs": {"revision": "v2", "flags": [1]},
    }
    rebuilt = embedding_function_from_config(form)
    assert embedding_function_to_config(rebuilt) == form
    assert loaded == []


@pytest.mark.parametrize(
    "config",
    [
        {"model_name": "m"},
        {"model_name": "m", "device": "cpu", "normalize_embeddings": 1},
        {"model_name": None, "device": "cpu", "normalize_embeddings": False},
        {"model_name": "m", "device": "cpu", "normalize_embeddings": False, "more": 1},
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfigError):
        SentenceTransformerEmbeddingFunction.build_from_config(config)


def test_arguments_that_cannot_be_stored_are_refused() -> None:
    with pytest.raises(WrongTypeError, match="cache is not a primitive type"):
        SentenceTransformerEmbeddingFunction(cache=object())


@pytest.mark.parametrize("given", [[], "text", ["a", 1], None])
def test_what_is_no_list_of_texts_is_refused(loaded: list[Any], given: object) -> None:
    with pytest.raises(InvalidInputError):
        SentenceTransformerEmbeddingFunction()(given)  # type: ignore[arg-type]
    assert loaded == []
