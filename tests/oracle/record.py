"""Record: what the oracle keeps per id, and the value that filters, ranks and orders see under a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Record:
    """One live record; `offset` is its place in insertion order, kept over updates (9)."""

    id: str
    offset: int
    embedding: list[float] | None = None
    document: str | None = None
    metadata: dict[str, Any] | None = None
    uri: str | None = None

    def value(self, key: str) -> Any:
        """Return the value under a key, None when there is none; other `#` keys are never there (1.6)."""
        if key in ("#id", "#document"):
            return self.id if key == "#id" else self.document
        return (self.metadata or {}).get(key)


def to_float32(value: float) -> float:
    """Round to the nearest float32; what is too large becomes an infinity."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def score_order(score: float) -> tuple[bool, float]:
    """Return the sort key of a score: ascending, NaN last whatever its sign, -0.0 equal to 0.0 (3.6 T)."""
    return (False, score) if score == score else (True, 0.0)
