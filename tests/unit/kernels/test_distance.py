"""Distances of kernel and reference, against float64."""

import numpy as np
import pytest

from chroma_search.indexes.vector.exact_scan import error_factor
from chroma_search.kernels import distance
from tests.reference import distance as reference

BOTH = pytest.mark.parametrize("kernels", [reference, distance], ids=["numpy", "compiled"])


def data(n=300, dim=37, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)).astype(np.float32), rng.normal(size=dim).astype(np.float32)


@BOTH
def test_every_error_is_within_the_proven_bound(kernels):
    for dim in (1, 3, 64, 1536):
        vectors, query = data(200, dim)
        wide, target = vectors.astype(np.float64), query.astype(np.float64)
        squares = ((wide - target) ** 2).sum(1)
        assert (np.abs(kernels.l2_all(vectors, query) - squares) <= error_factor(dim) * squares).all()
        bound = error_factor(dim) * np.abs(wide) @ np.abs(target)
        assert (np.abs(kernels.dot_all(vectors, query) - wide @ target) <= bound).all()


@BOTH
def test_a_gather_gives_the_rows_asked_in_their_order(kernels):
    vectors, query = data()
    rows = np.array([299, 0, 7, 7, 150])
    assert kernels.l2_rows(vectors, rows, query).tolist() == pytest.approx(
        kernels.l2_all(vectors, query)[rows].tolist(), rel=1e-5
    )
    assert kernels.dot_rows(vectors, rows, query).tolist() == pytest.approx(
        kernels.dot_all(vectors, query)[rows].tolist(), rel=1e-4
    )
    assert len(kernels.l2_rows(vectors, rows[:0], query)) == len(kernels.dot_rows(vectors, rows[:0], query)) == 0


@BOTH
def test_whole_numbers_are_measured_without_error(kernels):
    rng = np.random.default_rng(1)
    vectors = rng.integers(0, 256, (50, 100)).astype(np.float32)
    query = rng.integers(0, 256, 100).astype(np.float32)
    assert kernels.l2_all(vectors, query).tolist() == ((vectors - query) ** 2).sum(1).tolist()


@BOTH
def test_overflow_and_nan_come_out_as_ieee_says_and_without_a_warning(kernels):
    vectors = np.array([[3e38, -3e38], [np.nan, 0], [np.inf, 0], [1, 2]], np.float32)
    query = np.array([-3e38, 0], np.float32)
    got = kernels.l2_all(vectors, query)
    assert got[0] == np.inf
    assert np.isnan(got[1])
    assert got[2] == np.inf
    assert np.isnan(kernels.dot_rows(vectors, np.array([1]), query)[0])
    assert kernels.dot_all(vectors, query)[0] == -np.inf
