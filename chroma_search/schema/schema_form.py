"""The JSON form of a schema, handled without pydantic: the default one, and the complete one that is read back.

The engine stores a schema as JSON (None when the user gave none) and never builds the models of `index_configs.py` for
itself. What is read back adds two things that are not stored: the vector index, which `CollectionConfig` says, and the
keys that were seen in data, each with the default indexes of its value types (spec 11.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, TypeAlias

from chroma_search.schema.configuration import CollectionConfig
from chroma_search.schema.value_types import DOCUMENT_KEY, EMBEDDING_KEY, LAYOUT, ValueTypeName

SchemaForm: TypeAlias = Mapping[str, Any]

NO_SPARSE_FUNCTION: dict[str, Any] = {"embedding_function": {"type": "unknown"}, "bm25": False}


def default_form() -> dict[str, Any]:
    """Return the form of a schema that nobody changed, with an empty configuration of the vector index."""
    defaults: dict[str, Any] = {}
    for slot in LAYOUT:
        config = dict(NO_SPARSE_FUNCTION) if slot.index == "sparse_vector_index" else {}
        defaults.setdefault(slot.value_type, {})[slot.index] = {"enabled": slot.enabled, "config": config}
    return {
        "defaults": defaults,
        "keys": {
            DOCUMENT_KEY: {
                "string": {
                    "fts_index": {"enabled": True, "config": {}},
                    "string_inverted_index": {"enabled": False, "config": {}},
                }
            },
            EMBEDDING_KEY: {
                "float_list": {"vector_index": {"enabled": True, "config": {"source_key": DOCUMENT_KEY}}},
            },
        },
    }


def complete_form(
    form: SchemaForm | None,
    config: CollectionConfig,
    observed: Mapping[str, Iterable[ValueTypeName]] | None = None,
) -> dict[str, Any]:
    """Return the schema of a collection as it is read back, a new dict.

    Args:
        form: the schema given at creation (see `schema_validation.py`), or None.
        config: what says the vector index.
        observed: value types seen in data per metadata key.
    """
    complete = default_form()
    if form is not None:
        _overlay(complete["defaults"], form.get("defaults") or {})
        for key, value_types in (form.get("keys") or {}).items():
            _overlay(complete["keys"].setdefault(key, {}), value_types)
        if form.get("cmek") is not None:
            complete["cmek"] = deepcopy(form["cmek"])
    vector = vector_config(config)
    complete["defaults"]["float_list"]["vector_index"]["config"] = vector
    embedding = complete["keys"][EMBEDDING_KEY]["float_list"]["vector_index"]
    embedding["config"] = {**deepcopy(vector), "source_key": DOCUMENT_KEY}
    for key, value_types in (observed or {}).items():
        add_observed(complete, key, value_types)
    return complete


def vector_config(config: CollectionConfig) -> dict[str, Any]:
    """Return the configuration of the vector index that a collection has."""
    form: dict[str, Any] = {"space": config.space}
    if config.embedding_function is not None:
        form["embedding_function"] = deepcopy(dict(config.embedding_function))
    if config.index_kind != "flat":  # no name for it in Chroma's schema: neither hnsw nor spann
        form[config.index_kind] = dict(config.index_params)
    return form


def add_observed(form: dict[str, Any], key: str, value_types: Iterable[ValueTypeName]) -> None:
    """Add the default indexes of value types to a key of a complete form; what is there already stays."""
    entry = form["keys"].setdefault(key, {})
    for value_type in value_types:
        if value_type not in entry:
            entry[value_type] = deepcopy(form["defaults"][value_type])


def _overlay(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Put what `over` says of indexes on top of `under`, both `{value type: {index: {"enabled", "config"}}}`."""
    for value_type, indexes in over.items():
        holder = under.setdefault(value_type, {})
        for name, index in indexes.items():
            below = holder.get(name, {}).get("config", {})
            holder[name] = {"enabled": index["enabled"], "config": {**below, **deepcopy(dict(index["config"]))}}
