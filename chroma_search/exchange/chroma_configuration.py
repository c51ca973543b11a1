"""What a Chroma collection was configured to be, in the form that `create_collection` takes.

Each release said it elsewhere: `hnsw:*` keys in metadata (0.4 to 0.6; copied to the vector segment when it was made,
and only that copy counts), `config_json_str` (1.0 to 1.4; what 0.5 and 0.6 wrote there no release acted on),
`schema_str` (since 1.5). As Chroma, the newest place wins unless it states nothing but default values.

The embedding function is carried over as JSON; it is never built here, so it may be one that this machine lacks.
Not for: records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from chroma_search.errors import InvalidInputError
from chroma_search.exchange.chroma_tables import SourceCollection
from chroma_search.schema import Schema
from chroma_search.schema.collection_metadata import validate_collection_metadata
from chroma_search.schema.configuration import DEFAULT_SPACE
from chroma_search.schema.function_form import checked_function_form
from chroma_search.schema.index_params import PARAMS, IndexKind, complete_params, default_params
from chroma_search.schema.legacy_metadata import FIELDS, PREFIX
from chroma_search.schema.schema_form import default_form
from chroma_search.schema.schema_validation import checked_form
from chroma_search.schema.value_types import EMBEDDING_KEY

OF_THE_MACHINE = ("num_threads",)
"""Parameters that say something of the machine that Chroma ran on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to create the collection.

    Attributes:
        configuration: for `create_collection`: index, parameters, space, and the JSON of the function, if there is one.
        metadata: of the collection, or None.
        schema: what it says beyond the vector index and the defaults, or None.
        space, max_neighbors: as configured.
        warnings: what could not be taken over.
    """

    configuration: dict[str, Any]
    metadata: dict[str, Any] | None
    schema: Schema | None
    space: str
    max_neighbors: int
    warnings: tuple[str, ...]


def plan_collection(source: SourceCollection) -> Plan:
    """Return how to create a collection like `source`; what our own would refuse is left out with a warning."""
    warnings: list[str] = []
    stated = _stated_index(source)
    kind: IndexKind = "spann" if stated.get("spann") is not None else "hnsw"
    params = dict(_dict(stated.get(kind)))
    space = stated.get("space") or params.pop("space", None)
    params.pop("space", None)
    if kind == "hnsw" and _is_default(params, space):
        legacy = _legacy(source.index_metadata) or _legacy(source.metadata)
        space = legacy.pop("space", None) or space
        params.update(legacy)
    space = _checked_space(space, warnings)
    params = _checked_params(kind, params, warnings)
    configuration: dict[str, Any] = {kind: {"space": space, **params}}
    function = _checked_function(stated.get("embedding_function"), warnings)
    if function is not None:
        configuration["embedding_function"] = function
    return Plan(
        configuration=configuration,
        metadata=_checked_metadata(source.metadata, {"space": space, **params}, warnings),
        schema=_checked_schema(source.schema, warnings),
        space=space,
        max_neighbors=int(params.get("max_neighbors") or default_params("hnsw")["max_neighbors"]),
        warnings=tuple(warnings),
    )


def _stated_index(source: SourceCollection) -> Mapping[str, Any]:
    """Return what schema or configuration say of the vector index: space, embedding_function, hnsw or spann."""
    schema = _dict(source.schema)
    places = (_dict(_dict(schema.get("keys")).get(EMBEDDING_KEY)), _dict(schema.get("defaults")))
    for place in places:
        index = _dict(_dict(place.get("float_list")).get("vector_index"))
        if index.get("config"):
            return _dict(index["config"])
    configuration = _dict(source.configuration)
    index = _dict(configuration.get("vector_index")) or configuration
    return {**index, "embedding_function": configuration.get("embedding_function")}


def _legacy(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    found = {FIELDS[key]: value for key, value in (metadata or {}).items() if key in FIELDS and value is not None}
    return {name: value for name, value in found.items() if name not in OF_THE_MACHINE}


def _is_default(params: Mapping[str, Any], space: Any) -> bool:
    defaults = default_params("hnsw")
    given = {name: value for name, value in params.items() if value is not None and name not in OF_THE_MACHINE}
    return space in (None, DEFAULT_SPACE) and all(value == defaults.get(name) for name, value in given.items())


def _checked_space(space: Any, warnings: list[str]) -> str:
    if space in ("l2", "ip", "cosine"):
        return space
    if space is not None:
        warnings.append(f"the space {space!r:.40} is unknown: {DEFAULT_SPACE} is used")
    return DEFAULT_SPACE


def _checked_params(kind: IndexKind, params: Mapping[str, Any], warnings: list[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in params.items():
        if value is None or name in OF_THE_MACHINE:
            continue
        try:
            complete_params(kind, {name: value}, kind)
        except InvalidInputError as error:
            warnings.append(f"index parameter {name}={value!r:.40} is left out: {error}")
        else:
            if name in PARAMS[kind]:
                kept[name] = value
    return kept


def _checked_function(form: Any, warnings: list[str]) -> dict[str, Any] | None:
    if form is None:
        return None
    try:
        return checked_function_form(form, "embedding_function")
    except InvalidInputError as error:
        warnings.append(f"the embedding function is left out: {error}")
        return None


def _checked_metadata(
    metadata: Mapping[str, Any] | None, params: Mapping[str, Any], warnings: list[str]
) -> dict[str, Any] | None:
    """Return the metadata without what our own would refuse, or would read as another configuration than the real."""
    kept: dict[str, Any] = {}
    for key, value in (metadata or {}).items():
        if key.startswith(PREFIX):
            name = FIELDS.get(key)
            if name is None or (name not in OF_THE_MACHINE and name in params and params[name] != value):
                warnings.append(f"collection metadata {key}={value!r:.40} is left out: the index is not made that way")
                continue
        try:
            validate_collection_metadata({key: value})
        except InvalidInputError as error:
            warnings.append(f"collection metadata {key[:80]!r} is left out: {error}")
        else:
            kept[key] = value
    return kept or None


def _checked_schema(form: Any, warnings: list[str]) -> Schema | None:
    """Return what a schema says that is neither default nor the vector index; None when nothing is left."""
    given = _dict(form)
    usual = default_form()
    defaults = {
        name: indexes
        for name, indexes in _dict(given.get("defaults")).items()
        if name != "float_list" and indexes != usual["defaults"].get(name)
    }
    keys: dict[str, Any] = {}
    for key, value_types in _dict(given.get("keys")).items():
        # Chroma adds each key that it sees in data, with the default indexes: those say nothing.
        expected = usual["keys"].get(key, _dict(given.get("defaults")))
        kept = {name: indexes for name, indexes in _dict(value_types).items() if indexes != expected.get(name)}
        if kept and key != EMBEDDING_KEY:
            keys[key] = kept
    if not defaults and not keys:
        return None
    stripped: dict[str, Any] = {"defaults": defaults, "keys": keys}
    try:
        checked_form(stripped)
        return Schema.deserialize_from_json(stripped)
    except (InvalidInputError, KeyError, ValueError) as error:
        warnings.append(f"the schema is left out: {error}")
        return None


def _dict(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
