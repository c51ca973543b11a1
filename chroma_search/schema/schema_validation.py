"""Is this schema one that a collection can have? Asked once, of the JSON form, when a collection is created.

`Schema` lets a user write nearly anything and may come over HTTP from another client; the rules that hold for a whole
schema are checked here (spec 11.3): vectors only under `#embedding`, full-text search only on `#document`, nothing else
on either, no other key that begins with `#`, and numbers within bounds. Upstream allows one sparse key; we allow many.

Invariant: the result has only known value types and indexes, each with `enabled` and `config`; functions stay as given.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, cast

from chroma_search.errors import InvalidConfigError, WrongTypeError
from chroma_search.model.distance import SPACES
from chroma_search.schema.cmek import Cmek
from chroma_search.schema.function_form import checked_function_form
from chroma_search.schema.index_params import check_names, complete_params
from chroma_search.schema.schema_form import SchemaForm
from chroma_search.schema.value_types import DOCUMENT_KEY, EMBEDDING_KEY, LAYOUT, IndexSlot

CONFIG_FIELDS: dict[str, tuple[str, ...]] = {
    "fts_index": ("algorithm",),
    "vector_index": ("space", "embedding_function", "source_key", "hnsw", "spann"),
    "sparse_vector_index": ("embedding_function", "source_key", "bm25", "algorithm"),
}
NEVER_BY_DEFAULT = ("vector_index", "sparse_vector_index", "fts_index")


def checked_form(form: SchemaForm) -> dict[str, Any]:
    """Return the canonical form of a schema, a new dict.

    Raises:
        InvalidConfigError: a rule is broken; `path` names the place.
        WrongTypeError: a value of the wrong type.

    Warns:
        UserWarning: a CMEK is named; this package does not encrypt with it.
    """
    root = _dict(form, "schema")
    defaults = _value_types(root.get("defaults"), "schema.defaults")
    keys = {
        key: _value_types(value, f"schema.keys[{key!r}]")
        for key, value in _dict(root.get("keys"), "schema.keys").items()
    }
    for index in NEVER_BY_DEFAULT:
        if _is_on(defaults, index):
            raise InvalidConfigError(
                f"{index} cannot be enabled by default; enable it on specific keys", path="schema.defaults"
            )
    for key, value_types in keys.items():
        _check_key(key, value_types, f"schema.keys[{key!r}]")
    checked: dict[str, Any] = {"defaults": defaults, "keys": keys}
    if root.get("cmek") is not None:
        checked["cmek"] = _checked_cmek(root["cmek"])
    return checked


def _value_types(given: Any, path: str) -> dict[str, dict[str, Any]]:
    """Return `{value type: {index: {enabled, config}}}` of what is known in `given`."""
    value_types = _dict(given, path)
    checked: dict[str, dict[str, Any]] = {}
    for slot in LAYOUT:
        if value_types.get(slot.value_type) is None:
            continue
        indexes = _dict(value_types[slot.value_type], f"{path}.{slot.value_type}")
        holder = checked.setdefault(slot.value_type, {})
        if indexes.get(slot.index) is not None:
            holder[slot.index] = _index(slot, indexes[slot.index], f"{path}.{slot.value_type}.{slot.index}")
    return checked


def _index(slot: IndexSlot, given: Any, path: str) -> dict[str, Any]:
    index = _dict(given, path)
    enabled = index.get("enabled", True)
    if not isinstance(enabled, bool):
        raise WrongTypeError(f"Expected {path}.enabled to be a bool, got {type(enabled).__name__}")
    config = _dict(index.get("config"), f"{path}.config")
    check_names(config, CONFIG_FIELDS.get(slot.index, ()), f"{path}.config")
    if slot.index == "vector_index":
        _check_vector(config, f"{path}.config")
    elif slot.index == "sparse_vector_index":
        _check_sparse(config, f"{path}.config")
    return {"enabled": enabled, "config": {name: value for name, value in config.items() if value is not None}}


def _check_vector(config: Mapping[str, Any], path: str) -> None:
    space = config.get("space")
    if space is not None and space not in SPACES:
        raise InvalidConfigError(f"unknown space {space!r}, expected one of {', '.join(SPACES)}", path=f"{path}.space")
    if config.get("hnsw") is not None and config.get("spann") is not None:
        raise InvalidConfigError("Both spann and hnsw config cannot be present at the same time", path=path)
    for kind in ("hnsw", "spann"):
        if config.get(kind) is not None:
            complete_params(kind, _dict(config[kind], f"{path}.{kind}"), f"{path}.{kind}")
    _check_function(config.get("embedding_function"), path)


def _check_sparse(config: Mapping[str, Any], path: str) -> None:
    source = config.get("source_key")
    if source is not None and not isinstance(source, str):
        raise WrongTypeError(f"Expected {path}.source_key to be a str, got {type(source).__name__}")
    if source is not None and source.startswith("#") and source != DOCUMENT_KEY:
        raise InvalidConfigError(
            f"source_key cannot begin with '#' unless it is '#document', got '{source}'", path=path
        )
    bm25 = config.get("bm25")
    if bm25 is not None and not isinstance(bm25, bool):
        raise WrongTypeError(f"Expected {path}.bm25 to be a bool, got {type(bm25).__name__}")
    _check_function(config.get("embedding_function"), path)
    if source is not None and (config.get("embedding_function") or {}).get("type") != "known":
        raise InvalidConfigError(
            "If source_key is provided then embedding_function must also be provided since there is no default "
            "embedding function for sparse vectors",
            path=path,
        )


def _check_function(form: Any, path: str) -> None:
    if form is not None:
        checked_function_form(form, f"{path}.embedding_function")


def _check_key(key: str, value_types: Mapping[str, Any], path: str) -> None:
    if key.startswith("#") and key not in (DOCUMENT_KEY, EMBEDDING_KEY):
        raise InvalidConfigError(f"key cannot begin with '#': '{key}' is reserved for system use", path=path)
    own = {DOCUMENT_KEY: "string", EMBEDDING_KEY: "float_list"}.get(key)
    foreign = [name for name in value_types if own is not None and name != own]
    if foreign:
        raise InvalidConfigError(f"{key} cannot have any value type other than {own}, got {foreign[0]}", path=path)
    if key != EMBEDDING_KEY and _is_on(value_types, "vector_index"):
        raise InvalidConfigError(f"Vector index can only be enabled on #embedding, not on '{key}'", path=path)
    if key != DOCUMENT_KEY and _is_on(value_types, "fts_index"):
        raise InvalidConfigError(f"Full text search can only be enabled on #document, not on '{key}'", path=path)
    if key == DOCUMENT_KEY and _is_on(value_types, "string_inverted_index"):
        raise InvalidConfigError("String inverted index cannot be enabled on #document", path=path)
    source = value_types.get("float_list", {}).get("vector_index", {}).get("config", {}).get("source_key")
    if source not in (None, DOCUMENT_KEY):
        raise InvalidConfigError(f"Vector index can only source from #document, got {source!r}", path=path)


def _is_on(value_types: Mapping[str, Any], index: str) -> bool:
    return any(indexes[index]["enabled"] for indexes in value_types.values() if index in indexes)


def _checked_cmek(given: Any) -> dict[str, Any]:
    cmek = Cmek.from_dict(_dict(given, "schema.cmek"))
    if not cmek.validate_pattern():
        raise InvalidConfigError(
            "CMEK does not match the expected pattern projects/../locations/../keyRings/../cryptoKeys/.., "
            f"got {cmek.resource!r}",
            path="schema.cmek",
        )
    warnings.warn(
        "the schema names a customer-managed encryption key: it is stored, but nothing is encrypted with it here",
        UserWarning,
        stacklevel=3,
    )
    return cmek.to_dict()


def _dict(value: Any, path: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise WrongTypeError(f"Expected {path} to be a dict, got {type(value).__name__}")
    return cast("Mapping[str, Any]", value)
