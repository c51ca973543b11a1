"""The merge policy keeps few segments, copies each row seldom, rewrites what is mostly dead, and plans flushes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_search.storage.merge_policy import (
    LARGEST_SEGMENT_ROWS,
    LOG_BYTES,
    TAIL_ROWS,
    Merge,
    SegmentSize,
    compaction_plan,
    flush_plan,
    next_merge,
)


def tail(n_rows, n_live=None):
    return SegmentSize(n_rows, n_rows if n_live is None else n_live, is_sealed=False)


def sealed(n_rows, n_live=None):
    return SegmentSize(n_rows, n_rows if n_live is None else n_live, is_sealed=True)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], None),
        ([tail(5)], None),
        ([tail(100), tail(10)], None),
        ([tail(100), tail(60)], Merge(0, 1, seal=False)),
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
        ([], ()),
        ([tail(TAIL_ROWS - 1)], ()),
        ([tail(TAIL_ROWS)], (Merge(0, 0, seal=True),)),
        ([sealed(100_000), tail(9_000), tail(1_000)], (Merge(1, 2, seal=True),)),
        ([sealed(100_000), sealed(15_000), tail(TAIL_ROWS)], (Merge(1, 2, seal=True, keeps_first=True),)),
        ([sealed(40_000), sealed(15_000), tail(TAIL_ROWS)], (Merge(0, 2, seal=True, keeps_first=True),)),
        ([sealed(LARGEST_SEGMENT_ROWS - 5), tail(LARGEST_SEGMENT_ROWS)], (Merge(1, 1, seal=True),)),
        ([sealed(1000, 700), sealed(10), tail(1)], (Merge(0, 0, seal=True), Merge(2, 2, seal=True))),
        ([sealed(1000, 700), sealed(900, 600), tail(500)], (Merge(0, 2, seal=True),)),
        ([sealed(1000, 700)], (Merge(0, 0, seal=True),)),
        ([sealed(1000), tail(10, 0)], ()),
    ],
)
def test_what_a_flush_makes(sizes, expected):
    assert flush_plan(sizes) == expected


def test_a_short_tail_is_flushed_when_asked_or_when_its_entries_are_large():
    sizes = [sealed(1000), tail(5)]
    assert flush_plan(sizes) == ()
    expected = (Merge(1, 1, seal=True),)
    assert flush_plan(sizes, is_asked=True) == expected
    assert flush_plan(sizes, log_bytes=LOG_BYTES) == expected
    assert flush_plan([sealed(1000)], is_asked=True) == ()


def test_a_compaction_leaves_one_segment():
    assert compaction_plan([]) == ()
    assert compaction_plan([sealed(10)]) == ()
    assert compaction_plan([sealed(10, 9)]) == (Merge(0, 0, seal=True),)
    assert compaction_plan([tail(10)]) == (Merge(0, 0, seal=True),)
    assert compaction_plan([sealed(10), tail(2)]) == (Merge(0, 1, seal=True),)


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=80))
def test_after_flushes_few_segments_remain_and_each_row_is_written_seldom(batches):
    sizes, n_written = [], 0
    for batch in batches:
        sizes.append(tail(batch))
        while (merge := next_merge(sizes, seals=False)) is not None:
            n = sum(size.n_live for size in sizes[merge.first : merge.last + 1])
            sizes[merge.first : merge.last + 1] = [tail(n)]
        plan = flush_plan(sizes)
        for merge in reversed(plan):
            n = sum(size.n_live for size in sizes[merge.first : merge.last + 1])
            n_written += n
            sizes[merge.first : merge.last + 1] = [sealed(n)]
        if plan:
            assert all(size.is_sealed for size in sizes)
    assert sum(size.is_sealed for size in sizes) <= 12
    assert n_written <= 12 * sum(batches)
