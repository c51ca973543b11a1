"""SPANN: centroids, lists, and what the contract suite does not ask of every kind."""

import numpy as np
import pytest

from chroma_search.indexes.base import VectorRequest
from chroma_search.indexes.vector import centroid_lists
from chroma_search.indexes.vector.clustering import k_means, make_centroids, mean_point, squared_distances
from chroma_search.indexes.vector.exact_distances import exact_distances
from chroma_search.indexes.vector.points import Points
from chroma_search.indexes.vector.spann import LISTS, MASKED_LISTS, SpannIndex
from chroma_search.kernels.checked_rows import whole
from chroma_search.model.mask import Mask

DIM = 12


def normal(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)


def recall(index, vectors, queries, k, mask, strategy):
    rows = np.arange(len(vectors)) if mask is None else mask.to_rows()
    hits = 0
    for query, found in zip(queries, index.search(queries, k, mask, strategy), strict=True):
        true = np.sort(exact_distances(query, vectors[rows], "l2"))[:k]
        hits += np.count_nonzero(np.sort(exact_distances(query, vectors[found.rows], "l2"))[:k] <= true[-1])
    return hits / (k * len(queries))


def test_k_means_finds_clusters_that_are_apart():
    centres = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
    noise = np.random.default_rng(0).normal(size=(150, 2)) * 0.1
    rows = (np.repeat(centres, 50, axis=0) + noise).astype(np.float32)
    found = k_means(rows, 3)
    assert np.sort(squared_distances(centres, found, centres[0]).min(axis=1)).max() < 0.1


def test_k_means_of_equal_rows_ends():
    assert (k_means(np.ones((20, 3), np.float32), 4) == 1.0).all()


@pytest.mark.parametrize("list_size", [25, 50, 200])
def test_no_more_rows_than_allowed_share_a_cluster(list_size):
    vectors = np.concatenate([normal(1500), normal(500, 1) * 0.001 + 5]).astype(np.float32)
    centroids = make_centroids(Points(vectors, "l2", 0.0), list_size)
    assert len(centroids) >= 2000 / list_size
    assert len(centroids) < 2000 / 3
    nearest = squared_distances(vectors, centroids, centroids[0]).argmin(axis=1)
    assert np.bincount(nearest).mean() <= list_size
    assert (make_centroids(Points(vectors.copy(), "l2", 0.0), list_size) == centroids).all()


def test_equal_rows_share_one_centroid_however_many():
    vectors = np.full((1000, 3), 7.5, np.float32)
    assert make_centroids(Points(vectors, "l2", 0.0), 50).tolist() == [[7.5, 7.5, 7.5]]
    assert mean_point(Points(vectors, "l2", 0.0), np.arange(10)).tolist() == [7.5, 7.5, 7.5]


def test_distances_far_from_the_origin_are_told_apart():
    rows = (1000 + np.random.default_rng(1).normal(size=(50, 8)) * 0.1).astype(np.float32)
    got = squared_distances(rows, rows[:10], rows[0])
    true = ((rows[:, None].astype(np.float64) - rows[:10]) ** 2).sum(2)
    assert np.abs(got - true).max() < 1e-4


def test_every_row_stands_in_a_list_and_in_no_more_than_allowed():
    vectors = normal(2000)
    for count in (1, 3, 8):
        arrays = SpannIndex.build(vectors, "l2", {"nreplica_count": count}).to_arrays()
        times = np.bincount(arrays["rows"], minlength=2000)
        assert times.min() == 1
        assert times.max() <= count
        assert arrays["offsets"][-1] == len(arrays["rows"])
        for start, end in zip(arrays["offsets"][:-1], arrays["offsets"][1:], strict=True):
            assert (np.diff(arrays["rows"][start:end]) > 0).all()


def test_more_probes_read_more_rows_and_find_more():
    vectors, queries = normal(4000), normal(40, 2)
    few, many = (SpannIndex.build(vectors, "l2", {"search_nprobe": probes}) for probes in (2, 128))
    visited = [sum(one.visited for one in index.search(queries, 10, None, LISTS)) for index in (few, many)]
    assert visited[0] * 5 < visited[1]
    assert recall(few, vectors, queries, 10, None, LISTS) < recall(many, vectors, queries, 10, None, LISTS)


