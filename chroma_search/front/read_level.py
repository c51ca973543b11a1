"""ReadLevel: upstream's choice between fresh and fast reads. Here every level sees every write."""

from __future__ import annotations

from enum import Enum


class ReadLevel(str, Enum):
    """How much of what was just written a search must see."""

    INDEX_AND_WAL = "index_and_wal"
    INDEX_ONLY = "index_only"
    INDEX_AND_BOUNDED_WAL = "index_and_bounded_wal"
