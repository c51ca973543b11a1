"""Schema: which index a collection keeps for which key and value type, as users write it (upstream's class).

`defaults` hold for every key, `keys` for one; a key that says nothing about a value type falls back to the defaults.
`create_index` and `delete_index` refuse what no collection can have, with upstream's rules; what holds for a schema as
a whole is checked when a collection is created (`schema_validation.py`). Beyond upstream, several keys may have a
sparse vector index. Making a Schema loads pydantic; the engine works on its JSON (`schema_form.py`, `index_rules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chroma_search.dsl.key import Key
from chroma_search.errors import InternalError, InvalidConfigError, WrongTypeError
from chroma_search.schema.cmek import Cmek
from chroma_search.schema.serialization import value_types_from_json, value_types_to_json
from chroma_search.schema.value_types import (
    DOCUMENT_KEY,
    EMBEDDING_KEY,
    LAYOUT,
    SLOTS,
    IndexSlot,
    ValueTypeName,
    ValueTypes,
    config_class,
    get_index,
    set_index,
    slot_of,
)

if TYPE_CHECKING:
    from chroma_search.schema.index_configs import IndexConfig


@dataclass(init=False)
class Schema:
    """The indexes of a collection.

    Attributes:
        defaults: indexes of keys without an entry of their own.
        keys: indexes per key; `#document` and `#embedding` are always there in a new schema.
        cmek: reference to a customer-managed encryption key, carried for Chroma Cloud.

    >>> from chroma_search.schema import Schema, SparseVectorIndexConfig, StringInvertedIndexConfig
    >>> schema = Schema().delete_index(StringInvertedIndexConfig(), key="body")
    >>> schema = schema.create_index(SparseVectorIndexConfig(bm25=True), key="terms")
    >>> sorted(schema.keys)
    ['#document', '#embedding', 'body', 'terms']
    """

    defaults: ValueTypes
    keys: dict[str, ValueTypes]
    cmek: Cmek | None = None

    def __init__(self) -> None:
        self.defaults = ValueTypes()
        for slot in LAYOUT:
            set_index(self.defaults, slot, enabled=slot.enabled, config=config_class(slot)())
        document, embedding = ValueTypes(), ValueTypes()
        for name, enabled in (("fts_index", True), ("string_inverted_index", False)):
            set_index(document, SLOTS[name], enabled=enabled, config=config_class(SLOTS[name])())
        vector = SLOTS["vector_index"]
        set_index(embedding, vector, enabled=True, config=config_class(vector)(source_key=DOCUMENT_KEY))
        self.keys = {DOCUMENT_KEY: document, EMBEDDING_KEY: embedding}
        self.cmek = None

    def create_index(self, config: IndexConfig | None = None, key: str | Key | None = None) -> Schema:
        """Switch an index on, for one key or (key None) for all; return self.

        A `VectorIndexConfig` takes no key: it configures the vectors of the collection.

        Raises:
            InvalidConfigError: neither config nor key, a key without config, a reserved key, full-text search off
                `#document`, a vector index with a key, a sparse one without, a sparse source without a function.
            WrongTypeError: config or key of another type.
        """
        name, slot = _checked_target(config, key, "create")
        if slot.index == "vector_index":
            if name is not None:
                raise InvalidConfigError(
                    f"Vector index cannot be enabled on specific keys, got '{name}': leave out key= to configure the "
                    "vectors of the collection",
                    path=name,
                )
            self._set_vector_config(config)
            return self
        if slot.index == "sparse_vector_index":
            _check_sparse(config, name)
        self._set(name, slot, config, enabled=True)
        return self

    def delete_index(self, config: IndexConfig | None = None, key: str | Key | None = None) -> Schema:
        """Switch an index off, for one key or (key None) for all; return self. Vector indexes cannot be deleted.

        Raises:
            InvalidConfigError: neither config nor key, a key without config, a reserved key, a vector or sparse vector
                index, full-text search off `#document`.
            WrongTypeError: config or key of another type.
        """
        name, slot = _checked_target(config, key, "delete")
        if slot.index in ("vector_index", "sparse_vector_index"):
            what = "sparse vector" if slot.index == "sparse_vector_index" else "vector"
            raise InvalidConfigError(f"Deleting {what} index is not currently supported", path=name or "")
        self._set(name, slot, config, enabled=False)
        return self

    def set_cmek(self, cmek: Cmek | None) -> Schema:
        """Set the customer-managed encryption key, or None for none; return self."""
        self.cmek = cmek
        return self

    def observe(self, key: str, value_type: ValueTypeName) -> None:
        """Note that a value of a type was stored under a metadata key: the key gets that type's default indexes.

        What the key says about the type already stays. See `value_types.value_type_of` for the type of a value.

        Raises:
            InternalError: a reserved key; no metadata can be stored under one.
        """
        if key.startswith("#"):
            raise InternalError(f"observed metadata under '{key}'", invariant="metadata keys never begin with '#'")
        attribute = next(slot.attribute for slot in LAYOUT if slot.value_type == value_type)
        entry = self.keys.setdefault(key, ValueTypes())
        if getattr(entry, attribute) is None:
            setattr(entry, attribute, deepcopy(getattr(self.defaults, attribute)))

    def serialize_to_json(self) -> dict[str, Any]:
        """Return the JSON form: `defaults`, `keys`, and `cmek` if there is one."""
        form: dict[str, Any] = {
            "defaults": value_types_to_json(self.defaults),
            "keys": {key: value_types_to_json(value_types) for key, value_types in self.keys.items()},
        }
        if self.cmek is not None:
            form["cmek"] = self.cmek.to_dict()
        return form

    @classmethod
    def deserialize_from_json(cls, json_data: Mapping[str, Any]) -> Schema:
        """Read the JSON form. Nothing is added: `{}` gives a schema without defaults.

        Raises:
            pydantic.ValidationError: a configuration with an unknown field or a value of the wrong type.

        Warns:
            UserWarning: an embedding function that cannot be rebuilt; it is None then.
        """
        schema = cls.__new__(cls)
        schema.defaults = value_types_from_json(json_data.get("defaults") or {})
        schema.keys = {key: value_types_from_json(form) for key, form in (json_data.get("keys") or {}).items()}
        cmek = json_data.get("cmek")
        schema.cmek = None if cmek is None else Cmek.from_dict(cmek)
        return schema

    def _set(self, key: str | None, slot: IndexSlot, config: Any, *, enabled: bool) -> None:
        target = self.defaults if key is None else self.keys.setdefault(key, ValueTypes())
        set_index(target, slot, enabled=enabled, config=config)

    def _set_vector_config(self, config: Any) -> None:
        """Configure defaults and `#embedding`; what is on stays on, and `#embedding` keeps its source."""
        slot = SLOTS["vector_index"]
        default = get_index(self.defaults, slot)
        set_index(self.defaults, slot, enabled=default is not None and default.enabled, config=config)
        embedding = self.keys.setdefault(EMBEDDING_KEY, ValueTypes())
        old = get_index(embedding, slot)
        own = config_class(slot)(
            space=config.space,
            embedding_function=config.embedding_function,
            hnsw=config.hnsw,
            spann=config.spann,
            source_key=DOCUMENT_KEY if old is None else old.config.source_key,
        )
        set_index(embedding, slot, enabled=old is None or old.enabled, config=own)


def _checked_target(config: object, key: object, verb: str) -> tuple[str | None, IndexSlot]:
    """Return the name of the key and the place of the index, after the rules that hold for create and delete."""
    name = key.name if isinstance(key, Key) else key
    if name is not None and not isinstance(name, str):
        raise WrongTypeError(f"Expected key to be a str, Key or None, got {type(name).__name__}")
    if config is None and name is None:
        scope = "enable all index types globally" if verb == "create" else "disable all indexes"
        raise InvalidConfigError(f"Cannot {scope}. Must specify either config or key.")
    if name == EMBEDDING_KEY:
        raise InvalidConfigError(
            f"Cannot {verb} index on special key '{EMBEDDING_KEY}': it is managed automatically; use "
            "create_index(VectorIndexConfig(...)) without a key to configure it",
            path=EMBEDDING_KEY,
        )
    slot = slot_of(config)
    if config is not None and slot is None:
        raise WrongTypeError(f"Expected config to be an index configuration, got {type(config).__name__}")
    if name == DOCUMENT_KEY and (slot is None or slot.index != "fts_index"):
        raise InvalidConfigError(
            f"Cannot {verb} index on special key '{DOCUMENT_KEY}' with this config: only FtsIndexConfig is allowed",
            path=DOCUMENT_KEY,
        )
    if name is not None and name.startswith("#") and name != DOCUMENT_KEY:
        raise InvalidConfigError(f"key cannot begin with '#': '{name}' is reserved for system use", path=name)
    if slot is None:
        action = "enable" if verb == "create" else "disable"
        raise InvalidConfigError(
            f"Cannot {action} all index types for key '{name}': specify an index configuration", path=name or ""
        )
    if slot.index == "fts_index" and name != DOCUMENT_KEY:
        raise InvalidConfigError(
            f"FTS index can only be enabled and deleted on #document: use {verb}_index(FtsIndexConfig(), "
            "key='#document')",
            path=name or "defaults",
        )
    return name, slot


def _check_sparse(config: Any, key: str | None) -> None:
    if key is None:
        raise InvalidConfigError(
            "Sparse vector index must be created on a specific key: "
            "use create_index(SparseVectorIndexConfig(...), key='your_key')"
        )
    if config.source_key is not None and config.embedding_function is None:
        raise InvalidConfigError(
            "If source_key is provided then embedding_function must also be provided since there is no default "
            f"embedding function, got source_key='{config.source_key}' alone",
            path=key,
        )
