"""Embedding functions by name, and their JSON form in a collection's configuration and schema.

    {"type": "known", "name": "chroma_bm25", "config": {...}}     can be built again
    {"type": "legacy"}                                            none, or a dense function without name() and so on
    {"type": "unknown"}                                           no sparse function

Reading never fails: a function that cannot be rebuilt gives a warning and None, so that a collection whose function is
missing on this machine still opens, and only embedding a text raises.

Not for: importing what a function needs to run. Registering a class loads no model and no heavy library.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar, overload

from chroma_search.embeddings.protocol import EmbeddingFunction, SparseEmbeddingFunction
from chroma_search.embeddings.unsupported import UNSUPPORTED_NAMES, unsupported_function
from chroma_search.errors import InvalidConfigError, InvalidInputError

C = TypeVar("C", bound=type[Any])

known_embedding_functions: dict[str, type[EmbeddingFunction[Any]]] = {}
sparse_known_embedding_functions: dict[str, type[SparseEmbeddingFunction[Any]]] = {}


@overload
def register_embedding_function(ef_class: C) -> C: ...
@overload
def register_embedding_function(ef_class: None = None) -> Callable[[C], C]: ...
def register_embedding_function(ef_class: C | None = None) -> C | Callable[[C], C]:
    """Make a dense embedding function known by its `name()`; use as `@register_embedding_function` or call it.

    A later class of the same name takes the place of the earlier one.

    Raises:
        InvalidInputError: the class has no name, or one that is not a non-empty string.
    """
    return _registrar(known_embedding_functions, ef_class)


@overload
def register_sparse_embedding_function(ef_class: C) -> C: ...
@overload
def register_sparse_embedding_function(ef_class: None = None) -> Callable[[C], C]: ...
def register_sparse_embedding_function(ef_class: C | None = None) -> C | Callable[[C], C]:
    """Make a sparse embedding function known by its `name()`, as `register_embedding_function` does a dense one."""
    return _registrar(sparse_known_embedding_functions, ef_class)


def config_to_embedding_function(config: Mapping[str, Any]) -> EmbeddingFunction[Any]:
    """Build a dense function from `{"name": .., "config": ..}`.

    Raises:
        InvalidConfigError: no name, a name that is not registered, or a config that the class refuses.
        UnsupportedError: the name of one of upstream's functions that this package does not carry.
    """
    return _build(known_embedding_functions, config)


def embedding_function_to_config(function: EmbeddingFunction[Any] | None) -> dict[str, Any]:
    """Return the JSON form of a dense function, and register its class so that this process can rebuild it.

    A function that cannot be described (a method is missing, or raises) becomes `legacy`, with a DeprecationWarning.

    Raises:
        InvalidConfigError: `get_config()` gave something that JSON cannot hold.
    """
    if function is None:
        return {"type": "legacy"}
    try:
        if function.is_legacy():
            return {"type": "legacy"}
        config = function.get_config()
        function.validate_config(config)
        form: dict[str, Any] = {"type": "known", "name": function.name(), "config": config}
    except Exception as error:  # the methods are the user's; a nameless function is still a usable one
        warnings.warn(
            f"{type(function).__name__} cannot be stored with the collection ({_reason(error)}): "
            "pass it again whenever the collection is opened",
            DeprecationWarning,
            stacklevel=2,
        )
        return {"type": "legacy"}
    _check_json(form)
    _remember(known_embedding_functions, type(function), form["name"])
    return form


def sparse_embedding_function_to_config(function: SparseEmbeddingFunction[Any] | None) -> dict[str, Any]:
    """Return the JSON form of a sparse function, and register its class so that this process can rebuild it.

    Raises:
        InvalidConfigError: `get_config()` gave something that JSON cannot hold.
    """
    if function is None:
        return {"type": "unknown"}
    config = function.get_config()
    function.validate_config(config)
    form: dict[str, Any] = {"type": "known", "name": function.name(), "config": config}
    _check_json(form)
    _remember(sparse_known_embedding_functions, type(function), form["name"])
    return form


def embedding_function_from_config(form: Mapping[str, Any] | None) -> EmbeddingFunction[Any] | None:
    """Return the dense function of a JSON form; None for `legacy`, `unknown` or no form.

    Warns:
        UserWarning: the function cannot be rebuilt; None is returned.
    """
    return _rebuild(known_embedding_functions, form)


def sparse_embedding_function_from_config(form: Mapping[str, Any] | None) -> SparseEmbeddingFunction[Any] | None:
    """Return the sparse function of a JSON form, as `embedding_function_from_config` does a dense one."""
    return _rebuild(sparse_known_embedding_functions, form)


def _registrar(known: dict[str, Any], ef_class: C | None) -> C | Callable[[C], C]:
    def register(cls: C) -> C:
        known[_name_of(cls)] = cls
        return cls

    return register if ef_class is None else register(ef_class)


def _name_of(cls: type[Any]) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the missing name is an error here, not a warning
            name = cls.name()
    except Exception as error:
        raise InvalidInputError(f"Failed to register embedding function {cls.__name__}: {_reason(error)}") from error
    if not isinstance(name, str) or not name:
        raise InvalidInputError(
            f"Failed to register embedding function {cls.__name__}: name() must be a static method that returns a "
            f"non-empty string, got {name!r}"
        )
    return name


def _remember(known: dict[str, Any], cls: type[Any], name: str) -> None:
    """Register a class that was seen in use; never over a function of this package."""
    _load_built_in()
    current = known.get(name)
    if current is None or not current.__module__.startswith("chroma_search."):
        known[name] = cls


def _build(known: Mapping[str, Any], form: Mapping[str, Any]) -> Any:
    name = form.get("name")
    if not isinstance(name, str):
        raise InvalidConfigError(f"Config must contain a 'name' field, got {sorted(map(str, form))}")
    if name not in known:
        _load_built_in()
    if name not in known:
        if name in UNSUPPORTED_NAMES:
            raise unsupported_function(name)
        raise InvalidConfigError(
            f"Unsupported embedding function: {name!r} is not registered (known: {', '.join(sorted(known))}); "
            "add the decorator @register_embedding_function to its class",
            path="embedding_function.name",
        )
    built = known[name].build_from_config(dict(form.get("config") or {}))
    if built is NotImplemented:
        raise InvalidConfigError(
            f"{known[name].__name__}.build_from_config() is not implemented", path="embedding_function.name"
        )
    return built


def _load_built_in() -> None:
    """Register the functions of this package; not at its import, which would take 0.05 s for nothing."""
    import_module("chroma_search.embeddings.built_in")


def _rebuild(known: Mapping[str, Any], form: Mapping[str, Any] | None) -> Any:
    if form is None or form.get("type") in ("legacy", "unknown"):
        return None
    try:
        return _build(known, form)
    except Exception as error:  # the builder is the user's, and reading must not fail
        warnings.warn(
            f"Could not reconstruct embedding function {form.get('name', 'unknown')}: {_reason(error)}. "
            "It is set to None: pass it as embedding_function=... to embed texts",
            UserWarning,
            stacklevel=3,
        )
        return None


def _check_json(form: Mapping[str, Any]) -> None:
    try:
        json.dumps(form, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidConfigError(
            f"get_config() of embedding function {form['name']!r} must hold JSON values only: {error}",
            path="embedding_function.config",
        ) from error


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
