"""Collections as Parquet files, and Parquet files of anyone as records.

| column      | type                              | what                                                            |
| ----------- | --------------------------------- | --------------------------------------------------------------- |
| `id`        | string, not null                  | the id                                                          |
| `document`  | string                            | the document                                                    |
| `embedding` | fixed_size_list<float32>[dim]     | the vector (list<float32> while the collection has no dimension) |
| `uri`       | string                            | the URI                                                         |
| a field     | bool, int64, double, string, list | a metadata field whose values all have this type                |
| `#metadata` | string                            | JSON object with the other fields of the record                 |

Rows stand in the order in which the records were added; each row group is a batch. Every page has a checksum. The facts
of the collection are in the key-value metadata under `chroma_search`. pyarrow is loaded with this module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from chroma_search.errors import InvalidInputError
from chroma_search.exchange import metadata_columns as fields
from chroma_search.exchange.record_source import SourceBatch, id_of, roles_of
from chroma_search.exchange.record_stream import (
    FACTS_KEY,
    CollectionFacts,
    RecordBatch,
    RecordStream,
    batch_size,
)
from chroma_search.exchange.vector_column import check_vectors, decode_vectors, encode_vectors, vector_type

COMPRESSION = "zstd"  # DuckDB, polars, pandas and Spark read it


def write_parquet(stream: RecordStream, file: BinaryIO, wrote: Callable[[int], None]) -> None:
    """Write all records of a stream.

    Args:
        stream: the records; they are read twice, the first time for the types of their fields.
        file: open for writing.
        wrote: called with the number of records so far.
    """
    columns = fields.plan_columns(stream.metadatas())
    schema = _schema(stream.facts, columns)
    texts: Any = [name for name in schema.names if name != "embedding"]  # repeating vectors are not worth the search
    n_written = 0
    with pq.ParquetWriter(
        file, schema, compression=COMPRESSION, use_dictionary=texts, write_page_checksum=True
    ) as writer:
        for batch in stream.batches():
            writer.write_table(_table(batch, columns, schema), row_group_size=len(batch.ids))
            n_written += len(batch.ids)
            wrote(n_written)


class ParquetSource:
    """A Parquet file to import from.

    Args:
        path: the file.
        columns: role -> column, for files whose columns have other names.
        batch_rows: records per batch; None chooses.

    Raises:
        InvalidInputError: no Parquet file, no ids in it, or a column of a type that records cannot hold.
        FormatVersionError: an export of a newer version.
    """

    unit = "row"

    def __init__(self, path: Path, columns: Mapping[str, str | None] | None, batch_rows: int | None) -> None:
        self.path = path
        with self._our_errors(), pq.ParquetFile(path) as file:
            self._schema = file.schema_arrow
            self.total: int | None = file.metadata.num_rows
        self.facts = self._facts()
        names = self._schema.names
        if len(set(names)) != len(names):
            raise InvalidInputError(f"{path} has two columns of the same name: rename one")
        self._roles = roles_of(columns, names, path)
        in_roles = {*self._roles.values(), fields.JSON_COLUMN}
        self._fields = [name for name in names if name not in in_roles and not name.startswith(fields.INDEX_PREFIX)]
        held = (self._roles.get("metadata"), fields.JSON_COLUMN)
        self._objects = [name for name in held if name is not None and name in names]
        self._check_types()
        self._batch_rows = batch_size(batch_rows, self._dimension())

    def batches(self) -> Iterator[SourceBatch]:
        """Give the records in the order of the file.

        Raises:
            InvalidInputError: a row that is no record, or a damaged part of the file.
        """
        done = 0
        with self._our_errors(), pq.ParquetFile(self.path, page_checksum_verification=True) as file:
            read = dict.fromkeys((*self._roles.values(), *self._fields, *self._objects))
            parts = file.iter_batches(self._batch_rows, columns=list(read))
            while True:
                part = next(parts, None)
                if part is None:
                    return
                if part.num_rows:
                    yield self._batch(part, done)
                done += part.num_rows

    def _batch(self, part: Any, done: int) -> SourceBatch:
        def column(role: str) -> list[Any]:
            name = self._roles.get(role)
            return (
                [None] * part.num_rows if name is None else self._decoded(fields.decode_column, part.column(name), done)
            )

        vectors = None
        if "embedding" in self._roles:
            vectors = self._decoded(decode_vectors, part.column(self._roles["embedding"]), done)
        ids: list[str] = []
        for at, value in enumerate(column("id")):
            try:
                ids.append(id_of(value))
            except ValueError as error:
                raise self._wrong(done + at, str(error)) from None
        return SourceBatch(
            places=range(done + 1, done + part.num_rows + 1),
            ids=ids,
            vectors=vectors,
            documents=column("document"),
            metadatas=self._metadatas(part, done),
            uris=column("uri"),
        )

    def _metadatas(self, part: Any, done: int) -> list[dict[str, Any] | None]:
        rows: list[dict[str, Any]] = [{} for _ in range(part.num_rows)]
        for name in self._fields:
            values = self._decoded(fields.decode_column, part.column(name), done)
            key = fields.field_name(name)
            self._merge(rows, ((at, key, value) for at, value in enumerate(values)), done)
        for name in self._objects:
            held = self._decoded(fields.decode_objects, part.column(name), done)
            self._merge(rows, ((at, *item) for at, each in enumerate(held) if each for item in each.items()), done)
        return [row or None for row in rows]

    def _merge(self, rows: list[dict[str, Any]], values: Iterable[tuple[int, str, Any]], done: int) -> None:
        """Put (row, field, value) where they belong."""
        for at, key, given in values:
            value = fields.present(given)
            if value is None:
                continue
            if key in rows[at]:
                raise self._wrong(done + at, f"the metadata field {key!r} stands there twice: rename a column")
            rows[at][key] = value

    def _decoded(self, decode: Callable[[Any], Any], array: Any, done: int) -> Any:
        try:
            return decode(array)
        except ValueError as error:
            if len(error.args) != 2:
                raise
            raise self._wrong(done + error.args[0], error.args[1]) from error

    def _facts(self) -> CollectionFacts | None:
        held = (self._schema.metadata or {}).get(FACTS_KEY.encode())
        if held is None:
            return None
        try:
            form = json.loads(held)
        except ValueError:
            form = None
        return CollectionFacts.from_dict(form, str(self.path))

    def _dimension(self) -> int | None:
        kind = self._schema.field(self._roles["embedding"]).type if "embedding" in self._roles else None
        return kind.list_size if kind is not None and pa.types.is_fixed_size_list(kind) else None

    def _check_types(self) -> None:
        with self._named():
            for name in self._fields:
                fields.check_field(name, self._type(name))
            for name in self._objects:
                fields.check_objects(name, self._type(name))
            if "embedding" in self._roles:
                check_vectors(self._roles["embedding"], self._type(self._roles["embedding"]))
            for role in ("document", "uri"):
                if role in self._roles and not _is_text(self._type(self._roles[role])):
                    name = self._roles[role]
                    raise InvalidInputError(
                        f"column {name!r} holds {self._type(name)}, expected the texts of {role}s: name another one "
                        f"with columns={{{role!r}: ...}}, or None for none"
                    )

    def _type(self, name: str) -> Any:
        return self._schema.field(name).type

    def _wrong(self, at: int, what: str) -> InvalidInputError:
        return InvalidInputError(f"{self.path}, {self.unit} {at + 1}: {what}")

    @contextmanager
    def _named(self) -> Generator[None]:
        try:
            yield
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.path}: {error}") from None

    @contextmanager
    def _our_errors(self) -> Generator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise InvalidInputError(f"{self.path} does not exist") from error
            raise InvalidInputError(f"{self.path} cannot be read as Parquet: {_first_line(error)}") from error


def _schema(facts: CollectionFacts, columns: list[fields.FieldColumn]) -> Any:
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("document", pa.string()),
            pa.field("embedding", vector_type(facts.dimension)),
            pa.field("uri", pa.string()),
            *(pa.field(column.name, column.kind) for column in columns),
            pa.field(fields.JSON_COLUMN, pa.string()),
        ],
        metadata={FACTS_KEY: json.dumps(facts.to_dict())},
    )


def _table(batch: RecordBatch, columns: list[fields.FieldColumn], schema: Any) -> Any:
    typed, others = fields.encode_metadatas(columns, batch.metadatas)
    arrays = [
        pa.array(batch.ids, pa.string()),
        pa.array(batch.documents, pa.string()),
        encode_vectors(batch.vectors),
        pa.array(batch.uris, pa.string()),
        *typed,
        others,
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _is_text(kind: Any) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)
    return is_text or pa.types.is_null(kind)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
