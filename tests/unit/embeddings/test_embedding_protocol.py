"""Classes that users derive from the protocols, complete ones and those from before there were names."""

import copy
from typing import Any

import numpy as np
import pytest

from chroma_search.embeddings import (
    ChromaBm25EmbeddingFunction,
    DefaultEmbeddingFunction,
    Documents,
    EmbeddingFunction,
    Images,
    SparseEmbeddingFunction,
    validate_embedding_function,
    validate_sparse_embedding_function,
)
from chroma_search.errors import InvalidInputError, UnsupportedError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector


class Legacy(EmbeddingFunction[Documents]):
    """Only what was needed years ago."""

    def __call__(self, input: Documents) -> Any:
        """Say so."""
        return [[1, 2, 3] for _ in input]


class Complete(EmbeddingFunction[Documents]):
    def __init__(self, dim: int = 2) -> None:
        self.dim = dim

    def __call__(self, input: Documents) -> Any:
        return np.ones((len(input), self.dim))

    @staticmethod
    def name() -> str:
        return "complete"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "Complete":
        raise AssertionError("is_legacy must not build a second function")

    def get_config(self) -> dict[str, Any]:
        return {"dim": self.dim}


class Sparse(SparseEmbeddingFunction[Documents]):
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __call__(self, input: Documents) -> Any:
        return self.answer

    @staticmethod
    def name() -> str:
        return "sparse"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "Sparse":
        return Sparse(None)

    def get_config(self) -> dict[str, Any]:
        return {}


def test_a_call_returns_float32_vectors_whatever_the_function_returns() -> None:
    for vectors in (Complete()(["a", "b"]), Complete()(input=["a", "b"]), Complete().embed_query(["a", "b"])):
        assert [each.dtype for each in vectors] == [np.float32, np.float32]
        np.testing.assert_array_equal(vectors, np.ones((2, 2)))


def test_a_wrong_answer_is_refused_in_the_call() -> None:
    class Broken(Complete):
        def __call__(self, input: Documents) -> Any:
            return {"error": "test"}

    with pytest.raises(WrongTypeError):
        Broken()(["a"])


def test_subclasses_keep_the_normalising_call_and_may_call_super() -> None:
    calls: list[object] = []

    class Child(Complete):
        pass

    class Grandchild(Child):
        def __call__(self, input: Documents) -> Any:
            below = super().__call__(input)
            calls.append(below[0].dtype)
            return [(each * 2).tolist() for each in below]

    np.testing.assert_array_equal(Child()(["a"]), [[1, 1]])
    np.testing.assert_array_equal(Grandchild()(["a"]), [[2, 2]])
    assert calls == [np.float32]
    assert Child.__call__ is Complete.__call__


def test_a_call_inherited_from_a_mixin_is_normalised_too() -> None:
    class Mixin:
        def __call__(self, input: Documents) -> Any:
            return [[1.0]]

    class Mixed(Mixin, EmbeddingFunction[Documents]):
        def __init__(self) -> None: ...

    assert isinstance(Mixed()(["a"])[0], np.ndarray)
    assert Mixin()(["a"]) == [[1.0]]


def test_the_name_and_doc_of_the_call_survive() -> None:
    assert Legacy.__call__.__doc__ == "Say so."
    assert Legacy.__call__.__qualname__ == "Legacy.__call__"


def test_a_class_without_a_call_cannot_be_made() -> None:
    class Silent(EmbeddingFunction[Documents]):
        def __init__(self) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        Silent()  # type: ignore[abstract]


def test_missing_methods_warn_as_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="Legacy does not implement __init__"):
        legacy = Legacy()
    with pytest.warns(DeprecationWarning, match=r"implement name\(\)"):
        assert legacy.name() is NotImplemented
    with pytest.warns(DeprecationWarning, match=r"Legacy does not implement get_config\(\)"):
        assert legacy.get_config() is NotImplemented
    with pytest.warns(DeprecationWarning, match=r"implement build_from_config\(\)"):
        assert legacy.build_from_config({}) is NotImplemented
    np.testing.assert_array_equal(legacy(["a"]), [[1, 2, 3]])


def test_a_warning_points_at_the_line_of_the_caller() -> None:
    with pytest.warns(DeprecationWarning, match="__init__") as caught:
        Legacy()
    assert caught[0].filename == __file__


def test_only_a_function_with_all_three_methods_is_no_legacy() -> None:
    class NoBuilder(EmbeddingFunction[Documents]):
        def __init__(self) -> None: ...

        def __call__(self, input: Documents) -> Any:
            return [[1.0]]

        @staticmethod
        def name() -> str:
            return "no_builder"

        def get_config(self) -> dict[str, Any]:
            return {}

    assert not Complete().is_legacy()
    assert not DefaultEmbeddingFunction().is_legacy()
    with pytest.warns(DeprecationWarning, match="build_from_config"):
        assert NoBuilder().is_legacy()
    with pytest.warns(DeprecationWarning, match=r"__init__|name\(\)"):
        assert Legacy().is_legacy()


def test_defaults_of_the_protocol() -> None:
    function = Complete()
    assert function.default_space() == "l2"
    assert function.supported_spaces() == ["cosine", "l2", "ip"]
    assert function.validate_config({"any": 1}) is None
    assert function.validate_config_update({}, {"any": 1}) is None


