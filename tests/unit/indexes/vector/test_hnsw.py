"""HNSW: what the contract suite does not ask of every kind."""

import threading

import numpy as np
import pytest

from chroma_search.errors import InvalidConfigError
from chroma_search.indexes.base import VectorRequest
from chroma_search.indexes.vector.codes import RowCodes
from chroma_search.indexes.vector.hnsw import GRAPH, MASKED_GRAPH, HnswIndex
from chroma_search.indexes.vector.hnsw_graph import build_graph, grown_graph
from chroma_search.indexes.vector.parameters import HnswParameters
from chroma_search.kernels.checked_rows import whole
from chroma_search.model.mask import Mask

DIM = 24


def normal(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)


def recall(index, vectors, queries, k, mask, strategy):
    rows = np.arange(len(vectors)) if mask is None else mask.to_rows()
    hits = 0
    for query, found in zip(queries, index.search(queries, k, mask, strategy), strict=True):
        true = np.sort(((vectors[rows].astype(np.float64) - query) ** 2).sum(1))[:k]
        got = np.sort(((vectors[found.rows].astype(np.float64) - query) ** 2).sum(1))[:k]
        hits += np.count_nonzero(got <= true[-1] * (1 + 1e-9))
    return hits / (k * len(queries))


def all_masks(n, seed=1):
    rng = np.random.default_rng(seed)
    return [
        (None, GRAPH),
        (Mask.of_bits(rng.random(n) < 0.8), GRAPH),
        (Mask.of_bits(rng.random(n) < 0.5), MASKED_GRAPH),
        (Mask.of_bits(rng.random(n) < 0.1), MASKED_GRAPH),
    ]


@pytest.mark.slow
def test_equal_vectors_do_not_break_the_graph():
    distinct = normal(2000)
    vectors = np.concatenate([np.repeat(distinct[:1], 2000, axis=0), distinct])
    vectors = vectors[np.random.default_rng(2).permutation(len(vectors))]
    index = HnswIndex.build(vectors, "l2", {})
    queries = distinct[5:45] + normal(40, 3) * 0.1
    for mask, strategy in all_masks(len(vectors)):
        assert recall(index, vectors, queries, 10, mask, strategy) > 0.95


@pytest.mark.slow
def test_rows_sorted_by_topic_do_not_break_the_graph():
    vectors = (np.repeat(normal(30), 150, axis=0) + normal(4500, 4) * 0.01).astype(np.float32)
    index = HnswIndex.build(vectors, "l2", {})
    queries = vectors[np.random.default_rng(5).integers(0, len(vectors), 40)]
    for mask, strategy in all_masks(len(vectors)):
        assert recall(index, vectors, queries, 10, mask, strategy) > 0.95


def test_no_more_than_k_copies_of_one_vector_are_returned_and_the_first_of_them():
    vectors = np.concatenate([np.repeat(normal(1), 500, axis=0), normal(500, 1)])
    index = HnswIndex.build(vectors, "l2", {})
    for k in (5, 50):
        assert index.search(vectors[:1], k, None, GRAPH)[0].rows.tolist() == list(range(k))
    mask = Mask.of_rows(1000, np.arange(100, 1000))
    assert index.search(vectors[:1], 5, mask, MASKED_GRAPH)[0].rows.tolist() == [100, 101, 102, 103, 104]


@pytest.mark.slow
def test_a_filter_far_from_the_query_is_found():
    rng = np.random.default_rng(6)
    near, far = rng.normal(size=(4500, DIM)) * 0.5, rng.normal(size=(500, DIM)) * 0.5 + 8
    vectors = np.concatenate([near, far]).astype(np.float32)
    index = HnswIndex.build(vectors, "l2", {})
    mask = Mask.of_rows(5000, np.arange(4500, 5000))
    queries = vectors[:40] + np.float32(0.01)
    assert recall(index, vectors, queries, 10, mask, MASKED_GRAPH) > 0.95


