"""The two protocols that users subclass: `EmbeddingFunction` (dense) and `SparseEmbeddingFunction`.

    class MyFunction(EmbeddingFunction[Documents]):
        def __call__(self, input): ...

Members, defaults and warnings are upstream's, so a class written for Chroma works here unchanged, and an instance of
Chroma's own classes passes `isinstance`. For that reason no member may be added: the check looks at every name.
Subclassing wraps `__call__`, so whatever a function returns arrives as `vectors.py` describes.

Not for: finding a function by name (`registry.py`), choosing one for a key (`resolve.py`).
"""

from __future__ import annotations

import sys
import time
import warnings
from abc import abstractmethod
from collections.abc import Callable
from inspect import isroutine, signature
from typing import Any, TypeVar

from chroma_search.embeddings.vectors import Embeddable, Embeddings, normalize_embeddings, normalize_sparse_vectors
from chroma_search.errors import InvalidInputError, UnsupportedError
from chroma_search.model.distance import Space
from chroma_search.model.sparse_vector import SparseVectors

if sys.version_info >= (3, 11):
    from typing import Protocol, runtime_checkable
else:  # where typing discards the `__init__` of a protocol class
    from typing_extensions import Protocol, runtime_checkable

D = TypeVar("D", bound=Embeddable, contravariant=True)
R = TypeVar("R")

_WRAPPED = "_chroma_search_normalizes"


