"""What an import from Chroma has done: per collection what was read, from where, and what could not be recovered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

SHOWN_IDS = 5


def shown_ids(ids: Sequence[str]) -> str:
    """Return the first few ids as text."""
    return ", ".join(map(repr, ids[:SHOWN_IDS])) + (", ..." if len(ids) > SHOWN_IDS else "")


@dataclass(frozen=True, slots=True)
class LostRecord:
    """A record that could not be stored: what is left of it, and why. Without a vector nothing can be searched."""

    id: str
    why: str
    document: str | None = None
    metadata: dict[str, Any] | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """What became of one collection.

    Attributes:
        name, tenant, database: where it is now.
        n_records: records stored.
        n_from_index, n_from_queue, n_embedded: where their vectors are from: the files of the vector index, the queue,
            or computed anew from the document.
        n_without_length: vectors out of `n_from_index` that were normalised for cosine and whose length is not known.
            Distances are the same.
        lost: records that could not be stored, in order.
        warnings: what else did not come over, and what is wrong with the files.
    """

    name: str
    tenant: str
    database: str
    n_records: int
    n_from_index: int
    n_from_queue: int
    n_embedded: int
    n_without_length: int
    lost: tuple[LostRecord, ...]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        sources = f"{self.n_from_index} vectors from the index, {self.n_from_queue} from the queue"
        if self.n_embedded:
            sources += f", {self.n_embedded} computed anew"
        lines = [f"{self.tenant}/{self.database}/{self.name}: {self.n_records} records ({sources})"]
        if self.n_without_length:
            lines.append(f"  {self.n_without_length} vectors have length 1: the original length is lost")
        lines += [f"  {n} records not recovered, {why}: {shown}" for why, n, shown in self._losses()]
        lines += [f"  warning: {each}" for each in self.warnings]
        return "\n".join(lines)

    def _losses(self) -> list[tuple[str, int, str]]:
        ids: dict[str, list[str]] = {}
        for record in self.lost:
            ids.setdefault(record.why, []).append(record.id)
        return [(why, len(some), shown_ids(some)) for why, some in ids.items()]


@dataclass(frozen=True, slots=True)
class ChromaImportReport:
    """What an import has done.

    Attributes:
        source: the folder that was read.
        collections: one report each, in the order in which Chroma created them.
    """

    source: str
    collections: tuple[CollectionReport, ...]

    @property
    def n_records(self) -> int:
        """Records stored."""
        return sum(each.n_records for each in self.collections)

    @property
    def n_lost(self) -> int:
        """Records that could not be stored."""
        return sum(len(each.lost) for each in self.collections)

    @property
    def is_complete(self) -> bool:
        """Whether everything came over, without a loss or a warning."""
        return not self.n_lost and not any(each.warnings or each.n_without_length for each in self.collections)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON, the contents of lost records included."""
        return {
            "source": self.source,
            "n_records": self.n_records,
            "n_lost": self.n_lost,
            "collections": [asdict(each) for each in self.collections],
        }

    def __str__(self) -> str:
        n = len(self.collections)
        head = f"{self.source}: {n} collection{'' if n == 1 else 's'}, {self.n_records} records"
        head += f", {self.n_lost} not recovered" if self.n_lost else ""
        return "\n".join([head, *map(str, self.collections)])
