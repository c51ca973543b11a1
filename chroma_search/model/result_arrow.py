"""The records of a search as an Arrow table, and from there as a pandas or polars frame.

Metadata has no schema: a field is one Arrow type when all its values have one (ints and floats together are floats if
no int is lost by it), else a column of JSON text. Missing values are nulls. Importing this module loads pyarrow.

Not for: storage; segments have their own columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from chroma_search.errors import UnsupportedError
from chroma_search.model.sparse_vector import SparseVector

if TYPE_CHECKING:
    import pandas
    import polars

RESERVED = ("search", "id", "score", "document", "embedding")
"""Names that a metadata field of the same name gives way to."""

_SCALARS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_SPARSE = pa.struct({"indices": pa.list_(pa.int64()), "values": pa.list_(pa.float64())})


def arrow_table(searches: Sequence[tuple[list[Any], ...]]) -> Any:
    """Return one table of all records.

    Args:
        searches: per search five lists of equal length: ids, scores, documents, embeddings, metadatas.
    """
    ids, scores, documents, embeddings, metadatas = (
        list(chain.from_iterable(search[at] for search in searches)) for at in range(5)
    )
    columns: dict[str, Any] = {}
    if len(searches) != 1:
        lengths = [len(search[0]) for search in searches]
        columns["search"] = pa.array(np.repeat(np.arange(len(searches), dtype=np.int64), lengths))
    columns["id"] = pa.array(ids, pa.string())
    for name, values, kind in (("score", scores, pa.float64()), ("document", documents, pa.string())):
        if any(value is not None for value in values):
            columns[name] = pa.array(values, kind)
    if any(value is not None for value in embeddings):
        columns["embedding"] = pa.array(
            [None if value is None else np.asarray(value, np.float32) for value in embeddings], pa.list_(pa.float32())
        )
    for field in _fields(metadatas):
        name = field
        while name in columns or name in RESERVED:
            name = f"metadata.{name}"
        columns[name] = _metadata_column([None if each is None else each.get(field) for each in metadatas])
    return pa.table(columns)


def pandas_frame(table: Any) -> pandas.DataFrame:
    """Return a DataFrame; int and bool columns have pandas' nullable types, so that a missing value changes none."""
    pandas = _installed("pandas")
    nullable = {pa.int64(): pandas.Int64Dtype(), pa.bool_(): pandas.BooleanDtype()}
    return table.to_pandas(types_mapper=nullable.get)


def polars_frame(table: Any) -> polars.DataFrame:
    """Return a polars DataFrame."""
    return _installed("polars").from_arrow(table)


def _installed(package: str) -> Any:
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError as error:
        raise UnsupportedError(
            f"to_{package}() needs {package}, which is not installed: pip install {package}, or use to_arrow()",
            feature=f"to_{package}()",
            why=f"{package} is not installed",
            instead="to_arrow()",
        ) from error


def _fields(metadatas: Iterable[dict[str, Any] | None]) -> list[str]:
    """Return the names of all fields, in the order in which they are first met."""
    return list(dict.fromkeys(chain.from_iterable(each for each in metadatas if each is not None)))


def _metadata_column(values: list[Any]) -> Any:
    """Return one field of all records as an array of one type."""
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if kinds == {list}:
        elements = {type(element) for value in present for element in value}
        kind = _scalar_type(elements, list(chain.from_iterable(present)))
        return pa.array(values, pa.list_(kind)) if kind is not None else _as_json(values)
    if kinds == {SparseVector}:
        return pa.array(
            [None if each is None else {"indices": each.indices, "values": each.values} for each in values], _SPARSE
        )
    kind = _scalar_type(kinds, present)
    return pa.array(values, kind) if kind is not None else _as_json(values)


def _scalar_type(kinds: set[Any], values: list[Any]) -> Any:
    """Return the Arrow type that holds all values unchanged, or None."""
    if len(kinds) == 1:
        return _SCALARS.get(next(iter(kinds)))
    if kinds == {int, float} and all(float(value) == value for value in values):
        return pa.float64()
    return None


def _as_json(values: list[Any]) -> Any:
    return pa.array([None if value is None else json.dumps(value, default=_plain) for value in values], pa.string())


def _plain(value: Any) -> Any:
    if isinstance(value, SparseVector):
        return value.to_dict()
    raise TypeError(f"{type(value).__name__} in metadata")
