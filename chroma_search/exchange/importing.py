"""Move in: a Parquet or JSONL file becomes records of a collection.

An export of ours becomes a collection alike: same records in the same order, same configuration, schema and metadata.
Files of others need a column of ids, and vectors or documents to embed; docs/exchange.md says what becomes of the rest.

A file is read once, in batches; each batch is one write. When a record is wrong, the error names file and line or row,
and a collection that was made for the import is gone again. Mode `create` is all or nothing, also for other processes
and after a kill: the collection gets its name when it is complete (`unfinished.py`). In a collection that was there
before, earlier batches stay, and the message says how many records they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from chroma_search.client.embedded import EmbeddedClient
from chroma_search.errors import (
    ConflictError,
    DimensionMismatchError,
    DuplicateIDError,
    InvalidInputError,
    NotFoundError,
)
from chroma_search.exchange.alike import create_alike
from chroma_search.exchange.exporting import FileFormat, Progress, file_format
from chroma_search.exchange.jsonl import JsonlSource
from chroma_search.exchange.record_source import RecordSource, SourceBatch, at_place
from chroma_search.exchange.unfinished import discard, drop_left_over, temporary_name
from chroma_search.front.collection import Collection
from chroma_search.front.inputs import read_records
from chroma_search.schema.names import validate_collection_name
from chroma_search.storage.failpoint import reach

ImportMode = Literal["create", "add", "upsert"]
MODES: tuple[ImportMode, ...] = ("create", "add", "upsert")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import wrote.

    Attributes:
        collection: name of the collection.
        path: the file.
        format: `parquet` or `jsonl`.
        n_records: records of the file.
        n_written: records added or changed.
        n_skipped: records whose id was there before, in mode `add`.
        is_new: whether the collection was made for them.
        dimension: of the vectors of the collection, None where it has none.
    """

    collection: str
    path: str
    format: FileFormat
    n_records: int
    n_written: int
    n_skipped: int
    is_new: bool
    dimension: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        skipped = f", skipped {self.n_skipped:,} that were there" if self.n_skipped else ""
        new = "new collection" if self.is_new else "collection"
        return f"imported {self.n_written:,} records of {self.path} into the {new} {self.collection}{skipped}"


def import_collection(
    client: EmbeddedClient,
    name: str,
    source: str | os.PathLike[str],
    *,
    format: FileFormat | None = None,
    mode: ImportMode = "create",
    columns: Mapping[str, str | None] | None = None,
    configuration: Mapping[str, Any] | None = None,
    embedding_function: Any | None = None,
    batch_rows: int | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read the records of a file into a collection.

    Args:
        client: where the collection is, or shall be.
        name: of the collection.
        source: the file.
        format: `parquet` or `jsonl`; None goes by the suffix of the file.
        mode: `create` makes the collection, which appears under its name when it is complete; `add` and `upsert` write
            as the methods of these names, batch by batch, into one that may exist.
        columns: where the file has other names: role (`id document embedding uri metadata`) -> column, None for a role
            that no column has.
        configuration: of a new collection, instead of what the file says.
        embedding_function: of the collection, instead of the file's; embeds documents that come without vectors.
        batch_rows: records per write; None chooses.
        progress: called with records written and, where known, records of the file.

    Raises:
        InvalidInputError: the file cannot be read, or a record of it is not valid; the place is named.
        ConflictError: mode `create`, and the collection exists. NotFoundError: the client's database was deleted.
        FormatVersionError: an export of a newer version of this package.
        StorageError: the disk is full or fails.
    """
    path = Path(source)
    _check_regular(path)
    if mode not in MODES:
        raise InvalidInputError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    chosen = file_format(path, format)
    opened = _opened(path, chosen, columns, batch_rows, is_counted=progress is not None)
    collection, is_new = _target(client, name, mode, opened, configuration, embedding_function)
    work = _Import(opened, collection, mode, progress)
    try:
        work.run()
        reach("import.before_finish")
        if mode == "create":
            collection.modify(name=name)
        reach("import.after_finish")
    except BaseException as error:
        if is_new:
            discard(client, collection)
        elif isinstance(error, InvalidInputError) and work.n_records:
            error.args = (f"{error} ({work.n_records:,} records before it were imported)", *error.args[1:])
        raise
    n_written = work.n_records - work.n_skipped
    return ImportReport(name, str(path), chosen, work.n_records, n_written, work.n_skipped, is_new, work.dimension)


def _check_regular(path: Path) -> None:
    """Refuse what gives its bytes only once: a file is opened again after the first look at it."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InvalidInputError(
            f"{path} is no file but a pipe or a device: write its content to a file, and import that"
        )


def _opened(
    path: Path,
    chosen: FileFormat,
    columns: Mapping[str, str | None] | None,
    batch_rows: int | None,
    *,
    is_counted: bool,
) -> RecordSource:
    if chosen == "jsonl":
        return JsonlSource(path, columns, batch_rows, is_counted=is_counted)
    from chroma_search.exchange.parquet import ParquetSource  # loads pyarrow, 0.1 s

    return ParquetSource(path, columns, batch_rows)


