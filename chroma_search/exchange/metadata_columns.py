"""Metadata of many records as typed columns, and back: what Parquet holds, what DuckDB, polars and pandas work with.

A field whose values all have one type is a column of that type under the field's name. Everything else - fields of
several types, sparse vectors with int values, fields beyond the `MAX_COLUMNS` most frequent - goes into one column of
JSON objects, `#metadata`, a name that no field can have. So each value comes back as it was: 1 as an int, 1.0 as a
float, true as a bool. Names that mean something else in such a file get the prefix `metadata.`; reading takes it off.

Reading also takes what others write: any Arrow type that has a meaning as metadata (the table in docs/exchange.md).

Importing this module loads pyarrow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import compute as _compute

from chroma_search.errors import InvalidInputError
from chroma_search.model.sparse_vector import TYPE_KEY, SparseVector

_pc: Any = _compute  # its functions are made when it is imported; type checkers see none of them

MAX_COLUMNS = 500
"""Fields that get a column of their own; a file of thousands of columns, mostly null, is slow in every program."""

RECORD_COLUMNS = ("id", "document", "embedding", "uri")
METADATA = "metadata"
JSON_COLUMN = "#metadata"
PREFIX = "metadata."
INDEX_PREFIX = "__index_level_"
"""What pandas names the column in which it keeps an index without a name."""

_SPARSE = pa.struct(
    {"indices": pa.list_(pa.int64()), "values": pa.list_(pa.float64()), "labels": pa.list_(pa.string())}
)
_SCALARS: dict[type, Any] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_SPARSE_FIELDS = {"indices", "values", "labels", "tokens", TYPE_KEY}


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """A metadata field with a column of its own.

    Attributes:
        key: the field.
        name: the column.
        kind: its Arrow type.
    """

    key: str
    name: str
    kind: Any


def plan_columns(metadatas: Iterable[Mapping[str, Any] | None]) -> list[FieldColumn]:
    """Return the columns for these records, in the order in which the fields first come up."""
    kinds: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for metadata in metadatas:
        for key, value in metadata.items() if metadata else ():
            kind = _kind_of(value)
            if kinds.setdefault(key, kind) != kind:
                kinds[key] = None
            counts[key] = counts.get(key, 0) + 1
    typed = [key for key, kind in kinds.items() if kind is not None]
    chosen = set(sorted(typed, key=lambda key: -counts[key])[:MAX_COLUMNS])
    return [FieldColumn(key, column_name(key), kinds[key]) for key in typed if key in chosen]


def encode_metadatas(
    columns: Sequence[FieldColumn], metadatas: Sequence[Mapping[str, Any] | None]
) -> tuple[list[Any], Any]:
    """Return the arrays of the columns, and that of `JSON_COLUMN` with the fields that have none."""
    held = [metadata or {} for metadata in metadatas]
    arrays = [pa.array([_plain(each.get(column.key)) for each in held], column.kind) for column in columns]
    in_columns = {column.key for column in columns}
    others = [{key: value for key, value in each.items() if key not in in_columns} for each in held]
    return arrays, pa.array([to_json(each) if each else None for each in others], pa.string())


def to_json(metadata: Mapping[str, Any]) -> str:
    """Return metadata as a JSON object; sparse vectors in their tagged form."""
    return json.dumps(metadata, ensure_ascii=False, allow_nan=False, default=_wire_form)


def column_name(key: str) -> str:
    """Return the column of a field."""
    taken = key in RECORD_COLUMNS or key in (METADATA, JSON_COLUMN) or key.startswith((PREFIX, INDEX_PREFIX))
    return PREFIX + key if taken else key


def field_name(column: str) -> str:
    """Return the field of a column."""
    return column.removeprefix(PREFIX)


def check_objects(column: str, kind: Any) -> None:
    """Refuse a column that is to hold the metadata of each record as a whole, and cannot.

    Raises:
        InvalidInputError: names the column and what to do.
    """
    if not (_is_text(kind) or pa.types.is_struct(kind) or pa.types.is_map(kind) or pa.types.is_null(kind)):
        raise InvalidInputError(
            f"column {column!r} holds {kind}, expected a struct, a map, or texts with a JSON object each: rename it, "
            "or name another one with columns={'metadata': ...}"
        )


def check_field(column: str, kind: Any) -> None:
    """Refuse a column whose type has no meaning as a metadata field.

    Raises:
        InvalidInputError: names the column and what to do.
    """
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_list = pa.types.is_list(value) or pa.types.is_large_list(value) or pa.types.is_fixed_size_list(value)
    element = value.value_type if is_list else value
    if (_is_scalar(element) and not (is_list and pa.types.is_temporal(element))) or (not is_list and _is_sparse(value)):
        return
    raise InvalidInputError(
        f"column {column!r} holds {kind}, which metadata cannot: cast it to a number, a bool, a text or a list of one "
        "of them, or leave the column out of the file"
    )


def decode_objects(array: Any) -> list[dict[str, Any] | None]:
    """Return the metadata of each record of a column that `check_objects` let pass.

    Raises:
        ValueError: args are (position in the array, what is wrong there).
    """
    return [_object(at, value) for at, value in enumerate(array.to_pylist())]


def decode_column(array: Any) -> list[Any]:
    """Return the values of a column that `check_field` let pass, None where there is none.

    Dates and times become ISO 8601 texts, whose order is that of time; decimals become floats. NaN and empty lists,
    which metadata cannot hold, count as missing.

    Raises:
        ValueError: args are (position in the array, what is wrong there).
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_struct(kind):
        return [None if each is None else sparse_of(at, each) for at, each in enumerate(array.to_pylist())]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        array = array.cast(pa.large_list(_plain_type(kind.value_type)))
    else:
        array = _as_plain(array)
    return [present(value) for value in array.to_pylist()]


