"""Types whose schema in the OpenAPI document says more than their model checks.

What a name, a key or a filter may be is checked where it is read, with the status and the words of upstream. Whoever
makes requests from the document should know it before, so it is written here as far as JSON Schema can. Invariant:
what a schema here forbids is always refused; not all that it allows is accepted.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import WithJsonSchema

from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY
from chroma_search.schema.names import MAX_NAME_LENGTH, MIN_NAME_LENGTH

JsonSchema = dict[str, Any]

_END = "[a-zA-Z0-9]"
_PART = f"{_END}[a-zA-Z0-9._-]{{{MIN_NAME_LENGTH - 2},{MAX_NAME_LENGTH - 2}}}{_END}"

Name = Annotated[str, WithJsonSchema({"type": "string", "pattern": rf"^{_PART}(\+{_PART})?$"})]
"""Name of a collection or a database."""
TenantName = Annotated[str, WithJsonSchema({"type": "string", "minLength": MIN_NAME_LENGTH})]
RecordId = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1})]
Uuid = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]

_SCALARS: list[JsonSchema] = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
_LISTS: list[JsonSchema] = [{"type": "array", "items": scalar} for scalar in _SCALARS]
_FILLED_LISTS: list[JsonSchema] = [{**each, "minItems": 1} for each in _LISTS]
_SPARSE: JsonSchema = {
    "type": "object",
    "properties": {
        TYPE_KEY: {"const": SPARSE_VECTOR_TYPE_VALUE},
        "indices": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "values": {"type": "array", "items": {"type": "number"}},
        "tokens": {"type": ["array", "null"], "items": {"type": "string"}},
    },
    "required": [TYPE_KEY, "indices", "values"],
}
_NULL: JsonSchema = {"type": "null"}


def _metadata(values: list[JsonSchema], **more: Any) -> JsonSchema:
    return {
        "type": "object",
        "propertyNames": {"pattern": "^[^#$]"},
        "additionalProperties": {"anyOf": values},
        **more,
    }


CollectionMetadata = Annotated[dict[str, Any], WithJsonSchema(_metadata([*_SCALARS, *_FILLED_LISTS], minProperties=1))]
"""Metadata of a collection, as it is made and shown."""
CollectionMetadataUpdate = Annotated[
    dict[str, Any], WithJsonSchema(_metadata([*_SCALARS, *_FILLED_LISTS, _NULL], minProperties=1))
]
"""Metadata that takes the place of a collection's; a key that is null is left out."""
Metadata = Annotated[dict[str, Any], WithJsonSchema(_metadata([*_SCALARS, *_LISTS, _SPARSE]))]
"""Metadata of a record, as it is shown."""
MetadataChange = Annotated[dict[str, Any], WithJsonSchema(_metadata([*_SCALARS, *_LISTS, _SPARSE, _NULL]))]
"""Metadata of a record, as it is written; null removes a key, and is refused where nothing can be removed."""
_NUMBERS: JsonSchema = {"type": "array", "items": {"type": "number"}}
_BASE64: JsonSchema = {"type": "string", "contentEncoding": "base64"}
# Not `oneOf`, which a union of two has by itself: no vectors at all are both.
AS_VECTORS = WithJsonSchema({"anyOf": [{"type": "array", "items": each} for each in (_NUMBERS, _BASE64)]})
AS_NULLABLE_VECTORS = WithJsonSchema(
    {"anyOf": [{"type": "array", "items": {"anyOf": [each, _NULL]}} for each in (_NUMBERS, _BASE64)]}
)
"""The schema of vectors, each as numbers or each as base64 of little-endian float32; some may be null."""
Filter = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "minProperties": 1, "maxProperties": 1})]
"""One condition, or `$and` or `$or` of several; empty is no condition but a mistake."""
