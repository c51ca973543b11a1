"""The tree of a schema to JSON and back, equal to upstream's JSON key by key (spec 11.1).

Writing leaves out what is None. Reading takes a missing `enabled` for true and a missing `config` for empty, and never
fails for an embedding function that cannot be rebuilt: that gives a warning and None.
Not for: the engine, which keeps schemas as JSON (`schema_form.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from chroma_search.embeddings.registry import (
    embedding_function_from_config,
    embedding_function_to_config,
    sparse_embedding_function_from_config,
    sparse_embedding_function_to_config,
)
from chroma_search.schema.value_types import (
    LAYOUT,
    IndexSlot,
    ValueTypes,
    config_class,
    get_index,
    set_index,
)


def value_types_to_json(value_types: ValueTypes) -> dict[str, Any]:
    """Return `{value type: {index: {"enabled", "config"}}}` of what is said."""
    form: dict[str, Any] = {}
    for slot in LAYOUT:
        if getattr(value_types, slot.attribute) is None:
            continue
        holder = form.setdefault(slot.value_type, {})
        index = get_index(value_types, slot)
        if index is not None:
            holder[slot.index] = {"enabled": index.enabled, "config": _config_to_json(slot, index.config)}
    return form


def value_types_from_json(form: Mapping[str, Any]) -> ValueTypes:
    """Read what `value_types_to_json` wrote; unknown value types and indexes are passed over.

    Raises:
        pydantic.ValidationError: a configuration with an unknown field or a value of the wrong type.
    """
    value_types = ValueTypes()
    for slot in LAYOUT:
        if slot.value_type not in form:
            continue
        if getattr(value_types, slot.attribute) is None:
            setattr(value_types, slot.attribute, slot.holder())
        index = form[slot.value_type].get(slot.index)
        if index is not None:
            config = config_class(slot)(**_config_from_json(slot, index.get("config") or {}))
            set_index(value_types, slot, enabled=index.get("enabled", True), config=config)
    return value_types


def _config_to_json(slot: IndexSlot, config: Any) -> dict[str, Any]:
    form: dict[str, Any] = config.model_dump(exclude_none=True, exclude={"embedding_function"})
    if slot.index == "sparse_vector_index":
        form["embedding_function"] = sparse_embedding_function_to_config(config.embedding_function)
    elif slot.index == "vector_index":
        form["embedding_function"] = embedding_function_to_config(config.embedding_function)
        if form["embedding_function"]["type"] == "known":
            _settle_space(form, config.embedding_function)
    return form


def _settle_space(form: dict[str, Any], function: Any) -> None:
    """Write the function's own space where none is said; warn about one that the function does not support."""
    if "space" not in form:
        form["space"] = function.default_space()
    elif form["space"] not in function.supported_spaces():
        warnings.warn(
            f"space {form['space']} is not supported by {function.name()}. "
            f"Supported spaces: {function.supported_spaces()}",
            UserWarning,
            stacklevel=5,
        )


def _config_from_json(slot: IndexSlot, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a configuration, its embedding function rebuilt."""
    fields = dict(form)
    if "embedding_function" not in fields:
        return fields
    if slot.index == "sparse_vector_index":
        fields["embedding_function"] = sparse_embedding_function_from_config(fields["embedding_function"])
    elif slot.index == "vector_index":
        function = embedding_function_from_config(fields["embedding_function"])
        fields["embedding_function"] = function
        if function is not None and fields.get("space") is None:
            fields["space"] = function.default_space()
    return fields