def present(value: Any) -> Any:
    """Return a metadata value of a foreign file, None where it says that there is none: NaN, an empty list."""
    if isinstance(value, float) and value != value:
        return None
    return None if isinstance(value, list) and not value else value


def sparse_of(at: int, form: Mapping[str, Any]) -> SparseVector:
    """Return the sparse vector of a struct.

    Raises:
        ValueError: args are (at, what is wrong).
    """
    try:
        labels = form.get("labels", form.get("tokens"))
        return SparseVector(form["indices"], form["values"], labels)
    except (InvalidInputError, KeyError) as error:
        raise ValueError(at, f"no sparse vector: {error}") from error


def _kind_of(value: Any) -> Any | None:
    """Return the Arrow type that gives the value back exactly, None where only JSON does."""
    if isinstance(value, list):
        element = _SCALARS.get(type(value[0])) if value else None
        return None if element is None else pa.list_(element)
    if isinstance(value, SparseVector):
        return _SPARSE if all(type(each) is float for each in value.values) else None
    return _SCALARS.get(type(value))


def _plain(value: Any) -> Any:
    if isinstance(value, SparseVector):
        return {"indices": value.indices, "values": value.values, "labels": value.labels}
    return value


def _wire_form(value: object) -> Any:
    if isinstance(value, SparseVector):
        return value.to_dict()
    raise TypeError(f"{type(value).__name__} in metadata")


def _object(at: int, value: Any) -> dict[str, Any] | None:
    """Return a struct, map or JSON text as a dict."""
    found: Any = value
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(at, "no JSON object") from None
    elif isinstance(value, list):  # a map comes as pairs
        found = dict(value)
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ValueError(at, f"expected a JSON object, got {type(found).__name__}")
    held: dict[str, Any] = found
    for key, each in held.items():
        if isinstance(each, dict) and {"indices", "values"} <= set(each) <= _SPARSE_FIELDS:
            held[key] = sparse_of(at, each)
    return held


def _as_plain(array: Any) -> Any:
    kind = array.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return _pc.strftime(array, format="%Y-%m-%dT%H:%M:%S")
        return _pc.strftime(array.cast(pa.timestamp(kind.unit, "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
    return array.cast(_plain_type(kind))


def _plain_type(kind: Any) -> Any:
    if pa.types.is_temporal(kind):
        return pa.string()
    return pa.float64() if pa.types.is_decimal(kind) else kind


def _is_scalar(kind: Any) -> bool:
    types = pa.types
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    is_time = types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind)
    return is_number or is_time or types.is_boolean(kind) or types.is_null(kind) or _is_text(kind)


def _is_text(kind: Any) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_sparse(kind: Any) -> bool:
    if not pa.types.is_struct(kind):
        return False
    names = {kind.field(at).name for at in range(kind.num_fields)}
    return {"indices", "values"} <= names <= _SPARSE_FIELDS
