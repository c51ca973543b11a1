"""Functions by name, and their JSON form there and back."""

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from chroma_search.embeddings import (
    UNSUPPORTED_FUNCTIONS,
    ChromaBm25EmbeddingFunction,
    DefaultEmbeddingFunction,
    Documents,
    EmbeddingFunction,
    LsaEmbeddingFunction,
    ONNXMiniLM_L6_V2,
    SentenceTransformerEmbeddingFunction,
    SparseEmbeddingFunction,
    config_to_embedding_function,
    embedding_function_from_config,
    embedding_function_to_config,
    known_embedding_functions,
    register_embedding_function,
    register_sparse_embedding_function,
    sparse_embedding_function_from_config,
    sparse_embedding_function_to_config,
    sparse_known_embedding_functions,
    unsupported_function,
)
from chroma_search.errors import InvalidConfigError, InvalidInputError, UnsupportedError


@pytest.fixture(autouse=True)
def _restored_registries() -> Iterator[None]:
    before = dict(known_embedding_functions), dict(sparse_known_embedding_functions)
    yield
    for registry, entries in zip((known_embedding_functions, sparse_known_embedding_functions), before, strict=True):
        registry.clear()
        registry.update(entries)  # type: ignore[arg-type]


class Constant(EmbeddingFunction[Documents]):
    def __init__(self, value: object = 1.0) -> None:
        self.value = value

    def __call__(self, input: Documents) -> Any:
        return [[self.value] for _ in input]

    @staticmethod
    def name() -> str:
        return "constant"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "Constant":
        return Constant(config["value"])

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


class SparseConstant(SparseEmbeddingFunction[Documents]):
    def __init__(self, value: float = 1.0) -> None:
        self.value = value

    def __call__(self, input: Documents) -> Any:
        return []

    @staticmethod
    def name() -> str:
        return "sparse_constant"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "SparseConstant":
        return SparseConstant(config["value"])

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


class Nameless(EmbeddingFunction[Documents]):
    def __init__(self) -> None: ...

    def __call__(self, input: Documents) -> Any:
        return [[1.0]]


def built_in(registry: dict[str, Any]) -> dict[str, Any]:
    """Return the package's own functions: other test files register theirs."""
    return {name: each for name, each in registry.items() if each.__module__.startswith("chroma_search.")}


def test_the_built_in_functions_are_registered() -> None:
    assert built_in(known_embedding_functions) == {
        "default": DefaultEmbeddingFunction,
        "lsa": LsaEmbeddingFunction,
        "onnx_mini_lm_l6_v2": ONNXMiniLM_L6_V2,
        "sentence_transformer": SentenceTransformerEmbeddingFunction,
    }
    assert built_in(sparse_known_embedding_functions) == {"chroma_bm25": ChromaBm25EmbeddingFunction}


def test_registering_works_as_decorator_with_and_without_parentheses_and_as_call() -> None:
    assert register_embedding_function(Constant) is Constant
    assert register_embedding_function()(Constant) is Constant
    assert known_embedding_functions["constant"] is Constant
    assert register_sparse_embedding_function(SparseConstant) is SparseConstant
    assert sparse_known_embedding_functions["sparse_constant"] is SparseConstant
    assert "sparse_constant" not in known_embedding_functions


def test_a_class_without_a_usable_name_cannot_be_registered() -> None:
    class EmptyName(Constant):
        @staticmethod
        def name() -> str:
            return ""

    class FailingName(Constant):
        @staticmethod
        def name() -> str:
            raise RuntimeError("no name today")

    class InstanceName(Constant):
        def name(self) -> str:  # type: ignore[override]
            return "mine"

    for cls in (Nameless, EmptyName, FailingName, InstanceName, int):
        with pytest.raises(InvalidInputError, match=f"Failed to register embedding function {cls.__name__}"):
            register_embedding_function(cls)


def test_a_later_class_of_the_same_name_wins() -> None:
    register_embedding_function(Constant)

    @register_embedding_function
    class Second(Constant):
        pass

    assert known_embedding_functions["constant"] is Second


def test_functions_survive_the_way_through_json() -> None:
    register_embedding_function(Constant)
    form = json.loads(json.dumps(embedding_function_to_config(Constant(2.5))))
    assert form == {"type": "known", "name": "constant", "config": {"value": 2.5}}
    rebuilt = embedding_function_from_config(form)
    assert isinstance(rebuilt, Constant)
    assert rebuilt.value == 2.5
    assert isinstance(config_to_embedding_function(form), Constant)
    sparse = json.loads(json.dumps(sparse_embedding_function_to_config(ChromaBm25EmbeddingFunction(k=2))))
    again = sparse_embedding_function_from_config(sparse)
    assert isinstance(again, ChromaBm25EmbeddingFunction)
    assert again.k == 2.0


@pytest.mark.parametrize(
    "function", [DefaultEmbeddingFunction(), ONNXMiniLM_L6_V2(), LsaEmbeddingFunction()], ids=lambda each: each.name()
)
def test_built_in_functions_can_be_rebuilt(function: EmbeddingFunction[Documents]) -> None:
    form = json.loads(json.dumps(embedding_function_to_config(function)))
    rebuilt = embedding_function_from_config(form)
    assert type(rebuilt) is type(function)
    assert embedding_function_to_config(rebuilt) == form


