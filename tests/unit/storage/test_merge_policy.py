"""The merge policy keeps few segments, copies each row seldom, and rewrites what is mostly dead."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_search.storage.merge_policy import (
    LARGEST_SEGMENT_ROWS,
    TAIL_ROWS,
    Merge,
    SegmentSize,
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
