"""What a conformance vector consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """Records in insertion order; `rows()` gives the arguments of `add`."""

    name: str
    ids: tuple[str, ...]
    space: str = "l2"
    embeddings: tuple[tuple[float, ...], ...] = ()
    documents: tuple[str | None, ...] | None = None
    metadatas: tuple[dict[str, Any] | None, ...] | None = None

    def rows(self) -> dict[str, Any]:
        """Return keyword arguments for `add`; embeddings default to [0, 0], [1, 0], [2, 0], ..."""
        dense = [list(each) for each in self.embeddings] or [[float(at), 0.0] for at in range(len(self.ids))]
        rows: dict[str, Any] = {"ids": list(self.ids), "embeddings": dense}
        if self.documents is not None:
            rows["documents"] = list(self.documents)
        if self.metadatas is not None:
            rows["metadatas"] = list(self.metadatas)
        return rows


@dataclass(frozen=True)
class FilterVector:
    """The ids that `get`, `query` and `search` find, in insertion order."""

    name: str
    data: Dataset
    where: dict[str, Any] | None
    where_document: dict[str, Any] | None
    ids: tuple[str, ...]
    ours: bool = False


@dataclass(frozen=True)
class DistanceVector:
    """The distances of all records to a query, in insertion order."""

    space: str
    query: tuple[float, ...]
    vectors: tuple[tuple[float, ...], ...]
    distances: tuple[float, ...]


@dataclass(frozen=True)
class SearchVector:
    """One search in its JSON form and parts of its answer; `columns` holds the columns to compare exactly."""

    name: str
    data: Dataset
    search: dict[str, Any]
    ids: tuple[str, ...]
    scores: tuple[float, ...] | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    ours: bool = False