def test_dead_rows_widen_the_beam():
    vectors = normal(3000)
    index = HnswIndex.build(vectors, "l2", {})
    alive = Mask.of_bits(np.random.default_rng(7).random(3000) < 0.5)
    assert recall(index, vectors, normal(40, 8), 10, alive, GRAPH) > 0.9
    found = index.search(normal(5, 8), 100, alive, GRAPH)
    assert all(len(one) >= 90 for one in found)


def test_a_beam_below_ef_search_changes_nothing_and_a_wider_one_finds_more():
    vectors, queries = normal(4000), normal(60, 9)
    index = HnswIndex.build(vectors, "l2", {"ef_search": 20})
    default = index.search(queries, 10, None, GRAPH)
    narrow = index.search(queries, 10, None, GRAPH, beam=5)
    assert [one.rows.tolist() for one in default] == [one.rows.tolist() for one in narrow]
    wide = index.search(queries, 10, None, GRAPH, beam=300)
    assert sum(one.visited for one in wide) > 3 * sum(one.visited for one in default)


def test_offers_name_one_strategy_and_grow_with_the_work():
    index = HnswIndex.build(normal(2000), "l2", {})

    def offer(k, n_matching, is_filtered, beam=0):
        (only,) = index.offers(VectorRequest(k, n_matching, 2000, is_filtered, beam))
        return only

    assert offer(10, 2000, False).strategy == GRAPH
    assert offer(10, 500, True).strategy == MASKED_GRAPH
    assert not offer(10, 500, True).exact
    assert offer(10, 2000, False).cost_us == offer(50, 2000, False).cost_us < offer(400, 2000, False).cost_us
    assert offer(10, 2000, False).cost_us < offer(10, 2000, False, beam=300).cost_us
    assert offer(10, 1000, False).cost_us > offer(10, 2000, False).cost_us
    assert offer(10, 20, True).cost_us > offer(10, 1000, True).cost_us


@pytest.mark.parametrize("scale", [1e30, 1e-25, np.nan])
def test_vectors_that_float32_cannot_compare_get_no_graph_and_no_offer(scale):
    index = HnswIndex.build(normal(100) * np.float32(scale), "l2", {})
    assert list(index.offers(VectorRequest(5, 100, 100, False))) == []
    assert len(index.search(normal(1), 5, None, GRAPH)[0]) == 0
    assert HnswIndex.from_arrays(normal(100), "l2", {}, index.to_arrays()).offers(VectorRequest(5, 1, 100, True)) == ()


def test_one_such_vector_among_new_rows_withdraws_the_offer():
    vectors = np.concatenate([normal(100), np.full((1, DIM), 1e30, np.float32)])
    extended = HnswIndex.build(vectors[:100], "l2", {}).extended(vectors)
    assert extended is not None
    assert extended.n_rows == 101
    assert extended.offers(VectorRequest(5, 101, 101, False)) == ()