def test_lists_are_read_on_until_k_rows_are_met():
    vectors = normal(3000)
    index = SpannIndex.build(vectors, "l2", {"search_nprobe": 1})
    for k in (100, 2999, 3000, 9999):
        assert len(index.search(normal(1, 3), k, None, LISTS)[0]) >= min(k, 3000)
    mask = Mask.of_rows(3000, np.arange(0, 3000, 10))
    for strategy in (LISTS, MASKED_LISTS):
        assert len(index.search(normal(1, 3), 300, mask, strategy)[0]) == 300
    assert index.search(normal(1, 3), 5, None, LISTS, beam=500)[0].visited >= 500


def test_a_filter_far_from_the_query_is_found_because_other_lists_are_dropped_first():
    rng = np.random.default_rng(4)
    vectors = np.concatenate([rng.normal(size=(3600, DIM)), rng.normal(size=(400, DIM)) + 6]).astype(np.float32)
    index = SpannIndex.build(vectors, "l2", {"search_nprobe": 12})
    mask = Mask.of_rows(4000, np.arange(3600, 4000))
    queries = normal(30, 5)
    assert recall(index, vectors, queries, 10, mask, MASKED_LISTS) > 0.9
    dropped = index.search(queries, 1, mask, MASKED_LISTS)
    assert max(one.visited for one in dropped) <= 400


def test_new_rows_join_existing_lists_until_they_are_twice_as_many():
    vectors = normal(2001)
    index = SpannIndex.build(vectors[:1000], "l2", {})
    before = {name: whole(array).copy() for name, array in index.to_arrays().items()}
    doubled = index.extended(vectors[:2000])
    assert doubled is not None
    assert len(doubled.to_arrays()["centroids"]) == len(before["centroids"])
    assert recall(doubled, vectors[:2000], vectors[1000:1050], 1, None, LISTS) == 1.0
    assert index.extended(vectors) is None
    assert doubled.extended(vectors) is None
    assert all((before[name] == array).all() for name, array in index.to_arrays().items())


def test_an_empty_index_asks_to_be_rebuilt():
    assert SpannIndex.build(normal(0), "l2", {}).extended(normal(5)) is None
    assert SpannIndex.build(normal(0), "l2", {}).offers(VectorRequest(5, 0, 0, False)) == ()


def test_many_lists_are_found_through_a_graph(monkeypatch):
    monkeypatch.setattr(centroid_lists, "PRODUCT_LISTS", 50)
    vectors, queries = normal(6000), normal(30, 6)
    index = SpannIndex.build(vectors, "l2", {"search_nprobe": 24, "split_threshold": 25})
    arrays = index.to_arrays()
    assert "centroid_links" in arrays
    assert len(arrays["centroids"]) > 200
    assert np.bincount(arrays["rows"], minlength=6000).min() == 1
    mask = Mask.of_bits(np.random.default_rng(7).random(6000) < 0.05)
    reopened = SpannIndex.from_arrays(vectors, "l2", {"search_nprobe": 24, "split_threshold": 25}, arrays)
    for allowed, strategy in ((None, LISTS), (mask, MASKED_LISTS)):
        assert recall(index, vectors, queries, 10, allowed, strategy) > 0.7
        for left, right in zip(
            *(each.search(queries, 10, allowed, strategy) for each in (index, reopened)), strict=True
        ):
            assert left.rows.tolist() == right.rows.tolist()


def test_offers_name_one_strategy():
    index = SpannIndex.build(normal(2000), "l2", {})
    (plain,) = index.offers(VectorRequest(10, 2000, 2000, False))
    (masked,) = index.offers(VectorRequest(10, 200, 2000, True))
    assert (plain.strategy, masked.strategy) == (LISTS, MASKED_LISTS)
    assert not plain.exact
    assert masked.cost_us < plain.cost_us
    (greedy,) = index.offers(VectorRequest(1500, 2000, 2000, False))
    assert greedy.cost_us >= plain.cost_us
