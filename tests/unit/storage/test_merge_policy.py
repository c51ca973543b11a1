"""The merge policy keeps few segments, copies each row seldom, rewrites what is mostly dead, and plans flushes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_search.storage.merge_policy import (
    IDLE_ROWS,
    LARGEST_SEGMENT_ROWS,
    LOG_BYTES,
    TAIL_ROWS,
    Merge,
    SegmentSize,
    compaction_plan,
    flush_plan,
    index_plan,
    next_merge,
)


def tail(n_rows, n_live=None):
    return SegmentSize(n_rows, n_rows if n_live is None else n_live, is_sealed=False)


def sealed(n_rows, n_live=None):
    return SegmentSize(n_rows, n_rows if n_live is None else n_live, is_sealed=True)


def waiting(n_rows, n_live=None):
    return SegmentSize(n_rows, n_rows if n_live is None else n_live, is_sealed=True, is_indexed=False)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], None),
        ([tail(5)], None),
        ([tail(100), tail(10)], None),
        ([tail(100), tail(60)], Merge(0, 1, seal=False)),
        ([tail(100), tail(3), tail(2)], Merge(1, 2, seal=False)),
        ([sealed(9), tail(8), tail(4), tail(2), tail(1), tail(1)], Merge(1, 5, seal=False)),
        ([tail(TAIL_ROWS)], Merge(0, 0, seal=True)),
        ([sealed(50_000), tail(TAIL_ROWS)], Merge(0, 1, seal=True, keeps_first=True)),
        ([sealed(LARGEST_SEGMENT_ROWS), tail(TAIL_ROWS)], Merge(1, 1, seal=True)),
        ([sealed(1000, 700), tail(5)], Merge(0, 0, seal=True)),
        ([sealed(1000, 800), tail(5)], None),
        ([tail(10, 7)], Merge(0, 0, seal=False)),
    ],
)
def test_what_is_due(sizes, expected):
    assert next_merge(sizes) == expected


@settings(deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60))
def test_writes_of_any_size_leave_few_segments_and_copy_each_row_seldom(batches):
    sizes: list[SegmentSize] = []
    copied = 0
    for batch in batches:
        sizes.append(tail(batch))
        while (merge := next_merge(sizes)) is not None:
            n = sum(size.n_live for size in sizes[merge.first : merge.last + 1])
            copied += 0 if merge.keeps_first else n
            sizes[merge.first : merge.last + 1] = [SegmentSize(n, n, merge.seal)]
        assert sum(size.n_rows for size in sizes if not size.is_sealed) < TAIL_ROWS
        assert len(sizes) <= 16
    assert copied <= 16 * sum(batches)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], None),
        ([tail(TAIL_ROWS - 1)], None),
        ([tail(TAIL_ROWS)], (Merge(0, 0, seal=True),)),
        ([sealed(15_000), tail(9_000), tail(1_000)], (Merge(1, 2, seal=True),)),
        ([sealed(1000, 700), tail(1)], None),
        ([waiting(TAIL_ROWS), tail(TAIL_ROWS)], (Merge(1, 1, seal=True),)),
        ([waiting(100 * TAIL_ROWS), tail(TAIL_ROWS)], None),
        ([waiting(100 * TAIL_ROWS), tail(26 * TAIL_ROWS)], (Merge(1, 1, seal=True),)),
    ],
)
def test_what_a_flush_makes(sizes, expected):
    assert flush_plan(sizes) == expected


def test_a_short_tail_is_flushed_when_asked_or_when_its_entries_are_large():
    sizes = [sealed(1000), tail(5)]
    expected = (Merge(1, 1, seal=True),)
    assert flush_plan(sizes, is_asked=True) == expected
    assert flush_plan(sizes, log_bytes=LOG_BYTES) == expected


def test_without_a_tail_a_flush_makes_nothing_but_the_log_forgets():
    assert flush_plan([sealed(1000)], is_asked=True) is None
    assert flush_plan([sealed(1000)], is_asked=True, log_bytes=1) == ()
    assert flush_plan([sealed(1000)], log_bytes=LOG_BYTES) == ()


@pytest.mark.parametrize(("n_tail", "expected"), [(IDLE_ROWS - 1, None), (IDLE_ROWS, (Merge(1, 1, seal=True),))])
def test_a_tail_that_rests_is_flushed_earlier(n_tail, expected):
    sizes = [sealed(50_000), tail(n_tail)]
    assert flush_plan(sizes) is None
    assert flush_plan(sizes, is_idle=True) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], None),
        ([sealed(100_000)], None),
        ([waiting(TAIL_ROWS - 1)], None),
        ([waiting(TAIL_ROWS)], Merge(0, 0, seal=True)),
        ([sealed(100_000), waiting(9_000), waiting(1_000)], Merge(1, 2, seal=True)),
        ([sealed(100_000), sealed(15_000), waiting(TAIL_ROWS)], Merge(1, 2, seal=True, keeps_first=True)),
        ([sealed(40_000), sealed(15_000), waiting(TAIL_ROWS)], Merge(0, 2, seal=True, keeps_first=True)),
        ([sealed(1000, 700), waiting(TAIL_ROWS)], Merge(0, 1, seal=True)),
        ([sealed(LARGEST_SEGMENT_ROWS - 5), waiting(TAIL_ROWS)], Merge(1, 1, seal=True)),
        ([waiting(LARGEST_SEGMENT_ROWS - 5), waiting(TAIL_ROWS)], Merge(0, 0, seal=True)),
        ([sealed(1000, 700)], Merge(0, 0, seal=True)),
        ([sealed(1000, 700), waiting(10)], Merge(0, 0, seal=True)),
        ([sealed(1000), sealed(900)], Merge(0, 1, seal=True, keeps_first=True)),
    ],
)
def test_what_is_indexed_next(sizes, expected):
    assert index_plan(sizes) == expected


def test_few_rows_are_indexed_when_asked():
    assert index_plan([waiting(10)], is_asked=True) == Merge(0, 0, seal=True)
    assert index_plan([sealed(10)], is_asked=True) is None


def test_a_compaction_leaves_one_segment():
    assert compaction_plan([]) is None
    assert compaction_plan([sealed(10)]) is None
    assert compaction_plan([sealed(10, 9)]) == Merge(0, 0, seal=True)
    assert compaction_plan([waiting(10)]) == Merge(0, 0, seal=True)
    assert compaction_plan([sealed(10), waiting(2)]) == Merge(0, 1, seal=True)


@given(st.lists(st.tuples(st.integers(1, 30_000), st.booleans()), min_size=1, max_size=80))
def test_however_slow_indexing_is_few_segments_remain_and_each_row_is_indexed_seldom(batches):
    """After each write it is drawn whether indexing has come to its end, and goes on with what has gathered."""
    sizes, n_indexed = [], 0
    for batch, is_indexing in [*batches, (1, True)]:
        sizes.append(tail(batch))
        while (merge := next_merge(sizes, seals=False)) is not None:
            n = sum(size.n_live for size in sizes[merge.first : merge.last + 1])
            sizes[merge.first : merge.last + 1] = [tail(n)]
        for merge in flush_plan(sizes) or ():
            n = sum(size.n_live for size in sizes[merge.first : merge.last + 1])
            sizes[merge.first : merge.last + 1] = [waiting(n)]
        assert sum(not size.is_indexed for size in sizes) <= 24
        while is_indexing and (merge := index_plan([size for size in sizes if size.is_sealed])) is not None:
            n = sum(size.n_live for size in sizes[merge.first : merge.last + 1])
            n_indexed += n
            sizes[merge.first : merge.last + 1] = [sealed(n)]
    assert all(size.is_indexed for size in sizes)
    assert sum(size.is_sealed for size in sizes) <= 12
    assert n_indexed <= 12 * sum(batch for batch, _ in batches)
