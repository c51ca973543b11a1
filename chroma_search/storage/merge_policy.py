"""Merge policy: which segments become one, as a pure function of their sizes.

Fresh rows live in *tail* segments without an approximate index. Tail segments merge like the digits of a binary
counter (a segment joins its successor when it is not twice as long), so each row is copied about log2 times before the
tail is full. A full tail is *sealed*: it extends the newest sealed segment while that stays below the largest size and
its dead rows below a quarter, and starts a new one otherwise. A segment past a quarter of dead rows is rewritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TAIL_ROWS = 10_000
"""Rows after which the tail is sealed: below it, the exact scan beats a graph (benchmarks/ann, Fashion-MNIST)."""

LARGEST_SEGMENT_ROWS = 2_000_000
"""A sealed segment is not extended beyond this."""

LARGEST_DEAD_SHARE = 0.25
"""A segment with more dead rows than this is rewritten."""


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """What the policy knows of a segment."""

    n_rows: int
    n_live: int
    is_sealed: bool

    @property
    def dead_share(self) -> float:
        """Dead rows / rows."""
        return 1 - self.n_live / self.n_rows


@dataclass(frozen=True, slots=True)
class Merge:
    """Segments `first..last` (positions, inclusive) become one.

    Attributes:
        first, last: positions in the snapshot.
        seal: whether the result is sealed, that is, gets an approximate index.
        keeps_first: the first segment's index is extended and its dead rows are kept.
    """

    first: int
    last: int
    seal: bool
    keeps_first: bool = False


def next_merge(sizes: Sequence[SegmentSize]) -> Merge | None:
    """Return the next merge that is due, or None.

    Args:
        sizes: the segments of a snapshot, oldest first, sealed ones before the tail.
    """
    for at, size in enumerate(sizes):
        if size.dead_share > LARGEST_DEAD_SHARE:
            return Merge(at, at, seal=size.is_sealed)
    n_sealed = sum(size.is_sealed for size in sizes)
    tail = sizes[n_sealed:]
    if not tail:
        return None
    n_tail = sum(size.n_live for size in tail)
    last = len(sizes) - 1
    if n_tail >= TAIL_ROWS:
        if n_sealed and sizes[n_sealed - 1].n_rows + n_tail <= LARGEST_SEGMENT_ROWS:
            return Merge(n_sealed - 1, last, seal=True, keeps_first=True)
        return Merge(n_sealed, last, seal=True)
    if len(tail) > 1 and tail[-2].n_rows < 2 * tail[-1].n_rows:
        return Merge(last - 1, last, seal=False)
    return None
