"""Questions that the engine asks of a schema: is this filter allowed, which keys hold sparse vectors, who embeds them.

Works on the JSON form, or on None for a collection without a schema, and needs no pydantic. An answer comes from the
key's entry if that says something about the index, else from the schema's defaults, else from the built-in ones.
Not for: the dense vector index of the collection; `CollectionConfig` says that (see `reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from chroma_search.embeddings.registry import embedding_function_from_config, sparse_embedding_function_from_config
from chroma_search.errors import InvalidFilterError
from chroma_search.schema.schema_form import SchemaForm, default_form
from chroma_search.schema.value_types import DOCUMENT_KEY, SLOTS, IndexName, ValueTypeName, get_index, value_type_of

if TYPE_CHECKING:
    from chroma_search.schema.schema import Schema

ID_KEY = "#id"
_BUILT_IN = default_form()

# Operand type -> the index that must be on, and the word that upstream's message uses for the type.
_FILTER_INDEX: dict[ValueTypeName | None, tuple[IndexName, str]] = {
    "string": ("string_inverted_index", "Str"),
    "int": ("int_inverted_index", "Int"),
    "float": ("float_inverted_index", "Float"),
    "bool": ("bool_inverted_index", "Bool"),
}


@dataclass(frozen=True, slots=True)
class SparseKey:
    """A metadata key with a sparse vector index.

    Attributes:
        key: the metadata key that holds the vectors.
        source_key: key whose text is embedded when a record brings no vector, or None.
        bm25: whether query terms are weighted by their inverse document frequency.
        has_function: whether a function is named, rebuildable or not.
    """

    key: str
    source_key: str | None
    bm25: bool
    has_function: bool


class IndexRules:
    """The rules of one collection, read-only.

    Args:
        form: checked JSON form of the schema (see `schema_validation.checked_form`), or None for the default one.
        functions: embedding functions that are at hand as objects, per key; the others are rebuilt when asked for.
    """

    __slots__ = ("_form", "_functions", "_sparse_keys")

    def __init__(self, form: SchemaForm | None = None, functions: Mapping[str, Any] | None = None) -> None:
        self._form: SchemaForm = form if form is not None else {}
        self._functions: dict[str, Any] = dict(functions or {})
        self._sparse_keys = {each.key: each for each in self._find_sparse_keys()}

    def is_enabled(self, key: str, index: IndexName) -> bool:
        """Tell whether an index is on for a key."""
        return bool(self._index(key, index)["enabled"])

    def check_filter(self, key: str, operand: object) -> None:
        """Refuse a filter whose index is switched off.

        The type of the *operand* decides, as upstream: with the int index off, `{"n": 1}` is refused and `{"n": 1.0}`
        is not. Of a list, each element counts. Ids always have an index.

        Args:
            key: name in the filter: a metadata key, `#id` or `#document`.
            operand: scalar, or list of `$in` and `$nin`; None needs no index.

        Raises:
            InvalidFilterError: filtering by this type is switched off for the key.
        """
        if key == ID_KEY:
            return
        operands = cast("Sequence[object]", operand) if isinstance(operand, (list, tuple)) else (operand,)
        for each in operands:
            index, word = _FILTER_INDEX.get(value_type_of(each), (None, ""))
            if index is not None and not self.is_enabled(key, index):
                raise InvalidFilterError(
                    f"Cannot filter using metadata key '{key}' with type '{word}' because indexing is disabled"
                )

    def fts_enabled(self, key: str = DOCUMENT_KEY) -> bool:
        """Tell whether full-text search is on."""
        return self.is_enabled(key, "fts_index")

    def check_text_filter(self) -> None:
        """Refuse `$contains`, `$regex` and their like on documents when full-text search is off.

        Raises:
            InvalidFilterError: it is off.
        """
        if not self.fts_enabled():
            raise InvalidFilterError("Cannot filter using full-text search because FTS indexing is disabled")

    @property
    def sparse_keys(self) -> Mapping[str, SparseKey]:
        """Keys with a sparse vector index, in the order of the schema."""
        return self._sparse_keys

    def is_bm25(self, key: str) -> bool:
        """Tell whether sparse queries on a key are weighted by inverse document frequency, declared key or not."""
        return bool(self._index(key, "sparse_vector_index")["config"].get("bm25"))

    def has_key(self, key: str) -> bool:
        """Tell whether the schema has an entry of its own for a key."""
        return key in self._keys or key in _BUILT_IN["keys"]

    def function_of(self, key: str) -> Any | None:
        """Return the embedding function of a key: of its sparse index if that is on, else of its dense one.

        Built at most once. None when there is none, or when it cannot be rebuilt.

        Warns:
            UserWarning: it cannot be rebuilt.
        """
        if key not in self._functions:
            self._functions[key] = self._build_function(key)
        return self._functions[key]

    @property
    def _keys(self) -> Mapping[str, Any]:
        keys: Mapping[str, Any] = self._form.get("keys") or {}
        return keys

    def _index(self, key: str, index: IndexName) -> Mapping[str, Any]:
        """Return `{"enabled", "config"}` of an index for a key."""
        value_type = SLOTS[index].value_type
        for place in (
            self._keys.get(key),
            _BUILT_IN["keys"].get(key),
            self._form.get("defaults"),
            _BUILT_IN["defaults"],
        ):
            found = ((place or {}).get(value_type) or {}).get(index)
            if found is not None:
                return found
        raise AssertionError(index)  # the built-in defaults name every index

    def _find_sparse_keys(self) -> Iterator[SparseKey]:
        for key in self._keys:
            index = self._index(key, "sparse_vector_index")
            if index["enabled"]:
                config = index["config"]
                function = config.get("embedding_function") or {}
                yield SparseKey(
                    key=key,
                    source_key=config.get("source_key"),
                    bm25=bool(config.get("bm25")),
                    has_function=function.get("type") == "known",
                )

    def _build_function(self, key: str) -> Any | None:
        if key in self._sparse_keys:
            form = self._index(key, "sparse_vector_index")["config"].get("embedding_function")
            return sparse_embedding_function_from_config(form)
        dense = self._index(key, "vector_index")
        return embedding_function_from_config(dense["config"].get("embedding_function")) if dense["enabled"] else None


def functions_of(schema: Schema) -> dict[str, Any]:
    """Return the embedding functions that a schema holds as objects, per key with an index that is on."""
    found: dict[str, Any] = {}
    for key, value_types in schema.keys.items():
        for name in ("vector_index", "sparse_vector_index"):
            index = get_index(value_types, SLOTS[name])
            if index is not None and index.enabled and index.config.embedding_function is not None:
                found[key] = index.config.embedding_function
    return found
