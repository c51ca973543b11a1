"""Configuration of a collection: what a user wrote becomes one frozen `CollectionConfig`, and is read back.

`create_configuration` merges, in this order of rank: the configuration, legacy `hnsw:*` metadata, the embedding
function's default space, Chroma's defaults. One accident of upstream is kept, because its own tests expect it: legacy
metadata outrank a configuration whose `hnsw` states nothing but default values. `updated_configuration` is `modify`.

Invariant: a `CollectionConfig` is complete and within bounds; space and index kind never change after creation.
The embedding function is kept in its JSON form, never as an object, so that a configuration can be stored and compared.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, cast

from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.embeddings.registry import config_to_embedding_function, embedding_function_to_config
from chroma_search.errors import InvalidConfigError, WrongTypeError
from chroma_search.model.distance import SPACES, Space
from chroma_search.record import record
from chroma_search.schema.function_form import checked_function_form
from chroma_search.schema.index_params import (
    INDEX_KINDS,
    PARAMS,
    UPDATABLE,
    IndexKind,
    check_names,
    complete_params,
    default_params,
)
from chroma_search.schema.legacy_metadata import legacy_hnsw_params

if TYPE_CHECKING:
    from chroma_search.schema.configuration_types import CollectionConfiguration

DEFAULT_SPACE: Space = "l2"

# What upstream shows of an index; the rest (threads, batch size) only appears in the schema.
SHOWN: dict[IndexKind, tuple[str, ...]] = {
    "hnsw": ("ef_construction", "ef_search", "max_neighbors", "resize_factor", "sync_threshold"),
    "spann": tuple(PARAMS["spann"]),
    "flat": (),
}


_SPACE_METHODS = ("is_legacy", "name", "default_space", "supported_spaces")  # a duck-typed function may lack some


def _default_hnsw() -> Mapping[str, int | float]:
    return default_params("hnsw")


@record()
class CollectionConfig:
    """What the engine needs to know of a collection.

    Attributes:
        space: distance of the dense vectors.
        index_kind: `hnsw`, `spann`, or `flat` (ours: always exact).
        index_params: every parameter of the kind, as `index_params.py` names them.
        embedding_function: JSON form of the dense function, or None when nothing was said.
    """

    space: Space = DEFAULT_SPACE
    index_kind: IndexKind = "hnsw"
    index_params: Mapping[str, int | float] = field(default_factory=_default_hnsw)
    embedding_function: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return upstream's `configuration_json`: hnsw, spann, embedding_function; plus `flat` if it is flat."""
        shown = {"space": self.space, **{name: self.index_params[name] for name in SHOWN[self.index_kind]}}
        form: dict[str, Any] = {"hnsw": None, "spann": None}
        form[self.index_kind] = shown
        function = self.embedding_function
        return {**form, "embedding_function": None if function is None else dict(function)}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> CollectionConfig:
        """Read `configuration_json` as a server says it; numbers that it does not say take their defaults.

        Bounds are not checked: they are the server's own.

        Raises:
            InvalidConfigError: two index kinds, or an unknown space.
        """
        kind = named_kind(form) or "hnsw"
        said = {name: value for name, value in dict(form.get(kind) or {}).items() if value is not None}
        return cls(
            space=_checked_space(said.pop("space", DEFAULT_SPACE), kind),
            index_kind=kind,
            index_params={**default_params(kind), **{name: said[name] for name in PARAMS[kind] if name in said}},
            embedding_function=form.get("embedding_function"),
        )

    def to_stored(self) -> dict[str, Any]:
        """Return everything, as JSON, for the catalog."""
        return {
            "space": self.space,
            "index_kind": self.index_kind,
            "index_params": dict(self.index_params),
            "embedding_function": None if self.embedding_function is None else dict(self.embedding_function),
        }

    @classmethod
    def from_stored(cls, form: Mapping[str, Any]) -> CollectionConfig:
        """Read what `to_stored` wrote; parameters added since then take their defaults.

        Raises:
            InvalidConfigError: not such a form.
        """
        kind = form.get("index_kind")
        if kind not in INDEX_KINDS:
            raise InvalidConfigError(f"unknown index kind {kind!r}, expected one of {', '.join(INDEX_KINDS)}")
        return cls(
            space=_checked_space(form.get("space"), "space"),
            index_kind=kind,
            index_params=complete_params(kind, form.get("index_params") or {}, "index_params"),
            embedding_function=form.get("embedding_function"),
        )


