"""Writes the records of one Chroma collection, in order, into a collection of ours, and counts what becomes of each.

Invariant: every record that Chroma would show is either stored or in `lost` with its contents and the reason.
Not for: names, places and undoing (`chroma_folder.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.embeddings.apply import embed_documents
from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.errors import InvalidInputError
from chroma_search.exchange.chroma_configuration import Plan
from chroma_search.exchange.chroma_hnsw_files import HnswFiles, is_written, read_hnsw_files
from chroma_search.exchange.chroma_records import RecordReader, SourceRecord
from chroma_search.exchange.chroma_report import CollectionReport, LostRecord, shown_ids
from chroma_search.exchange.chroma_tables import ChromaTables, SourceCollection
from chroma_search.exchange.chroma_vectors import VectorSources
from chroma_search.front.collection import Collection
from chroma_search.storage.failpoint import reach

BATCH_ROWS = 2_000
"""Records per write: 12 MB of vectors at 1,536 dimensions."""

NO_VECTOR = "its vector is neither readable in the index nor in the queue"


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """Where an import is.

    Attributes:
        collection: name of the collection being read.
        n_done, n_total: records read of it, and how many there are.
    """

    collection: str
    n_done: int
    n_total: int


@dataclass(slots=True)
class CollectionImport:
    """The import of one collection.

    Args:
        tables: the database of Chroma.
        folder: the directory it is in.
        source, plan: the collection, and how it is created here.
        embedding_function: makes vectors of documents whose own are lost; None to report those records.
        progress: called after each batch.
    """

    tables: ChromaTables
    folder: Path
    source: SourceCollection
    plan: Plan
    embedding_function: EmbeddingFunction[Any] | None = None
    progress: Callable[[ImportProgress], object] | None = None
    _counts: Counter[str] = field(default_factory=Counter[str])
    _lost: list[LostRecord] = field(default_factory=list[LostRecord])
    _warnings: list[str] = field(default_factory=list[str])
    _doubtful: list[str] = field(default_factory=list[str])
    _dimension: int | None = None

    def run(self, target: Collection, name: str) -> CollectionReport:
        """Write everything into `target`, which is empty and will be called `name`."""
        index = self._index()
        self._dimension = self.source.dimension
        vectors = VectorSources(self.tables, self.source, index)
        records = RecordReader(self.tables, self.source)
        n_total, n_done = records.n_expected(), 0
        for batch in records.batches(BATCH_ROWS):
            n_done += len(batch)
            self._write(target, *self._with_vectors(batch, vectors))
            reach("import.after_batch")
            if self.progress is not None:
                self.progress(ImportProgress(name, n_done, max(n_total, n_done)))
        if self._doubtful:
            some = shown_ids(self._doubtful)
            self._warnings.append(
                f"{len(self._doubtful)} vectors may be out of date, for other writes of their records are gone: {some}"
            )
        dropped = [f"{what} ({n} records)" for what, n in sorted(records.dropped.items())]
        return CollectionReport(
            name=name,
            tenant=target.tenant,
            database=target.database,
            n_records=self._counts["stored"],
            n_from_index=self._counts["index"],
            n_from_queue=self._counts["queue"],
            n_embedded=self._counts["embedded"],
            n_without_length=self._counts["length lost"],
            lost=tuple(self._lost),
            warnings=(*self.plan.warnings, *self._warnings, *dropped),
        )

    def _index(self) -> HnswFiles | None:
        """Read the files of the vector index; None when Chroma has not saved it yet."""
        segment = self.source.vector_segment
        if segment is None:
            return None
        # The id comes from the database; as a path it must not lead out of the folder.
        folder = self.folder / Path(segment).name
        if self.source.vectors_applied is None and not is_written(folder):
            return None
        index = read_hnsw_files(
            folder,
            is_normalised=self.plan.space == "cosine",
            dimension=self.source.dimension,
            max_neighbors=self.plan.max_neighbors,
        )
        self._warnings += [f"vector index {folder.name}: {each}" for each in index.problems]
        return index

    def _with_vectors(
        self, batch: list[SourceRecord], sources: VectorSources
    ) -> tuple[list[SourceRecord], list[NDArray[np.float32]], list[str]]:
        """Return the records of a batch that have a vector, their vectors, and where each is from."""
        found = sources.find(batch)
        self._counts["length lost"] += sum(each is not None and each.has_lost_length for each in found)
        self._doubtful += [
            record.id for record, each in zip(batch, found, strict=True) if each is not None and each.is_doubtful
        ]
        vectors: list[NDArray[np.float32] | None] = [None if each is None else each.values for each in found]
        origins = ["" if each is None else each.origin for each in found]
        reasons = [NO_VECTOR] * len(batch)
        for at, vector in enumerate(vectors):
            if vector is None:
                continue
            if self._dimension is None:
                self._dimension = len(vector)
            elif len(vector) != self._dimension:
                reasons[at] = f"its vector has another dimension than {self._dimension}"
                vectors[at] = None
        self._embed(batch, vectors, origins)
        kept = [at for at, vector in enumerate(vectors) if vector is not None]
        for at, vector in enumerate(vectors):
            if vector is None:
                self._lose(batch[at], reasons[at])
        return [batch[at] for at in kept], [v for v in vectors if v is not None], [origins[at] for at in kept]

    def _embed(self, batch: list[SourceRecord], vectors: list[NDArray[np.float32] | None], origins: list[str]) -> None:
        """Put new vectors in the places of lost ones, for records that have a document."""
        if self.embedding_function is None:
            return
        places = [at for at, vector in enumerate(vectors) if vector is None and batch[at].document is not None]
        if places:
            made = embed_documents(self.embedding_function, [batch[at].document for at in places])
            for at, vector in zip(places, made, strict=True):
                if self._dimension is None:
                    self._dimension = len(vector)
                if len(vector) != self._dimension:
                    raise InvalidInputError(
                        f"the embedding function makes vectors of dimension {len(vector)}, but collection "
                        f"{self.source.name!r} has {self._dimension}: pass the function that made the others"
                    )
                vectors[at], origins[at] = vector, "embedded"

    def _write(
        self,
        target: Collection,
        records: list[SourceRecord],
        vectors: list[NDArray[np.float32]],
        origins: Sequence[str],
    ) -> None:
        if not records:
            return
        try:
            target.add(
                ids=[record.id for record in records],
                embeddings=np.stack(vectors),
                documents=[record.document for record in records],
                metadatas=[record.metadata for record in records],
                uris=[record.uri for record in records],
            )
        except InvalidInputError as error:
            if len(records) == 1:
                self._lose(records[0], f"it cannot be stored: {error}")
                return
            middle = len(records) // 2  # nothing of the batch was written: find the records that are refused
            self._write(target, records[:middle], vectors[:middle], origins[:middle])
            self._write(target, records[middle:], vectors[middle:], origins[middle:])
        else:
            self._counts["stored"] += len(records)
            self._counts.update(origins)

    def _lose(self, record: SourceRecord, why: str) -> None:
        self._lost.append(LostRecord(record.id, why, record.document, record.metadata, record.uri))
