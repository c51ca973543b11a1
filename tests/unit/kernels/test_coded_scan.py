"""The compiled coded scan against the reference, ties included."""

import numpy as np
import pytest

from chroma_search.kernels import coded_scan
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget
from tests.reference import coded_scan as reference

BOTH = pytest.mark.parametrize("kernels", [reference, coded_scan], ids=["numpy", "compiled"])


def random_rows(n, dim, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-3, 4, (n, dim)).astype(np.int8)  # few values, so that estimates tie
    scales = rng.choice([1.0, 2.0], n).astype(np.float32)
    offsets = rng.integers(0, 50, n).astype(np.float32)
    residuals = rng.choice([0.0, 0.5, 8.0], n).astype(np.float32)
    return CodedRows(codes, scales, offsets, residuals)


@pytest.mark.parametrize("slack", [0.0, 1.0, 100.0])
def test_both_versions_keep_the_same_rows(slack):
    for seed, n in enumerate((2, 50, 700)):
        of, rng = random_rows(n, 12, seed), np.random.default_rng(seed)
        code = rng.integers(-1000, 1000, 12).astype(np.int16)
        target = CodedTarget(code, np.float32(0.01), np.float32(0.5), np.float32(slack))
        for rows in (np.empty(0, np.int64), np.sort(rng.choice(n, max(2, n // 3), replace=False))):
            for k in (1, 2, 20):
                if k < (len(rows) or n):
                    for within in (np.float32(np.inf), np.float32(-30), np.float32(-1e38)):
                        left, right = (
                            coded_scan.in_reach(of, target, rows, k, within),
                            reference.in_reach(of, target, rows, k, within),
                        )
                        assert left.dtype == right.dtype == np.int64
                        assert left.tolist() == right.tolist()


@BOTH
def test_without_errors_the_k_nearest_and_their_ties_stay(kernels):
    codes = np.array([[5], [1], [3], [1], [3], [9]], np.int8)
    flat = CodedRows(codes, np.ones(6, np.float32), np.zeros(6, np.float32), np.zeros(6, np.float32))
    target = CodedTarget(np.array([-1], np.int16), np.float32(1.0), np.float32(0.0), np.float32(0.0))
    everything = np.empty(0, np.int64)
    far = np.float32(np.inf)
    assert kernels.in_reach(flat, target, everything, 1, far).tolist() == [1, 3]
    assert kernels.in_reach(flat, target, everything, 3, far).tolist() == [1, 2, 3, 4]
    assert kernels.in_reach(flat, target, np.array([0, 2, 5]), 1, far).tolist() == [2]
    assert kernels.in_reach(flat, target, everything, 3, np.float32(1.0)).tolist() == [1, 3]
    assert kernels.in_reach(flat, target, everything, 3, np.float32(0.5)).tolist() == []
    wide = target._replace(slack=np.float32(1.0))  # 1..3 may hide what is 3: all up to 1 + 1 + 1 stay
    assert kernels.in_reach(flat, wide, everything, 1, far).tolist() == [1, 2, 3, 4]


def test_rows_of_no_width_are_all_as_near():
    ones, zeros = np.ones(5, np.float32), np.zeros(5, np.float32)
    of = coded_scan.CodedRows(np.empty((5, 0), np.int8), ones, zeros, zeros)
    target = coded_scan.CodedTarget(np.empty(0, np.int16), np.float32(1), np.float32(1), np.float32(0))
    assert coded_scan.in_reach(of, target, np.empty(0, np.int64), 1, np.float32(np.inf)).tolist() == [0, 1, 2, 3, 4]
