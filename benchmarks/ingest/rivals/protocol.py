"""What is asked of each rival. A rival is one file here; a new one needs a class and a line in `__init__.py`.

A rival takes a batch in the form that a program of its user would have at hand: whatever it costs to turn that into
its own form is part of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MAX_NEIGHBORS = 16
EF_CONSTRUCTION = 100
"""The graph that everyone builds, and raw hnswlib too: Chroma's defaults, squared L2."""


@dataclass(frozen=True)
class Batch:
    """Records to write.

    Attributes:
        ids: unique within the batch.
        vectors: float32, shape (n, dim).
        documents, metadatas: one per id.
    """

    ids: list[str]
    vectors: NDArray[np.float32]
    documents: list[str]
    metadatas: list[dict[str, Any]]


class Rival(Protocol):
    """One database in a folder."""

    acknowledged: str
    """What has happened when a write returns, in words; `syncs.py` counts what the system sees."""

    def create(self, folder: Path, dimension: int) -> None:
        """Make an empty collection in an empty folder."""
        ...

    def open(self, folder: Path) -> None:
        """Open what another process has made."""
        ...

    def add(self, batch: Batch) -> None:
        """Insert records; returns when they are acknowledged."""
        ...

    def update(self, batch: Batch) -> None:
        """Replace vectors, documents and metadata of records that exist."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Delete records."""
        ...

    def query(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """Return the ids of the nearest k, nearest first, after reading their documents and metadata too."""
        ...

    def count(self) -> int:
        """Return the number of records."""
        ...

    def finish_index(self) -> None:
        """Return when every record is in the graph."""
        ...

    def compact(self) -> str:
        """Give back the room of deleted records, and say how; an empty answer when there is no way."""
        ...

    def close(self) -> None:
        """Let go of the folder."""
        ...