def test_searches_in_many_threads_give_the_answers_of_one():
    vectors, queries = normal(3000), normal(50, 10)
    index = HnswIndex.build(vectors, "l2", {})
    mask = Mask.of_bits(np.random.default_rng(11).random(3000) < 0.3)
    alone = {
        name: [one.rows.tolist() for one in index.search(queries, 10, allowed, name)]
        for allowed, name in ((None, GRAPH), (mask, MASKED_GRAPH))
    }
    wrong = []

    def work():
        for allowed, name in ((None, GRAPH), (mask, MASKED_GRAPH)) * 3:
            if [one.rows.tolist() for one in index.search(queries, 10, allowed, name)] != alone[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_a_graph_that_grows_by_nothing_is_the_same(space):
    vectors = normal(500)
    vectors[100:120] = vectors[0]
    parameters, everything = HnswParameters(), np.setdiff1d(np.arange(500), np.arange(100, 120))
    graph = build_graph(vectors, space, parameters, everything, RowCodes.none())
    same = grown_graph(graph, vectors, space, parameters, everything, RowCodes.none())
    for name, array in graph.to_arrays().items():
        assert np.array_equal(whole(array), whole(same.to_arrays()[name])), name
    assert (graph.links[100:120] == -1).all()
    assert graph.n_layers == graph.levels.max() == graph.levels[graph.entry]


def test_a_graph_links_rows_to_rows_and_growing_leaves_the_old_one_alone():
    vectors = normal(800)
    parameters = HnswParameters(max_neighbors=8)
    old = build_graph(vectors[:500], "l2", parameters, np.arange(500), RowCodes.none())
    before = {name: whole(array).copy() for name, array in old.to_arrays().items()}
    new = grown_graph(old, vectors, "l2", parameters, np.arange(800), RowCodes.none())
    assert all(np.array_equal(before[name], whole(array)) for name, array in old.to_arrays().items())
    assert new.links.shape == (800, 16)
    assert whole(new.links).max() < 800
    assert ((whole(new.links) >= 0).sum(1) > 0).all()
    assert len(new.upper_links) == new.levels.sum()
    assert new.levels[500:].max() > 0
    assert (new.levels[:500] == old.levels).all()


def test_a_bad_parameter_is_refused_before_anything_is_built():
    with pytest.raises(InvalidConfigError, match="ef_search"):
        HnswIndex.build(normal(5), "l2", {"ef_search": 0})


def test_max_neighbors_sets_the_width_of_the_links():
    for given, width in ((1, 4), (5, 10), (48, 96)):
        index = HnswIndex.build(normal(300), "l2", {"max_neighbors": given})
        assert index.to_arrays()["links"].shape == (300, width)
        assert recall(index, normal(300), normal(10, 12), 5, None, GRAPH) > (0.3 if given == 1 else 0.9)


def near_copies(n, seed):
    """Rows of which half are copies with noise of a millionth: codes cannot tell these apart, and few need to."""
    vectors = normal(n, seed).repeat(4, axis=1)
    vectors[1::2] = vectors[::2] * np.float32(1.0 + 1e-6)
    return vectors


def of_varied_length(n, seed):
    lengths = np.random.default_rng(seed).lognormal(0, 0.4, (n, 1))
    vectors = normal(n, seed) + 2 * normal(20, 9)[np.arange(n) % 20]  # about twenty things
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * lengths).astype(np.float32)


@pytest.mark.parametrize("make", [lambda n, seed: normal(n, seed).repeat(4, axis=1), near_copies, of_varied_length])
@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_a_graph_finds_as_much_as_one_of_hnswlib(space, make):
    hnswlib = pytest.importorskip("hnswlib")
    vectors, queries = make(4_000, 1), make(100, 2)
    index = HnswIndex.build(vectors, space, {"ef_search": 30})
    theirs = hnswlib.Index(space, vectors.shape[1])
    theirs.init_index(len(vectors), M=16, ef_construction=100, random_seed=100)
    theirs.add_items(vectors, num_threads=1)
    theirs.set_ef(30)
    labels, _ = theirs.knn_query(queries, k=10, num_threads=1)
    wide, asked = vectors.astype(np.float64), queries.astype(np.float64)
    if space == "cosine":
        wide, asked = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (wide, asked))
    n_ours, n_theirs = 0, 0
    for at, query in enumerate(asked):
        distances = ((wide - query) ** 2).sum(1) if space == "l2" else -(wide @ query)
        kth = np.sort(distances)[9] + 1e-5  # copies are as good as what they are copies of
        n_ours += int((distances[index.search(queries[at : at + 1], 10, None, GRAPH)[0].rows[:10]] <= kth).sum())
        n_theirs += int((distances[labels[at].astype(np.int64)] <= kth).sum())
    assert n_ours >= n_theirs - 20  # of 1,000
