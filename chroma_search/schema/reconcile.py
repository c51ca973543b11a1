"""Configuration, legacy metadata and schema may each say the vector index of a new collection: which one counts.

One of them may say it; the others must leave it at its defaults, or say the same. Upstream refuses a schema beside a
configuration altogether; here a schema that only speaks of other keys goes together with any configuration. Where the
configuration names no function, the schema's counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chroma_search.errors import InvalidConfigError
from chroma_search.schema.configuration import DEFAULT_SPACE, CollectionConfig, create_configuration
from chroma_search.schema.function_conflict import DEFAULT_NAME
from chroma_search.schema.index_params import IndexKind, complete_params
from chroma_search.schema.schema_form import SchemaForm
from chroma_search.schema.value_types import EMBEDDING_KEY


def resolve_configuration(
    configuration: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    schema: SchemaForm | None,
) -> CollectionConfig:
    """Return the configuration of a new collection.

    Args:
        configuration: as for `create_configuration`.
        metadata: of the collection.
        schema: checked form (`schema_validation.checked_form`), or None.

    Raises:
        InvalidConfigError: schema and configuration (or metadata) say different vector indexes, or one is wrong.
    """
    configured = create_configuration(configuration, metadata)
    if schema is None:
        return configured
    declared = _declared(schema)
    if _is_default(declared) and not _is_nameless(declared):
        function = configured.embedding_function
        return replace(configured, embedding_function=declared.embedding_function if function is None else function)
    if _is_default(configured) or configured == declared:
        return declared
    raise InvalidConfigError(
        "Cannot set both collection config and schema simultaneously: space, index and embedding function of "
        "#embedding differ between them; say them in one place",
        path="configuration",
    )


def _declared(schema: SchemaForm) -> CollectionConfig:
    """Return what a schema says of the vector index: its `#embedding`, else its defaults."""
    places = (schema["keys"].get(EMBEDDING_KEY, {}), schema["defaults"])
    indexes = (place.get("float_list", {}).get("vector_index") for place in places)
    config: Mapping[str, Any] = next((index["config"] for index in indexes if index is not None), {})
    kind: IndexKind = "spann" if config.get("spann") is not None else "hnsw"
    return CollectionConfig(
        space=config.get("space") or DEFAULT_SPACE,
        index_kind=kind,
        index_params=complete_params(kind, config.get(kind) or {}, f"schema.{EMBEDDING_KEY}.{kind}"),
        embedding_function=config.get("embedding_function"),
    )


def _is_default(config: CollectionConfig) -> bool:
    """Tell whether a configuration is what one gets without asking, or asks for no function at all."""
    if replace(config, embedding_function=None) != CollectionConfig():
        return False
    return config.embedding_function is None or _is_nameless(config) or _name(config) == DEFAULT_NAME


def _is_nameless(config: CollectionConfig) -> bool:
    """Tell whether a configuration says that there is no (rebuildable) function; a schema only says so on purpose."""
    return config.embedding_function is not None and config.embedding_function.get("type") != "known"


def _name(config: CollectionConfig) -> object:
    return (config.embedding_function or {}).get("name")
