"""The tree of a schema: which index is on for which value type (upstream's class names and fields).

A `ValueTypes` holds one entry per type of value, an entry holds its indexes, an index holds `enabled` and `config`.
None means "nothing said here": the engine then asks the schema's defaults. `LAYOUT` is the one table of value types and
indexes; serialising, defaults and lookups go over it. This module does not import pydantic (its import costs 0.1 s):
configurations are made by their class's name through `new_config`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from chroma_search.model.sparse_vector import SparseVector

if TYPE_CHECKING:
    from chroma_search.schema.index_configs import (
        BoolInvertedIndexConfig,
        FloatInvertedIndexConfig,
        FtsIndexConfig,
        IntInvertedIndexConfig,
        SparseVectorIndexConfig,
        StringInvertedIndexConfig,
        VectorIndexConfig,
    )

DOCUMENT_KEY = "#document"
EMBEDDING_KEY = "#embedding"

ValueTypeName: TypeAlias = Literal["string", "float_list", "sparse_vector", "int", "float", "bool"]
IndexName: TypeAlias = Literal[
    "fts_index",
    "string_inverted_index",
    "vector_index",
    "sparse_vector_index",
    "int_inverted_index",
    "float_inverted_index",
    "bool_inverted_index",
]


@dataclass
class FtsIndexType:
    """Full-text search over a string."""

    enabled: bool
    config: FtsIndexConfig


@dataclass
class VectorIndexType:
    """Nearest neighbours over dense vectors."""

    enabled: bool
    config: VectorIndexConfig


@dataclass
class SparseVectorIndexType:
    """Nearest neighbours over sparse vectors."""

    enabled: bool
    config: SparseVectorIndexConfig


@dataclass
class StringInvertedIndexType:
    """Filters on strings."""

    enabled: bool
    config: StringInvertedIndexConfig


@dataclass
class IntInvertedIndexType:
    """Filters on ints."""

    enabled: bool
    config: IntInvertedIndexConfig


@dataclass
class FloatInvertedIndexType:
    """Filters on floats."""

    enabled: bool
    config: FloatInvertedIndexConfig


@dataclass
class BoolInvertedIndexType:
    """Filters on bools."""

    enabled: bool
    config: BoolInvertedIndexConfig


@dataclass
class StringValueType:
    """Indexes of string values."""

    fts_index: FtsIndexType | None = None
    string_inverted_index: StringInvertedIndexType | None = None


@dataclass
class FloatListValueType:
    """Indexes of dense vectors."""

    vector_index: VectorIndexType | None = None


@dataclass
class SparseVectorValueType:
    """Indexes of sparse vectors."""

    sparse_vector_index: SparseVectorIndexType | None = None


@dataclass
class IntValueType:
    """Indexes of int values."""

    int_inverted_index: IntInvertedIndexType | None = None


@dataclass
class FloatValueType:
    """Indexes of float values."""

    float_inverted_index: FloatInvertedIndexType | None = None


@dataclass
class BoolValueType:
    """Indexes of bool values."""

    bool_inverted_index: BoolInvertedIndexType | None = None


@dataclass
class ValueTypes:
    """The indexes of one key, or of all keys without an entry of their own."""

    string: StringValueType | None = None
    float_list: FloatListValueType | None = None
    sparse_vector: SparseVectorValueType | None = None
    int_value: IntValueType | None = None
    float_value: FloatValueType | None = None
    boolean: BoolValueType | None = None


@dataclass(frozen=True, slots=True)
class IndexSlot:
    """Where one kind of index sits in the tree.

    Attributes:
        index: its attribute and its JSON name.
        config_name: class of its configuration, in `index_configs`.
        wrapper: class of the node that holds `enabled` and `config`.
        value_type: JSON name of the value type it belongs to.
        attribute: attribute of `ValueTypes` for that value type.
        holder: class of the node under that attribute.
        enabled: whether it is on in a new schema's defaults.
    """

    index: IndexName
    config_name: str
    wrapper: type[Any]
    value_type: ValueTypeName
    attribute: str
    holder: type[Any]
    enabled: bool


LAYOUT: tuple[IndexSlot, ...] = (
    IndexSlot("fts_index", "FtsIndexConfig", FtsIndexType, "string", "string", StringValueType, False),
    IndexSlot(
        "string_inverted_index",
        "StringInvertedIndexConfig",
        StringInvertedIndexType,
        "string",
        "string",
        StringValueType,
        True,
    ),
    IndexSlot(
        "vector_index", "VectorIndexConfig", VectorIndexType, "float_list", "float_list", FloatListValueType, False
    ),
    IndexSlot(
        "sparse_vector_index",
        "SparseVectorIndexConfig",
        SparseVectorIndexType,
        "sparse_vector",
        "sparse_vector",
        SparseVectorValueType,
        False,
    ),
    IndexSlot(
        "int_inverted_index", "IntInvertedIndexConfig", IntInvertedIndexType, "int", "int_value", IntValueType, True
    ),
    IndexSlot(
        "float_inverted_index",
        "FloatInvertedIndexConfig",
        FloatInvertedIndexType,
        "float",
        "float_value",
        FloatValueType,
        True,
    ),
    IndexSlot(
        "bool_inverted_index", "BoolInvertedIndexConfig", BoolInvertedIndexType, "bool", "boolean", BoolValueType, True
    ),
)
SLOTS: dict[str, IndexSlot] = {slot.index: slot for slot in LAYOUT}


def config_class(slot: IndexSlot) -> type[Any]:
    """Return the configuration class of an index; loads pydantic."""
    from chroma_search.schema import index_configs  # lazy: pydantic costs 0.1 s

    return getattr(index_configs, slot.config_name)


def slot_of(config: object) -> IndexSlot | None:
    """Return the place of a configuration in the tree, or None for anything else; loads pydantic."""
    return next((slot for slot in LAYOUT if isinstance(config, config_class(slot))), None)


def get_index(value_types: ValueTypes, slot: IndexSlot) -> Any:
    """Return the node of an index, or None when nothing is said about it."""
    holder = getattr(value_types, slot.attribute)
    return None if holder is None else getattr(holder, slot.index)


def set_index(value_types: ValueTypes, slot: IndexSlot, *, enabled: bool, config: Any) -> None:
    """Put an index into the tree in place of what was said about it; its siblings stay."""
    holder = getattr(value_types, slot.attribute)
    if holder is None:
        holder = slot.holder()
        setattr(value_types, slot.attribute, holder)
    setattr(holder, slot.index, slot.wrapper(enabled=enabled, config=config))


def value_type_of(value: object) -> ValueTypeName | None:
    """Return the value type under which a stored metadata value is indexed; None for a missing value.

    A list counts as its elements do: `[1, 2]` is `int`. An empty list has no type.
    """
    first: object = value
    if isinstance(value, (list, tuple)):
        items: Any = value
        first = items[0] if items else None
    if isinstance(first, bool):
        return "bool"
    if isinstance(first, int):
        return "int"
    if isinstance(first, float):
        return "float"
    if isinstance(first, str):
        return "string"
    return "sparse_vector" if isinstance(first, SparseVector) else None
