"""Merge policy: which segments become one, as a pure function of their sizes.

Fresh rows live in *tail* segments without an approximate index. Tail segments merge like the digits of a binary
counter (a segment joins those behind it when it is not twice as long), so each row is copied about log2 times at most
before the tail is full. A full tail is *sealed*: it extends the newest sealed segment while that stays below the
largest size and its dead rows below a quarter, and starts a new one otherwise. A segment past a quarter of dead rows is
rewritten.

In a folder that takes two stages. A *flush* writes the tail as one sealed segment without an approximate index, and
the log forgets what it holds: cheap, so that the log stays short however fast writers are. *Indexing* later merges what
waits for an index, with the sealed segments before it that are not twice as long as what was gathered, so that a row is
indexed about log2 times and few segments remain. What gathers while one index is built goes into the next together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chroma_search.record import record

TAIL_ROWS = 10_000
"""Rows after which the tail is sealed: below it, the exact scan beats a graph (benchmarks/ann, Fashion-MNIST)."""

LARGEST_SEGMENT_ROWS = 2_000_000
"""A sealed segment is not extended beyond this."""

LOG_BYTES = 64_000_000
"""Bytes of entries in a log after which it is flushed, however few rows they hold."""

TAIL_SHARE = 0.25
"""A tail that is shorter than this share of the rows that wait for an index is not flushed yet: so that few segments
wait, however long indexing takes."""

IDLE_ROWS = 1_000
"""A tail of so many rows is flushed, too, when nobody writes any more: a flush codes the rows, and a query scans codes
in a fraction of the time."""

LARGEST_DEAD_SHARE = 0.25
"""A segment with more dead rows than this is rewritten."""


class SegmentSize(NamedTuple):
    """What the policy knows of a segment.

    Attributes:
        n_rows, n_live: rows, and those that are no tombstones.
        is_sealed: False for a segment of the tail.
        is_indexed: False for a sealed one that waits for the approximate index that the collection wants.
    """

    n_rows: int
    n_live: int
    is_sealed: bool
    is_indexed: bool = True

    @property
    def dead_share(self) -> float:
        """Dead rows / rows."""
        return 1 - self.n_live / self.n_rows


@record()
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


def next_merge(sizes: Sequence[SegmentSize], *, seals: bool = True) -> Merge | None:
    """Return the next merge that is due, or None.

    Args:
        sizes: the segments of a snapshot, oldest first, sealed ones before the tail.
        seals: False leaves sealed segments, and the sealing of the tail, to flushes.
    """
    n_sealed = n_tail = 0  # one loop: every write comes here, of a single record too
    for at, size in enumerate(sizes):
        if size.n_live < size.n_rows and size.dead_share > LARGEST_DEAD_SHARE and (seals or not size.is_sealed):
            return Merge(at, at, seal=size.is_sealed)
        if size.is_sealed:
            n_sealed += 1
        else:
            n_tail += size.n_live
    if n_sealed == len(sizes):
        return None
    last = len(sizes) - 1
    if seals and n_tail >= TAIL_ROWS:
        if n_sealed and sizes[n_sealed - 1].n_rows + n_tail <= LARGEST_SEGMENT_ROWS:
            return Merge(n_sealed - 1, last, seal=True, keeps_first=True)
        return Merge(n_sealed, last, seal=True)
    first, gathered = last, sizes[last].n_rows
    while first > n_sealed and sizes[first - 1].n_rows < 2 * gathered:  # all that would follow, in one step
        first -= 1
        gathered += sizes[first].n_rows
    return Merge(first, last, seal=False) if first < last else None


def may_be_due(n_tail: int, log_bytes: int) -> bool:
    """Tell whether the flush of a tail can be due while somebody writes: if not, `flush_plan` need not be asked.

    Args:
        n_tail: its rows.
        log_bytes: bytes of the entries that a flush would let go.
    """
    return n_tail >= TAIL_ROWS or log_bytes >= LOG_BYTES


def flush_plan(
    sizes: Sequence[SegmentSize], *, is_asked: bool = False, is_idle: bool = False, log_bytes: int = 0
) -> Sequence[Merge] | None:
    """Return what a flush would make: the tail as one sealed segment, which waits for its index; None when none is due.

    Nothing is made of an empty tail, but the log still forgets the deletes in it.

    Args:
        sizes: the segments of a snapshot.
        is_asked: flush although the tail is short.
        is_idle: nobody writes.
        log_bytes: bytes of the entries that a flush would let go.
    """
    n_sealed = n_tail = n_waiting = 0
    for size in sizes:
        if size.is_sealed:
            n_sealed += 1
        else:
            n_tail += size.n_live
        if not size.is_indexed:
            n_waiting += size.n_live
    has_tail = len(sizes) > n_sealed
    least = IDLE_ROWS if is_idle else max(TAIL_ROWS, n_waiting * TAIL_SHARE)
    is_full = n_tail >= least or log_bytes >= LOG_BYTES
    if not is_full and not (is_asked and (has_tail or log_bytes)):
        return None
    return (Merge(n_sealed, len(sizes) - 1, seal=True),) if has_tail else ()


def index_plan(sizes: Sequence[SegmentSize], *, is_asked: bool = False) -> Merge | None:
    """Return which sealed segments become one with an approximate index next, or None when nothing is to be done.

    Args:
        sizes: the sealed segments of a manifest.
        is_asked: index what waits although it is short.
    """
    waiting = [at for at, size in enumerate(sizes) if not size.is_indexed]
    n_waiting = sum(sizes[at].n_live for at in waiting)
    begin = waiting[0] if waiting else len(sizes) - 1
    first, last = _gathered(sizes, begin)
    if n_waiting >= TAIL_ROWS or (is_asked and waiting) or (not waiting and first < begin):
        keeps_first = sizes[first].is_indexed and first < last and sizes[first].dead_share <= LARGEST_DEAD_SHARE
        return Merge(first, last, seal=True, keeps_first=keeps_first)
    for at, size in enumerate(sizes):
        if size.dead_share > LARGEST_DEAD_SHARE and size.is_indexed:
            return Merge(at, at, seal=True)
    return None


def _gathered(sizes: Sequence[SegmentSize], begin: int) -> tuple[int, int]:
    """Return first and last of the segments to merge: from `begin` on, and those before that are not twice as long."""
    first = last = begin
    gathered = sizes[begin].n_live if sizes else 0
    while last + 1 < len(sizes) and gathered + sizes[last + 1].n_live <= LARGEST_SEGMENT_ROWS:
        last += 1
        gathered += sizes[last].n_live
    while first > 0 and sizes[first - 1].n_live < 2 * gathered:
        if gathered + sizes[first - 1].n_live > LARGEST_SEGMENT_ROWS:
            break
        first -= 1
        gathered += sizes[first].n_live
    return first, last


def compaction_plan(sizes: Sequence[SegmentSize]) -> Merge | None:
    """Return the merge that leaves one sealed segment with an index and no dead rows, None when that is so already."""
    if not sizes or (len(sizes) == 1 and sizes[0].is_indexed and sizes[0].n_live == sizes[0].n_rows):
        return None
    return Merge(0, len(sizes) - 1, seal=True)
