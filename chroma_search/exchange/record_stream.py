"""What is exported: the records of one snapshot in batches, and the facts of their collection.

The snapshot is taken once and held, so an export is one state of the collection from its first record to its last,
whatever is written meanwhile; a batch is read when it is asked for, so memory is bounded by a batch and not by the
collection. Records come in the order in which they were added.

Not for: any file format. Invariant: nothing here changes a collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.client.engine_backend import engine_backend
from chroma_search.errors import FormatVersionError, InvalidInputError, WrongTypeError
from chroma_search.front.argument_types import WhereFilter
from chroma_search.front.collection import Collection
from chroma_search.front.filters import read_filter
from chroma_search.planner.matching import Matching

FACTS_KEY = "chroma_search"
"""Where a file keeps the facts: key of Parquet's key-value metadata, only field of the first line of JSONL."""
FORMAT_VERSION = 1

BATCH_ROWS = 5_000
"""Records per batch, fewer where vectors are long; a batch is a row group of Parquet, and one write of an import."""
BATCH_BYTES = 64 << 20
"""Bytes of vectors per batch, at most (a batch has at least one record)."""


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """What it takes to make a collection alike.

    Attributes:
        name: its name.
        configuration: index, distance and embedding function, as `configuration_json`.
        metadata: of the collection itself, or None.
        schema: JSON form of its schema, or None where it has the default one.
        dimension: of its vectors, None before the first record.
    """

    name: str
    configuration: Mapping[str, Any]
    metadata: Mapping[str, Any] | None = None
    schema: Mapping[str, Any] | None = None
    dimension: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON, with the version of the format."""
        return {
            "format": FORMAT_VERSION,
            "name": self.name,
            "dimension": self.dimension,
            "configuration": dict(self.configuration),
            "metadata": None if self.metadata is None else dict(self.metadata),
            "schema": None if self.schema is None else dict(self.schema),
        }

    @classmethod
    def from_dict(cls, form: Any, where: str) -> CollectionFacts:
        """Read what `to_dict` gave; `where` names the place for errors.

        Raises:
            FormatVersionError: a newer version of the format.
            InvalidInputError: not such a form.
        """
        version = form.get("format") if isinstance(form, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise FormatVersionError(
                f"{where} is of export format {version}, this program reads format {FORMAT_VERSION}: "
                "import it with the version of chroma_search that wrote it, or a newer one",
                found=version,
                supported=(1, FORMAT_VERSION),
            )
        try:
            facts = cls(form["name"], form["configuration"], form["metadata"], form["schema"], form["dimension"])
        except (TypeError, KeyError) as error:
            raise _damaged(where) from error
        parts = (facts.configuration, facts.metadata, facts.schema)
        is_number = type(facts.dimension) is int and facts.dimension > 0
        if (
            version != FORMAT_VERSION
            or not all(part is None or isinstance(part, dict) for part in parts)
            or not (facts.dimension is None or is_number)
        ):
            raise _damaged(where)
        return facts


@dataclass(frozen=True, slots=True, eq=False)
class RecordBatch:
    """Some records, column by column.

    Attributes:
        ids: one per record.
        vectors: float32, shape (n, dim).
        documents, metadatas, uris: one entry per record, None where it has none. Not to be changed.
    """

    ids: list[str]
    vectors: NDArray[np.float32]
    documents: list[str | None]
    metadatas: list[dict[str, Any] | None]
    uris: list[str | None]


class RecordStream:
    """The records of a collection as they are now.

    Args:
        collection: of a client of this process.
        where: which records; None for all.
        batch_rows: records per batch, from 1; None chooses.

    Raises:
        WrongTypeError: no such collection. InvalidInputError: a filter or number that is not valid.
        NotFoundError: the collection was deleted.
    """

    def __init__(self, collection: Collection, where: WhereFilter | None = None, batch_rows: int | None = None) -> None:
        if not isinstance(collection, Collection):
            raise WrongTypeError(f"expected a collection of a client of chroma_search, got {type(collection).__name__}")
        collection.get(where=where, limit=0, include=[])  # refuses a wrong filter, and a collection that is gone
        # The methods of a collection take a new snapshot with each call; an export must not.
        engine = engine_backend(collection).engine
        snapshot = engine.snapshot
        self.facts = CollectionFacts(
            name=engine.name,
            configuration=engine.config.to_json(),
            metadata=engine.metadata,
            schema=engine.schema_form,
            dimension=snapshot.dimension,
        )
        self._run = Matching(snapshot.segments)
        self._offset_ids = self._run.passing(read_filter(where, None))
        self._batch_rows = batch_size(batch_rows, snapshot.dimension)

    def __len__(self) -> int:
        return len(self._offset_ids)

    def batches(self) -> Iterator[RecordBatch]:
        """Give all records, in the order in which they were added.

        Raises:
            CorruptionError: a file of the collection is damaged.
        """
        for offset_ids in self._slices():
            places = self._run.locate(offset_ids)
            yield RecordBatch(
                ids=places.ids(),
                vectors=places.embeddings(self.facts.dimension or 0),
                documents=places.documents(),
                metadatas=places.metadatas(),
                uris=places.uris(),
            )

    def metadatas(self) -> Iterator[dict[str, Any] | None]:
        """Give the metadata of all records alone: what a format needs that must know the fields beforehand."""
        for offset_ids in self._slices():
            yield from self._run.locate(offset_ids).metadatas()

    def _slices(self) -> Iterator[NDArray[np.int64]]:
        for start in range(0, len(self._offset_ids), self._batch_rows):
            yield self._offset_ids[start : start + self._batch_rows]


def _damaged(where: str) -> InvalidInputError:
    return InvalidInputError(
        f"{where}: what it says of its collection under {FACTS_KEY!r} is damaged: remove it to import the records alone"
    )


def batch_size(asked: int | None, dimension: int | None) -> int:
    """Return how many records a batch has.

    Raises:
        InvalidInputError: `asked` is no int from 1.
    """
    if asked is None:
        return max(1, min(BATCH_ROWS, BATCH_BYTES // (4 * max(dimension or 1, 1))))
    if not isinstance(asked, int) or isinstance(asked, bool) or asked < 1:
        raise InvalidInputError(f"batch_rows must be an int from 1, got {asked!r}: leave it out to let it be chosen")
    return asked