def create_configuration(
    given: Mapping[str, Any] | None, metadata: Mapping[str, Any] | None = None
) -> CollectionConfig:
    """Return the configuration of a new collection.

    Args:
        given: upstream's dict; `embedding_function` is an object, or its JSON form as it arrives over HTTP.
        metadata: of the collection; its `hnsw:*` keys count.

    Raises:
        InvalidConfigError: two index kinds, an unknown field, a value out of bounds, an unknown space.
        WrongTypeError: not a dict, or a function that cannot be called.

    Warns:
        UserWarning: an unknown name at the top level (ignored), or a space that the function does not support.
    """
    config = _checked_dict(given, "configuration")
    _warn_of_unknown_names(config)
    kind = named_kind(config) or "hnsw"
    path = f"configuration.{kind}"
    params = dict(_checked_dict(config.get(kind), path))
    legacy = legacy_hnsw_params(metadata)
    if legacy and kind == "hnsw" and _states_only_defaults(params):
        params.update(legacy)
        path = "metadata.hnsw:*"
    function = config.get("embedding_function")
    space = params.pop("space", None)
    if space is None and kind != "hnsw":
        space = legacy.get("space")  # the one old key that has a meaning for the other kinds
    return CollectionConfig(
        space=_resolved_space(space, function, path),
        index_kind=kind,
        index_params=complete_params(kind, params, path),
        embedding_function=_function_form(function) if config else None,
    )


def updated_configuration(config: CollectionConfig, update: Mapping[str, Any] | None) -> CollectionConfig:
    """Return the configuration after `modify(configuration=update)`.

    Raises:
        InvalidConfigError: a field that cannot change, an index kind that the collection does not have, both kinds, a
            value out of bounds, a function of another name.
        Exception: whatever the function's `validate_config_update` raises.

    Warns:
        DeprecationWarning: the new function is a legacy one; the old one is kept.
    """
    changes = _checked_dict(update, "configuration")
    kind = named_kind(changes)
    if kind is not None:
        config = replace(config, index_params=_updated_params(config, kind, changes[kind]))
    function = changes.get("embedding_function")
    if function is not None:
        config = replace(config, embedding_function=_updated_function(config.embedding_function, function))
    return config


def named_kind(config: Mapping[str, Any]) -> IndexKind | None:
    """Return the one index kind that a configuration names, or None.

    Raises:
        InvalidConfigError: it names two.
    """
    named: list[IndexKind] = [kind for kind in INDEX_KINDS if config.get(kind) is not None]
    if len(named) > 1:
        raise InvalidConfigError(f"{named[0]} and {named[1]} cannot both be provided: keep one", path="configuration")
    return named[0] if named else None


def load_collection_configuration_from_json(form: Mapping[str, Any]) -> CollectionConfiguration:
    """Return a configuration with its embedding function as an object (None for a legacy one).

    Raises:
        InvalidConfigError: both index kinds, or a function that is not registered or cannot be built.
        UnsupportedError: one of upstream's functions that this package does not carry.
    """
    named_kind(form)
    function = form.get("embedding_function")
    loaded: CollectionConfiguration = {
        "hnsw": form.get("hnsw"),
        "spann": form.get("spann"),
        "embedding_function": None
        if function is None or _is_nameless(function)
        else config_to_embedding_function(function),
    }
    if form.get("flat") is not None:
        loaded["flat"] = form["flat"]
    return loaded


