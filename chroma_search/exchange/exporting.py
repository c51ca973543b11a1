"""Move out: a collection as one Parquet or JSONL file.

The file is one state of the collection and appears whole or not at all. What it holds: docs/exchange.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from chroma_search.errors import InvalidInputError
from chroma_search.exchange.record_stream import RecordStream
from chroma_search.exchange.whole_file import whole_file
from chroma_search.front.argument_types import WhereFilter
from chroma_search.front.collection import Collection

FileFormat = Literal["parquet", "jsonl"]
Progress = Callable[[int, "int | None"], None]
"""Called now and then with the number of records done, and of all (None while that is not known)."""

FORMATS: tuple[FileFormat, ...] = ("parquet", "jsonl")
SUFFIXES: dict[str, FileFormat] = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        collection: name of the collection.
        path: the file.
        format: `parquet` or `jsonl`.
        n_records: records in it.
        dimension: of their vectors, None where there are none.
        n_bytes: size of the file.
    """

    collection: str
    path: str
    format: FileFormat
    n_records: int
    dimension: int | None
    n_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"exported {self.n_records:,} records of {self.collection} to {self.path} ({self.n_bytes:,} bytes)"


def export_collection(
    collection: Collection,
    to: str | os.PathLike[str],
    *,
    format: FileFormat | None = None,
    where: WhereFilter | None = None,
    overwrite: bool = False,
    batch_rows: int | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write the records of a collection to a file, in the order in which they were added.

    What is written meanwhile, here or by other processes, is not in the file. Memory is bounded by a batch.

    Args:
        collection: of a client of this process.
        to: the file, in a folder that exists.
        format: `parquet` or `jsonl`; None goes by the suffix of the file.
        where: only the records that pass this filter.
        overwrite: replace a file that is there.
        batch_rows: records per batch and, in Parquet, per row group; None chooses.
        progress: called with records written and records to write.

    Raises:
        InvalidInputError: an unknown format or suffix, a filter that is not valid.
        ConflictError: the file exists. NotFoundError: the collection was deleted.
        StorageError: the file cannot be written; nothing is left of it.

    >>> import os, tempfile
    >>> from chroma_search import EphemeralClient
    >>> collection = EphemeralClient().create_collection("docs", embedding_function=None)
    >>> collection.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], metadatas=[{"year": 2024}, None])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = export_collection(collection, os.path.join(folder, "docs.jsonl"))
    >>> report.n_records, report.format, report.dimension
    (2, 'jsonl', 2)
    """
    path = Path(to)
    chosen = file_format(path, format)
    stream = RecordStream(collection, where, batch_rows)

    def wrote(n_records: int) -> None:
        if progress is not None:
            progress(n_records, len(stream))

    wrote(0)
    with whole_file(path, overwrite=overwrite) as file:
        if chosen == "parquet":
            from chroma_search.exchange.parquet import write_parquet  # loads pyarrow, 0.1 s

            write_parquet(stream, file, wrote)
        else:
            from chroma_search.exchange.jsonl import write_jsonl

            write_jsonl(stream, file, wrote)
        n_bytes = file.tell()
    return ExportReport(stream.facts.name, str(path), chosen, len(stream), stream.facts.dimension, n_bytes)


def file_format(path: Path, asked: str | None) -> FileFormat:
    """Return the format of a file.

    Raises:
        InvalidInputError: an unknown format, or none was asked for and the suffix says none.
    """
    if asked is None:
        found = SUFFIXES.get(path.suffix.lower())
        if found is None:
            raise InvalidInputError(
                f"the name of {path} does not tell the format: end it in {', '.join(SUFFIXES)}, or say format="
            )
        return found
    for known in FORMATS:
        if asked == known:
            return known
    raise InvalidInputError(f"format must be one of {', '.join(FORMATS)}, got {asked!r}")
