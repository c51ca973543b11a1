"""Merge policy: which segments become one, as a pure function of their sizes.

Fresh rows live in *tail* segments without an approximate index. Tail segments merge like the digits of a binary
counter (a segment joins its successor when it is not twice as long), so each row is copied about log2 times before the
tail is full. A full tail is *sealed*: it extends the newest sealed segment while that stays below the largest size and
its dead rows below a quarter, and starts a new one otherwise. A segment past a quarter of dead rows is rewritten.

In a folder sealing is a *flush*: files are written, and the log forgets what they hold. There a full tail takes along
the sealed segments before it that are not twice as long as what was gathered, so that a row is written about log2 times
and few segments remain.
"""

from __future__ import annotations

from collections.abc import Sequence

from chroma_search.record import record

TAIL_ROWS = 10_000
"""Rows after which the tail is sealed: below it, the exact scan beats a graph (benchmarks/ann, Fashion-MNIST)."""

LARGEST_SEGMENT_ROWS = 2_000_000
"""A sealed segment is not extended beyond this."""

LOG_BYTES = 64_000_000
"""Bytes of entries in a log after which it is flushed, however few rows they hold."""

LARGEST_DEAD_SHARE = 0.25
"""A segment with more dead rows than this is rewritten."""


@record()
class SegmentSize:
    """What the policy knows of a segment."""

    n_rows: int
    n_live: int
    is_sealed: bool

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
    for at, size in enumerate(sizes):
        if size.dead_share > LARGEST_DEAD_SHARE and (seals or not size.is_sealed):
            return Merge(at, at, seal=size.is_sealed)
    n_sealed = sum(size.is_sealed for size in sizes)
    tail = sizes[n_sealed:]
    if not tail:
        return None
    n_tail = sum(size.n_live for size in tail)
    last = len(sizes) - 1
    if seals and n_tail >= TAIL_ROWS:
        if n_sealed and sizes[n_sealed - 1].n_rows + n_tail <= LARGEST_SEGMENT_ROWS:
            return Merge(n_sealed - 1, last, seal=True, keeps_first=True)
        return Merge(n_sealed, last, seal=True)
    if len(tail) > 1 and tail[-2].n_rows < 2 * tail[-1].n_rows:
        return Merge(last - 1, last, seal=False)
    return None


def flush_plan(sizes: Sequence[SegmentSize], *, is_asked: bool = False, log_bytes: int = 0) -> tuple[Merge, ...]:
    """Return the sealed segments that a flush would make, oldest first; nothing when none is due.

    Every row of the tail is in one of them, for the log forgets what it held.

    Args:
        sizes: the segments of a snapshot.
        is_asked: flush although the tail is short.
        log_bytes: bytes of the entries that a flush would let go.
    """
    n_sealed = sum(size.is_sealed for size in sizes)
    n_tail = sum(size.n_live for size in sizes[n_sealed:])
    rewritten = [at for at in range(n_sealed) if sizes[at].dead_share > LARGEST_DEAD_SHARE]
    has_tail = len(sizes) > n_sealed
    if not (rewritten or n_tail >= TAIL_ROWS or log_bytes >= LOG_BYTES or (is_asked and has_tail)):
        return ()
    first, gathered = n_sealed, n_tail
    if has_tail:
        while first and sizes[first - 1].n_live < 2 * gathered:
            if sizes[first - 1].n_live + gathered > LARGEST_SEGMENT_ROWS:
                break
            first -= 1
            gathered += sizes[first].n_live
    merges = [Merge(at, at, seal=True) for at in rewritten if at < first]
    if has_tail:
        keeps_first = first < n_sealed and first not in rewritten
        merges.append(Merge(first, len(sizes) - 1, seal=True, keeps_first=keeps_first))
    return tuple(merges)


def compaction_plan(sizes: Sequence[SegmentSize]) -> tuple[Merge, ...]:
    """Return the one merge that leaves a single sealed segment without dead rows, nothing when that is so already."""
    if not sizes or (len(sizes) == 1 and sizes[0].is_sealed and sizes[0].n_live == sizes[0].n_rows):
        return ()
    return (Merge(0, len(sizes) - 1, seal=True),)