def _target(
    client: EmbeddedClient,
    name: str,
    mode: ImportMode,
    source: RecordSource,
    configuration: Mapping[str, Any] | None,
    function: Any | None,
) -> tuple[Collection, bool]:
    """Return the collection to write to, and whether it was made here."""
    with suppress(NotFoundError):
        if mode != "create":
            given = {} if function is None else {"embedding_function": function}
            return client.get_collection(name, **given), False
        client.get_collection(name, embedding_function=None)
        raise ConflictError(
            f"Collection [{name}] already exists: give another name, or import with mode 'add' or 'upsert'",
            kind="collection",
            name=name,
        )
    made = name
    if mode == "create":
        validate_collection_name(name)
        made = temporary_name(name)
        drop_left_over(client, made)
    reach("import.before_collection")
    return create_alike(client, made, source.facts, configuration, function), True


class _Import:
    """One import: writes batches, and counts.

    Args:
        source: the file.
        collection: where the records go.
        mode: what happens to ids that are there.
        progress: as `import_collection`.
    """

    def __init__(
        self, source: RecordSource, collection: Collection, mode: ImportMode, progress: Progress | None
    ) -> None:
        self._source = source
        self._collection = collection
        self._mode = mode
        self._progress = progress
        self._seen: set[str] = set()
        self.n_records = 0
        self.n_skipped = 0
        self.dimension: int | None = collection.stats()["dimension"]

    def run(self) -> None:
        """Import all batches."""
        self._tell()
        for batch in self._source.batches():
            self._check_ids(batch)
            for part in _runs(batch):
                self._write(part)
                self.n_records += len(part.ids)
            reach("import.after_batch")
            self._tell()
        self.dimension = self._collection.stats()["dimension"]

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.n_records, self._source.total)

    def _check_ids(self, batch: SourceBatch) -> None:
        """Refuse an id that stands in the file twice: the second record would vanish, or replace the first."""
        for place, id_ in zip(batch.places, batch.ids, strict=True):
            if id_ in self._seen:
                raise DuplicateIDError(
                    f"{at_place(self._source, place)}: the id {id_[:80]!r} stands in the file twice", ids=(id_[:80],)
                )
            self._seen.add(id_)

    def _write(self, batch: SourceBatch) -> None:
        if self._mode == "add":
            self.n_skipped += len(self._collection.get(ids=batch.ids, include=[])["ids"])
        write = self._collection.upsert if self._mode == "upsert" else self._collection.add
        if batch.vectors is None:
            self._check_documents(batch)
        else:
            self._check_dimensions(batch)
        try:
            write(
                ids=batch.ids,
                embeddings=batch.vectors,
                documents=_column(batch.documents),
                metadatas=_column(batch.metadatas),
                uris=_column(batch.uris),
            )
        except InvalidInputError as error:
            self._blame(batch)
            first, last = batch.places[0], batch.places[-1]
            unit = self._source.unit
            raise InvalidInputError(f"{self._source.path}, {unit}s {first} to {last}: {error}") from error

    def _check_documents(self, batch: SourceBatch) -> None:
        for place, document in zip(batch.places, batch.documents, strict=True):
            if document is None:
                raise InvalidInputError(
                    f"{at_place(self._source, place)}: the record has neither an embedding nor a document to embed"
                )

    def _check_dimensions(self, batch: SourceBatch) -> None:
        for place, vector in zip(batch.places, batch.vectors, strict=True):
            if self.dimension is None:
                self.dimension = len(vector)
            if len(vector) != self.dimension:
                raise DimensionMismatchError(
                    f"{at_place(self._source, place)}: the embedding has dimension {len(vector)}, "
                    f"the collection's is {self.dimension}",
                    expected=self.dimension,
                    got=len(vector),
                )

    def _blame(self, batch: SourceBatch) -> None:
        """Look at the records one by one and raise for the first that cannot be stored."""
        for at, place in enumerate(batch.places):
            vector = None if batch.vectors is None else [batch.vectors[at]]
            try:
                read_records(
                    [batch.ids[at]],
                    vector,
                    [batch.metadatas[at]],
                    [batch.documents[at]],
                    None,
                    [batch.uris[at]],
                    keep_none=False,
                )
            except InvalidInputError as error:
                said = str(error).replace(" at position 0", "").replace(" of embedding 0", "")
                raise InvalidInputError(f"{at_place(self._source, place)}: {said}") from error


def _column(values: list[Any]) -> list[Any] | None:
    """Return a column as a write takes it: None when no record has anything in it."""
    return values if any(value is not None for value in values) else None


def _runs(batch: SourceBatch) -> Iterator[SourceBatch]:
    """Split a batch where records with a vector and records without follow each other: a write has all or none."""
    if batch.vectors is None or all(vector is not None for vector in batch.vectors):
        yield batch
        return
    first = 0
    for has_none, run in groupby(batch.vectors, key=lambda vector: vector is None):
        last = first + len(list(run))
        yield SourceBatch(
            places=batch.places[first:last],
            ids=batch.ids[first:last],
            vectors=None if has_none else batch.vectors[first:last],
            documents=batch.documents[first:last],
            metadatas=batch.metadatas[first:last],
            uris=batch.uris[first:last],
        )
        first = last