def load_collection_configuration_from_json_str(text: str) -> CollectionConfiguration:
    """Read a configuration from JSON text; see `load_collection_configuration_from_json`."""
    return load_collection_configuration_from_json(json.loads(text))


def _checked_dict(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise WrongTypeError(f"Expected {name} to be a dict or None, got {type(value).__name__}")
    return cast("Mapping[str, Any]", value)


def _warn_of_unknown_names(config: Mapping[str, Any]) -> None:
    for name in config:
        if name not in (*INDEX_KINDS, "embedding_function"):
            warnings.warn(
                f"configuration: '{name}' is ignored, expected hnsw, spann, flat or embedding_function",
                UserWarning,
                stacklevel=3,
            )


def _states_only_defaults(params: Mapping[str, Any]) -> bool:
    defaults = {**default_params("hnsw"), "space": DEFAULT_SPACE}
    return all(value is None or value == defaults.get(name) for name, value in params.items())


def _checked_space(space: Any, path: str) -> Space:
    if space not in SPACES:
        raise InvalidConfigError(f"unknown space {space!r}, expected one of {', '.join(SPACES)}", path=f"{path}.space")
    return space


def _resolved_space(space: Any, function: Any, path: str) -> Space:
    """Return the explicit space, else the function's own, else l2; warn when the function does not support it."""
    speaker = _named_function(function)
    if space is None:
        space = DEFAULT_SPACE if speaker is None else speaker.default_space()
    checked = _checked_space(space, path)
    if speaker is not None and checked not in speaker.supported_spaces():
        warnings.warn(
            f"space {checked} is not supported by {speaker.name()}. Supported spaces: {speaker.supported_spaces()}",
            UserWarning,
            stacklevel=3,
        )
    return checked


def _named_function(function: Any) -> Any | None:
    """Return the function if it is an object that knows its spaces: no JSON form, no legacy function."""
    if function is None or not all(hasattr(function, name) for name in _SPACE_METHODS):
        return None
    return None if function.is_legacy() else function


def _function_form(function: Any) -> Mapping[str, Any]:
    """Return the JSON form of a dense function; a form that came as JSON is kept as it is."""
    if isinstance(function, Mapping):
        return checked_function_form(cast("object", function), "configuration.embedding_function")
    if function is not None and not callable(function):
        raise WrongTypeError(
            f"Expected embedding_function to be an EmbeddingFunction or None, got {type(function).__name__}"
        )
    return embedding_function_to_config(cast("EmbeddingFunction[Any] | None", function))


def _is_nameless(form: Mapping[str, Any]) -> bool:
    return form.get("type") in ("legacy", "unknown")


def _updated_params(config: CollectionConfig, kind: IndexKind, changes: Any) -> Mapping[str, int | float]:
    if kind != config.index_kind:
        raise InvalidConfigError(
            f"Trying to update {kind.upper()} config but the collection has {config.index_kind.upper()}",
            path=f"configuration.{kind}",
        )
    path = f"configuration.{kind}"
    given = _checked_dict(changes, path)
    check_names(given, UPDATABLE[kind], path)
    kept = {name: value for name, value in given.items() if value is not None}
    return complete_params(kind, {**config.index_params, **kept}, path)


def _updated_function(old: Mapping[str, Any] | None, function: Any) -> Mapping[str, Any]:
    new = _function_form(function)
    if old is None or _is_nameless(old):
        return new
    if _is_nameless(new):
        warnings.warn("cannot update to a legacy embedding function; the old one is kept", DeprecationWarning, 3)
        return old
    if old.get("name") != new.get("name"):
        raise InvalidConfigError(
            f"Cannot update embedding function: incompatible types ({old.get('name')} vs {new.get('name')})",
            path="configuration.embedding_function",
        )
    rebuilt = config_to_embedding_function(new) if isinstance(function, Mapping) else function
    rebuilt.validate_config_update(old.get("config") or {}, new.get("config") or {})
    return new