def test_no_function_has_a_form_of_its_own() -> None:
    assert embedding_function_to_config(None) == {"type": "legacy"}
    assert sparse_embedding_function_to_config(None) == {"type": "unknown"}
    for form in (None, {"type": "legacy"}, {"type": "unknown"}):
        assert embedding_function_from_config(form) is None
        assert sparse_embedding_function_from_config(form) is None


def test_describing_a_function_registers_its_class_for_this_process() -> None:
    form = embedding_function_to_config(Constant(3.0))
    assert isinstance(embedding_function_from_config(form), Constant)
    sparse = sparse_embedding_function_to_config(SparseConstant(3.0))
    assert isinstance(sparse_embedding_function_from_config(sparse), SparseConstant)


def test_describing_a_foreign_function_never_replaces_a_built_in_one() -> None:
    class Foreign(Constant):
        @staticmethod
        def name() -> str:
            return "default"

    embedding_function_to_config(Foreign())
    assert known_embedding_functions["default"] is DefaultEmbeddingFunction


def test_a_nameless_function_is_legacy() -> None:
    with pytest.warns(DeprecationWarning, match="name"):
        assert embedding_function_to_config(Nameless()) == {"type": "legacy"}


def test_a_function_whose_methods_fail_is_legacy_with_the_reason() -> None:
    class Failing(Constant):
        def get_config(self) -> dict[str, Any]:
            raise RuntimeError("key is secret")

    class Refusing(Constant):
        @staticmethod
        def validate_config(config: dict[str, Any]) -> None:
            raise ValueError("value is odd")

    class Duck:
        def __call__(self, input: Documents) -> Any: ...

    for function, reason in ((Failing(), "key is secret"), (Refusing(), "value is odd"), (Duck(), "is_legacy")):
        with pytest.warns(DeprecationWarning, match=reason):
            assert embedding_function_to_config(function) == {"type": "legacy"}  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"x"], ids=lambda value: type(value).__name__)
def test_a_configuration_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidConfigError, match="JSON"):
        embedding_function_to_config(Constant(value))


@pytest.mark.parametrize(
    "form",
    [
        {"type": "known", "name": "no_such_function", "config": {}},
        {"type": "known", "name": "constant", "config": {}},
        {"type": "known", "name": "constant", "config": None},
        {"type": "known", "name": "constant"},
        {"type": "known", "config": {}},
        {"type": "known", "name": None},
        {"type": "known", "name": ["constant"]},
        {"type": "known", "name": "openai", "config": {"model_name": "m"}},
        {"type": "known", "name": "chroma_bm25", "config": {}},
        {},
    ],
    ids=repr,
)
def test_what_cannot_be_rebuilt_is_none_with_a_warning(form: dict[str, Any]) -> None:
    register_embedding_function(Constant)
    with pytest.warns(UserWarning, match="Could not reconstruct embedding function") as caught:
        assert embedding_function_from_config(form) is None
    assert len(caught) == 1
    assert "pass it as embedding_function=" in str(caught[0].message)


def test_a_class_without_a_builder_cannot_be_rebuilt() -> None:
    class NoBuilder(Nameless):
        @staticmethod
        def name() -> str:
            return "no_builder"

    register_embedding_function(NoBuilder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(InvalidConfigError, match=r"NoBuilder\.build_from_config\(\) is not implemented"):
            config_to_embedding_function({"name": "no_builder"})


def test_building_by_name_raises_what_is_wrong() -> None:
    with pytest.raises(InvalidConfigError, match="must contain a 'name'"):
        config_to_embedding_function({"config": {}})
    with pytest.raises(InvalidConfigError, match=r"Unsupported embedding function: 'nope'.*known: .*default"):
        config_to_embedding_function({"name": "nope"})
    with pytest.raises(UnsupportedError, match="OpenAIEmbeddingFunction is not part"):
        config_to_embedding_function({"name": "openai"})


def test_the_lists_of_ours_and_of_the_unsupported_make_up_upstreams() -> None:
    import chromadb.utils.embedding_functions as upstream

    registered = {**built_in(known_embedding_functions), **built_in(sparse_known_embedding_functions)}
    ours = {each.__name__ for each in registered.values()}
    assert ours.isdisjoint(UNSUPPORTED_FUNCTIONS)
    assert (ours | UNSUPPORTED_FUNCTIONS) >= upstream.get_builtins()
    assert (ours | UNSUPPORTED_FUNCTIONS) - upstream.get_builtins() == {"LsaEmbeddingFunction"}
    for name, cls in (upstream.known_embedding_functions | upstream.sparse_known_embedding_functions).items():
        if name not in {**known_embedding_functions, **sparse_known_embedding_functions} and name != "google_genai":
            assert unsupported_function(name).feature == cls.__name__


def test_importing_the_registry_loads_no_heavy_package() -> None:
    heavy = ("sklearn", "scipy", "onnxruntime", "tokenizers", "httpx", "rich", "snowballstemmer", "mmh3", "tenacity")
    program = f"import sys, chroma_search.embeddings; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
