"""The exact scan: nothing is lost, and little that is not needed is returned."""

import numpy as np
import pytest

from chroma_search.indexes.vector import exact_scan
from chroma_search.indexes.vector.exact_distances import exact_distances
from chroma_search.indexes.vector.exact_scan import Scanned, is_batch, scan_batch, scan_one
from chroma_search.indexes.vector.norms import RowNorms
from chroma_search.model.distance import SPACES

ALL_SPACES = pytest.mark.parametrize("space", SPACES)


def scanned(vectors, space):
    return Scanned(vectors, RowNorms.of(vectors, space), space)


def must_hold(found, vectors, query, k, space, rows=None):
    rows = np.arange(len(vectors)) if rows is None else rows
    distances = exact_distances(query, vectors[rows], space)
    kth = np.sort(distances)[min(k, len(rows)) - 1]
    needed = set((rows[distances <= kth] if not np.isnan(kth) else rows).tolist())
    assert needed <= set(found.rows.tolist())
    assert set(found.rows.tolist()) <= set(rows.tolist())


@ALL_SPACES
@pytest.mark.parametrize("dim", [1, 2, 17, 300])
def test_neither_way_of_scanning_loses_a_row(space, dim):
    rng = np.random.default_rng(dim)
    vectors = rng.normal(size=(700, dim)).astype(np.float32)
    vectors[::50] = vectors[1]
    queries = np.concatenate([vectors[:5], rng.normal(size=(15, dim)).astype(np.float32)])
    subset = np.sort(rng.choice(700, 200, replace=False))
    for rows in (None, subset):
        for k in (1, 10, 150, 1000):
            together = scan_batch(scanned(vectors, space), queries, k, rows)
            for query, batched in zip(queries, together, strict=True):
                must_hold(batched, vectors, query, k, space, rows)
                must_hold(scan_one(scanned(vectors, space), query, k, rows), vectors, query, k, space, rows)


@ALL_SPACES
def test_ordinary_data_returns_hardly_more_than_k(space):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(5000, 64)).astype(np.float32)
    queries = rng.normal(size=(20, 64)).astype(np.float32)
    for one in scan_batch(scanned(vectors, space), queries, 10, None):
        assert 10 <= len(one) <= 20
    assert 10 <= len(scan_one(scanned(vectors, space), queries[0], 10, None)) <= 20


@ALL_SPACES
def test_neighbours_that_differ_in_the_last_bits_are_not_confused(space):
    base = np.random.default_rng(2).normal(size=256).astype(np.float32)
    vectors = np.repeat(base[None], 4000, axis=0)
    for row in range(4000):  # one component moved by a few units in the last place
        vectors[row, row % 256] = np.nextafter(vectors[row, row % 256], np.float32(9), dtype=np.float32)
    must_hold(scan_one(scanned(vectors, space), base, 3, None), vectors, base, 3, space)
    for one in scan_batch(scanned(vectors, space), np.repeat(base[None], 9, axis=0), 3, None):
        must_hold(one, vectors, base, 3, space)


@ALL_SPACES
def test_one_giant_vector_does_not_blur_the_others(space):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(3000, 16)).astype(np.float32)
    vectors[1234] *= np.float32(1e30)
    queries = rng.normal(size=(10, 16)).astype(np.float32)
    for one in scan_batch(scanned(vectors, space), queries, 5, None):
        assert len(one) <= 30
    must_hold(scan_one(scanned(vectors, space), queries[0], 5, None), vectors, queries[0], 5, space)


@ALL_SPACES
def test_giant_and_tiny_queries_are_scanned_exactly(space):
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(600, 8)).astype(np.float32)
    queries = np.stack([vectors[0] * np.float32(s) for s in (1e38, 1e25, 1e-25, 1e-42, 0.0)])
    for query, one in zip(queries, scan_batch(scanned(vectors, space), queries, 4, None), strict=True):
        must_hold(one, vectors, query, 4, space)
        must_hold(scan_one(scanned(vectors, space), query, 4, None), vectors, query, 4, space)


def test_many_ties_are_measured_and_returned_in_full():
    vectors = np.zeros((3000, 4), np.float32)
    vectors[:1000] = 1.0
    found = scan_one(scanned(vectors, "l2"), np.ones(4, np.float32), 5, None)
    assert found.rows.tolist() == list(range(1000))
    assert (found.distances == 0.0).all()


def test_a_nan_query_takes_the_first_rows():
    vectors = np.ones((50, 3), np.float32)
    query = np.array([1, np.nan, 2], np.float32)
    assert scan_one(scanned(vectors, "cosine"), query, 3, None).rows.tolist() == [0, 1, 2]
    assert scan_one(scanned(vectors, "l2"), query, 2, np.array([7, 9, 11])).rows.tolist() == [7, 9]


@ALL_SPACES
def test_blocks_do_not_change_what_is_found(space, monkeypatch):
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(900, 12)).astype(np.float32)
    vectors[5], vectors[700] = np.nan, 3e38
    queries = rng.normal(size=(12, 12)).astype(np.float32)
    whole = [set(one.rows.tolist()) for one in scan_batch(scanned(vectors, space), queries, 7, None)]
    monkeypatch.setattr("chroma_search.kernels.blocks.row_blocks.__defaults__", (240,))
    monkeypatch.setattr(exact_scan, "QUERIES_TOGETHER", 5)
    for query, one, before in zip(queries, scan_batch(scanned(vectors, space), queries, 7, None), whole, strict=True):
        must_hold(one, vectors, query, 7, space)
        assert len(before ^ set(one.rows.tolist())) <= 4  # block bounds differ a little, what is needed does not


def test_a_batch_is_worth_it_only_when_it_is_large():
    assert not is_batch(1, 10**6, 1000)
    assert not is_batch(10, 100, 10)
    assert is_batch(100, 10**5, 100)