def test_isinstance_looks_at_the_methods() -> None:
    assert isinstance(Complete(), EmbeddingFunction)
    assert isinstance(Sparse(None), SparseEmbeddingFunction)
    assert not isinstance(Sparse(None), EmbeddingFunction)
    assert not isinstance(len, EmbeddingFunction)


def test_image_functions_are_embedding_functions() -> None:
    class Brightness(EmbeddingFunction[Images]):
        def __init__(self) -> None: ...

        def __call__(self, input: Images) -> Any:
            return [[float(image.mean())] for image in input]

    np.testing.assert_array_equal(Brightness()([np.full((2, 2), 3.0)]), [[3.0]])


def test_a_sparse_call_returns_sparse_vectors_or_fails() -> None:
    vector = SparseVector([1], [0.5])
    assert Sparse([vector])(["a"]) == Sparse([vector]).embed_query(["a"]) == [vector]
    for wrong in ([], None, [[0.5]], vector):
        with pytest.raises(InvalidInputError):
            Sparse(wrong)(["a"])


def test_a_sparse_class_must_have_every_method() -> None:
    class Partial(SparseEmbeddingFunction[Documents]):
        def __call__(self, input: Documents) -> Any:
            return []

    with pytest.raises(TypeError, match="abstract"):
        Partial()  # type: ignore[abstract]


def test_signatures_are_checked() -> None:
    class TakesTexts:
        def __call__(self, texts: Documents) -> Any: ...

    class TakesMore:
        def __call__(self, input: Documents, batch: int = 1) -> Any: ...

    class Duck:
        def __call__(self, input: Documents) -> Any: ...

    for good in (Complete(), Duck(), DefaultEmbeddingFunction()):
        validate_embedding_function(good)
    validate_sparse_embedding_function(ChromaBm25EmbeddingFunction())
    for wrong in (TakesTexts(), TakesMore(), lambda input: input, None, "default", 5):
        with pytest.raises(InvalidInputError, match=r"following signature: \(self, input\)"):
            validate_embedding_function(wrong)
        with pytest.raises(InvalidInputError, match="SparseEmbeddingFunction"):
            validate_sparse_embedding_function(wrong)
    with pytest.raises(InvalidInputError, match="pass an instance"):
        validate_embedding_function(Complete)
    for function in (lambda input: input, len):
        with pytest.raises(InvalidInputError, match="; give a class such a method"):
            validate_embedding_function(function)
    for wrong in (5, "default"):
        with pytest.raises(InvalidInputError, match=f"got a {type(wrong).__name__}, which cannot be called"):
            validate_embedding_function(wrong)


def test_a_subclass_may_name_its_parameter_as_it_likes() -> None:
    class TakesTexts(EmbeddingFunction[Documents]):
        def __init__(self) -> None: ...

        def __call__(self, texts: Documents) -> Any:
            return [[float(len(texts))]]

    validate_embedding_function(TakesTexts())
    embedded = TakesTexts()(input=["a"])  # type: ignore[call-arg]  # the base class takes `input` for any name
    np.testing.assert_array_equal(embedded, [[1.0]])


class Flaky(Complete):
    def __init__(self, n_failures: int) -> None:
        super().__init__()
        self.n_failures = n_failures

    def __call__(self, input: Documents) -> Any:
        if self.n_failures:
            self.n_failures -= 1
            raise ConnectionError(f"{self.n_failures} more to come")
        return [[1.0]]


def test_retries_wait_longer_each_time_and_stop() -> None:
    waits: list[float] = []
    options: dict[str, Any] = {"attempts": 4, "wait_seconds": 0.5, "sleep": waits.append}
    assert len(Flaky(3).embed_with_retries(["a"], **options)) == 1
    assert waits == [0.5, 1.0, 2.0]
    with pytest.raises(ConnectionError, match="0 more"):
        Flaky(4).embed_with_retries(["a"], **options)


def test_three_attempts_are_made_by_default() -> None:
    waits: list[float] = []
    assert len(Flaky(2).embed_with_retries(["a"], sleep=waits.append)) == 1
    with pytest.raises(ConnectionError):
        Flaky(3).embed_with_retries(["a"], sleep=waits.append)


def test_upstreams_tenacity_arguments_work() -> None:
    import tenacity

    assert len(Flaky(2).embed_with_retries(["a"], stop=tenacity.stop_after_attempt(3))) == 1
    with pytest.raises(ConnectionError):
        Flaky(3).embed_with_retries(["a"], stop=tenacity.stop_after_attempt(3), reraise=True)


def test_tenacity_arguments_without_tenacity_are_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tenacity", None)
    with pytest.raises(UnsupportedError, match="pip install tenacity"):
        Complete().embed_with_retries(["a"], stop=None)


@pytest.mark.parametrize("attempts", [0, -1, True, 1.5, None])
def test_a_wrong_number_of_attempts_is_refused(attempts: object) -> None:
    with pytest.raises(InvalidInputError, match="attempts"):
        Complete().embed_with_retries(["a"], attempts=attempts)


def test_sparse_functions_retry_too() -> None:
    vector = SparseVector([1], [0.5])
    assert Sparse([vector]).embed_with_retries(["a"]) == [vector]


def test_functions_can_be_copied() -> None:
    copied = copy.deepcopy(Complete(dim=3))
    assert len(copied(["a"])[0]) == 3