@runtime_checkable
class EmbeddingFunction(Protocol[D]):
    """Turns documents or images into dense vectors. Subclass it and write `__call__`.

    Write `__init__`, `name`, `build_from_config` and `get_config` too, and register the class, if a collection is to
    remember its function; without them the function must be passed again each time the collection is opened.

    >>> import numpy as np
    >>> class Lengths(EmbeddingFunction[list[str]]):
    ...     def __init__(self): ...
    ...     def __call__(self, input):
    ...         return [[float(len(text)), 1.0] for text in input]
    >>> Lengths()(["four"])
    [array([4., 1.], dtype=float32)]
    """

    @abstractmethod
    def __call__(self, input: D) -> Embeddings:
        """Return one vector per entry of `input`, in order."""
        ...

    def embed_query(self, input: D) -> Embeddings:
        """Return one vector per query. Override it when a model embeds queries unlike documents."""
        return self.__call__(input)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _wrap_call(cls, normalize_embeddings)

    def embed_with_retries(self, input: D, **retry_kwargs: Any) -> Embeddings:
        """Embed, and try again when the function raises.

        Args:
            input: as for `__call__`.
            retry_kwargs: `attempts` (3), `wait_seconds` before the second try (1.0, doubled each time) and `sleep`
                (`time.sleep`); or, as upstream, the arguments of `tenacity.retry`, if tenacity is installed.

        Raises:
            Exception: whatever the last attempt raised.
        """
        return _call_with_retries(self.__call__, input, retry_kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialise the function; to be overridden."""
        _warn_missing(f"The class {type(self).__name__} does not implement __init__.")

    @staticmethod
    def name() -> str:
        """Return the name under which the function is registered; to be overridden."""
        _warn_missing("The EmbeddingFunction class does not implement name().")
        return NotImplemented

    def default_space(self) -> Space:
        """Return the distance for collections that do not name one."""
        return "l2"

    def supported_spaces(self) -> list[Space]:
        """Return the distances that make sense for these vectors."""
        return ["cosine", "l2", "ip"]

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> EmbeddingFunction[D]:
        """Return the function that `get_config` described; to be overridden."""
        _warn_missing("The EmbeddingFunction class does not implement build_from_config().")
        return NotImplemented

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to build the function again, as JSON values; to be overridden."""
        _warn_missing(f"The class {type(self).__name__} does not implement get_config().")
        return NotImplemented

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Raise if a collection that used `old_config` must not go on with `new_config`."""
        return

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Raise if `config` is none that `build_from_config` takes."""
        return

    def is_legacy(self) -> bool:
        """Tell whether the function lacks a method that a collection needs to remember it.

        Unlike upstream we do not build a second instance to find out: that may load a model.
        """
        if self.name() is NotImplemented or self.get_config() is NotImplemented:
            return True
        builder = type(self).build_from_config
        return builder is EmbeddingFunction.build_from_config and builder({}) is NotImplemented


@runtime_checkable
class SparseEmbeddingFunction(Protocol[D]):
    """Turns documents into sparse vectors. Subclass it and write every abstract method."""

    @abstractmethod
    def __call__(self, input: D) -> SparseVectors:
        """Return one sparse vector per entry of `input`, in order."""
        ...

    def embed_query(self, input: D) -> SparseVectors:
        """Return one sparse vector per query."""
        return self.__call__(input)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _wrap_call(cls, normalize_sparse_vectors)

    def embed_with_retries(self, input: D, **retry_kwargs: Any) -> SparseVectors:
        """Embed, and try again when the function raises; see `EmbeddingFunction.embed_with_retries`."""
        return _call_with_retries(self.__call__, input, retry_kwargs)

    @abstractmethod
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialise the function."""
        ...

    @staticmethod
    @abstractmethod
    def name() -> str:
        """Return the name under which the function is registered."""
        ...

    @staticmethod
    @abstractmethod
    def build_from_config(config: dict[str, Any]) -> SparseEmbeddingFunction[D]:
        """Return the function that `get_config` described."""
        ...

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Return what is needed to build the function again, as JSON values."""
        ...

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Raise if a collection that used `old_config` must not go on with `new_config`."""
        return

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Raise if `config` is none that `build_from_config` takes."""
        return


def validate_embedding_function(embedding_function: object) -> None:
    """Check that an object can be called as `function(input=...)`, subclass of the protocol or not.

    Raises:
        InvalidInputError: `__call__` takes anything but `(self, input)`.
    """
    _check_signature(embedding_function, "EmbeddingFunction")


def validate_sparse_embedding_function(sparse_embedding_function: object) -> None:
    """Check a sparse function as `validate_embedding_function` does a dense one."""
    _check_signature(sparse_embedding_function, "SparseEmbeddingFunction")


def _check_signature(function: object, protocol: str) -> None:
    try:
        found = list(signature(type(function).__call__).parameters)  # type: ignore[attr-defined]  # may have none
    except (AttributeError, TypeError, ValueError):
        found = []
    if found != ["self", "input"]:
        kind = type(function).__name__
        got = f"({', '.join(found)}) from {kind}" if callable(function) else f"a {kind}, which cannot be called"
        hint = ""
        if isinstance(function, type):
            hint = "; pass an instance, not the class"
        elif isroutine(function):
            hint = "; give a class such a method that calls the function, and pass an instance"
        raise InvalidInputError(
            f"Expected {protocol}.__call__ to have the following signature: (self, input), got {got}{hint}"
        )


def _wrap_call(cls: type[Any], normalize: Callable[[object], Any]) -> None:
    """Make `cls.__call__` return normalised vectors; once per method, however deep the inheritance."""
    call = cls.__call__
    if getattr(call, _WRAPPED, False) or getattr(call, "__isabstractmethod__", False):
        return

    # No functools.wraps: its `__wrapped__` would show the inner signature, and `__call__(self, texts)` is allowed.
    def __call__(self: Any, input: Any) -> Any:  # noqa: N807
        return normalize(call(self, input))

    __call__.__doc__ = call.__doc__
    __call__.__qualname__ = f"{cls.__qualname__}.__call__"
    __call__.__module__ = cls.__module__
    setattr(__call__, _WRAPPED, True)
    cls.__call__ = __call__


def _call_with_retries(call: Callable[[Any], R], given: Any, options: dict[str, Any]) -> R:
    own = {"attempts", "wait_seconds", "sleep"}
    if set(options) - own:
        try:
            import tenacity  # optional: only for callers who pass its objects
        except ImportError as error:
            raise UnsupportedError(
                f"embed_with_retries({', '.join(sorted(options))}) needs tenacity: pip install tenacity, "
                "or use attempts=, wait_seconds=",
                feature="tenacity options",
                why="tenacity is not installed",
                instead="attempts=, wait_seconds=",
            ) from error
        return tenacity.Retrying(**options)(call, given)
    attempts: int = options.get("attempts", 3)
    wait_seconds: float = options.get("wait_seconds", 1.0)
    sleep: Callable[[float], object] = options.get("sleep", time.sleep)
    if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
        raise InvalidInputError(f"attempts must be an integer of at least 1, got {attempts!r}")
    for attempt in range(attempts - 1):
        try:
            return call(given)
        except Exception:  # the function is the user's: any error may pass with time
            sleep(wait_seconds * 2**attempt)
    return call(given)


def _warn_missing(sentence: str) -> None:
    warnings.warn(f"{sentence} This will be required in a future version.", DeprecationWarning, stacklevel=3)
