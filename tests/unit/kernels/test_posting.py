"""Sums over posting lists: the twin gives the bits of the reference, in the order of the lists."""

import numpy as np
import pytest

from chroma_search.kernels import posting
from tests.reference import posting as reference

BOTH = pytest.mark.parametrize("kernels", [reference, posting], ids=["numpy", "compiled"])


def lists(n_rows=500, n_lists=40, seed=0):
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(n_rows, rng.integers(0, n_rows // 2), replace=False)) for _ in range(n_lists)]
    ends = np.cumsum([len(each) for each in rows])
    starts = np.concatenate([[0], ends[:-1]])
    flat = np.concatenate(rows).astype(np.int32)
    return starts, ends, flat, rng.normal(size=len(flat)).astype(np.float32), rng.normal(size=n_lists), n_rows


def by_row(found):
    rows, sums = found
    order = np.argsort(rows)
    return rows[order].tolist(), sums[order].tolist()


def test_both_versions_agree_to_the_last_bit():
    for seed in range(5):
        assert by_row(posting.weighted_sums(*lists(seed=seed))) == by_row(reference.weighted_sums(*lists(seed=seed)))


@BOTH
def test_sums_are_added_in_the_order_of_the_lists(kernels):
    big, small = 1e16, 1.0  # (big + small) - big loses the small one, (big - big) + small keeps it
    rows, weights = np.zeros(3, np.int32), np.ones(3, np.float32)
    starts, ends = np.arange(3), np.arange(1, 4)
    for factors, total in (([big, small, -big], 0.0), ([big, -big, small], 1.0)):
        assert by_row(kernels.weighted_sums(starts, ends, rows, weights, np.array(factors), 1)) == ([0], [total])


@BOTH
def test_a_row_whose_sum_is_zero_is_found(kernels):
    starts, ends = np.array([0]), np.array([2])
    found = kernels.weighted_sums(starts, ends, np.array([3, 4], np.int32), np.zeros(2, np.float32), np.ones(1), 9)
    assert by_row(found) == ([3, 4], [0.0, 0.0])


@BOTH
def test_no_list_gives_no_row(kernels):
    none = np.empty(0, np.int64)
    found = kernels.weighted_sums(none, none, np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0), 5)
    assert by_row(found) == ([], [])
