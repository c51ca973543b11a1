"""What every dense vector index kind must keep, whatever its algorithm: one suite over the registry.

A kind that is registered is tested here the same day. Exact offers must hold every row that could be among the k
nearest (ties and roundings included); approximate ones must meet a recall floor and never leave the mask.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from chroma_search.indexes.base import VectorIndex, VectorRequest
from chroma_search.indexes.registry import VECTOR_INDEX_KINDS, vector_index
from chroma_search.indexes.vector.exact_distances import exact_distances
from chroma_search.model.distance import SPACES
from chroma_search.model.mask import Mask

KINDS = sorted(VECTOR_INDEX_KINDS)
N, DIM, K = 3000, 72, 10  # long enough for codes
RECALL_FLOOR = {"l2": 0.95, "cosine": 0.95, "ip": 0.9}

pytestmark = [pytest.mark.parametrize("kind", KINDS), pytest.mark.parametrize("space", SPACES)]


@functools.cache
def clustered(n: int = N, seed: int = 1):
    """Rows around 20 centres, sorted by centre, so that a run of rows is a filter that avoids most queries."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, DIM)) * 2
    label = np.sort(rng.integers(0, 20, n))
    return (centres[label] + rng.normal(size=(n, DIM))).astype(np.float32)


@functools.cache
def queries(count: int = 20):
    rng = np.random.default_rng(2)
    return (clustered()[rng.integers(0, N, count)] + rng.normal(size=(count, DIM)) * 0.3).astype(np.float32)


@functools.cache
def built(kind, space):
    return vector_index(kind).build(clustered(), space, {})


def offers_of(index, mask, k=K):
    n = index.n_rows
    request = VectorRequest(k, n if mask is None else mask.count(), n, is_filtered=mask is not None)
    return index.offers(request)


def check_shape(found, index, mask):
    assert found.rows.dtype == np.int64
    assert found.distances.dtype == np.float64
    assert found.rows.shape == found.distances.shape
    assert len(np.unique(found.rows)) == len(found.rows)
    if len(found.rows):
        assert found.rows.min() >= 0
        assert found.rows.max() < index.n_rows
        if mask is not None:
            assert mask.test(found.rows).all()


def allowed(index, mask):
    return np.arange(index.n_rows) if mask is None else mask.to_rows()


def check_complete(found, vectors, space, query, k, rows):
    """Assert that every row with a distance up to the k-th smallest (NaN last) was found."""
    distances = exact_distances(query, vectors[rows], space)
    kth = np.sort(distances)[min(k, len(rows)) - 1] if len(rows) else np.nan
    must = rows[distances <= kth] if not np.isnan(kth) else rows
    missing = np.setdiff1d(must, found.rows)
    assert not len(missing), f"rows {missing[:5]} are among the {k} nearest but were not found"


def recall(found, vectors, space, query, k, rows):
    """Share of the k nearest found; a found row counts when it is no farther than the true k-th."""
    distances = np.sort(exact_distances(query, vectors[rows], space))[:k]
    if not len(distances):
        return 1.0
    got = np.sort(exact_distances(query, vectors[found.rows], space))[:k]
    return np.count_nonzero(got <= distances[-1]) / len(distances)


def search_all(index, vectors, space, asked, k, mask, floor=None):
    """Run every offer; check shapes, exactness or recall. Returns the answers by strategy."""
    answers = {}
    rows = allowed(index, mask)
    for offer in offers_of(index, mask, k):
        assert offer.cost_us > 0
        assert offer.reason
        found = index.search(asked, k, mask, offer.strategy)
        assert len(found) == len(asked)
        for one, query in zip(found, asked, strict=True):
            check_shape(one, index, mask)
            assert one.exact or not offer.exact
            if one.exact or offer.nearly_exact:  # the latter by chance only, and numbers drawn once: no run differs
                check_complete(one, vectors, space, query, k, rows)
        if floor is not None:
            mean = np.mean([recall(one, vectors, space, q, k, rows) for one, q in zip(found, asked, strict=True)])
            assert mean >= floor, f"{offer.strategy}: recall {mean:.3f} below {floor}"
        answers[offer.strategy] = found
    return answers


MASKS = {
    "all dense": lambda rng: Mask.of_bits(np.ones(N, np.bool_)),
    "dense half": lambda rng: Mask.of_bits(rng.random(N) < 0.5),
    "dense tenth": lambda rng: Mask.of_bits(rng.random(N) < 0.1),
    "sparse hundredth": lambda rng: Mask.of_rows(N, np.flatnonzero(rng.random(N) < 0.01)),
    "excluded fifth": lambda rng: Mask(N, rows=np.flatnonzero(rng.random(N) < 0.2), exclude=True),
    "one cluster": lambda rng: Mask.of_rows(N, np.arange(300, 450)),
    "last rows": lambda rng: Mask.of_rows(N, np.arange(N - 1500, N)),
}


@pytest.mark.parametrize("mask_name", sorted(MASKS))
def test_a_probe_tells_the_share_of_allowed_rows_near_the_query(kind, space, mask_name):
    index, mask = built(kind, space), MASKS[mask_name](np.random.default_rng(3))
    for query in queries(3):
        probe = index.probe(query, mask)
        assert 0.0 <= probe.pass_rate <= 1.0
        assert not (probe.is_far and probe.pass_rate > mask.count() / N)


@pytest.mark.parametrize("mask_name", sorted(MASKS))
def test_answers_stay_in_the_mask_and_meet_the_recall_floor(kind, space, mask_name):
    index, mask = built(kind, space), MASKS[mask_name](np.random.default_rng(3))
    search_all(index, clustered(), space, queries(), K, mask, RECALL_FLOOR[space])


@pytest.mark.parametrize("dim", [256, 300])
def test_long_vectors_are_found_as_well(kind, space, dim):
    """Vectors that are long enough for sketches, too; near few directions, and some of them equal."""
    rng = np.random.default_rng(dim)
    turn = rng.normal(size=(DIM, dim)) * 0.97 ** np.arange(DIM)[:, None]
    vectors = (clustered()[:1_200] @ turn + rng.normal(size=(1_200, dim)) / 2).astype(np.float32)
    vectors[100:130] = vectors[0]
    index = vector_index(kind).build(vectors, space, {})
    asked = (vectors[[0, 500, 900]] + rng.normal(size=(3, dim)) / 4).astype(np.float32)
    asked[2] = vectors[0]
    for mask in (None, Mask.of_bits(rng.random(1_200) < 0.5), Mask.of_rows(1_200, np.arange(600))):
        answers = search_all(index, vectors, space, asked, K, mask, RECALL_FLOOR[space])
        if kind in ("hnsw", "coded"):
            assert {"coded_scan", "sketch_scan"} <= set(answers)


def test_an_unfiltered_search_meets_the_recall_floor(kind, space):
    index = built(kind, space)
    assert isinstance(index, VectorIndex)
    assert index.n_rows == N
    search_all(index, clustered(), space, queries(), K, None, RECALL_FLOOR[space])


def test_a_mask_of_no_row_gives_no_candidate(kind, space):
    index = built(kind, space)
    for mask in (Mask.none(N), Mask.of_bits(np.zeros(N, np.bool_)), Mask(N, rows=np.arange(N), exclude=True)):
        for answers in search_all(index, clustered(), space, queries(3), K, mask).values():
            assert [len(one) for one in answers] == [0, 0, 0]


def test_a_mask_of_one_row_gives_at_most_that_row(kind, space):
    index = built(kind, space)
    for row in (0, 1234, N - 1):
        search_all(index, clustered(), space, queries(3), K, Mask.of_rows(N, np.array([row])))


def test_every_row_is_found_when_k_exceeds_their_number(kind, space):
    vectors = clustered()[:60]
    index = vector_index(kind).build(vectors, space, {})
    for mask in (None, Mask.of_rows(60, np.arange(0, 60, 2))):
        search_all(index, vectors, space, queries(3), 500, mask)
        for offer in offers_of(index, mask, 500):
            if offer.exact:
                found = index.search(queries(1), 500, mask, offer.strategy)[0]
                assert sorted(found.rows.tolist()) == allowed(index, mask).tolist()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 17])
def test_tiny_segments_work(kind, space, n):
    vectors = clustered()[:n].copy()
    index = vector_index(kind).build(vectors, space, {})
    assert index.n_rows == n
    for mask in (None, Mask.all(n), Mask.none(n), Mask.of_bits(np.ones(n, np.bool_))):
        for k in (1, 5):
            search_all(index, vectors, space, queries(2), k, mask)
    extended = index.extended(clustered()[: n + 5].copy())
    if extended is not None:
        assert extended.n_rows == n + 5
        search_all(extended, clustered()[: n + 5], space, queries(2), 5, None)


def test_no_query_gives_no_answer(kind, space):
    index = built(kind, space)
    for offer in offers_of(index, None):
        assert index.search(np.empty((0, DIM), np.float32), K, None, offer.strategy) == []


def test_ties_with_the_kth_are_all_in_an_exact_answer(kind, space):
    vectors = np.repeat(clustered()[::100], 40, axis=0)  # 30 distinct rows, 40 times each
    index = vector_index(kind).build(vectors, space, {})
    for mask in (None, Mask.of_rows(len(vectors), np.arange(0, len(vectors), 3))):
        search_all(index, vectors, space, vectors[::150], 5, mask)


def test_equal_vectors_only(kind, space):
    vectors = np.ones((1500, DIM), np.float32)
    index = vector_index(kind).build(vectors, space, {})
    for answers in search_all(index, vectors, space, vectors[:2] * 3, 7, None).values():
        assert all(len(one) >= 7 for one in answers)


def test_zero_vectors_are_at_cosine_distance_one(kind, space):
    vectors = clustered().copy()
    vectors[::7] = 0.0
    index = vector_index(kind).build(vectors, space, {})
    asked = np.concatenate([queries(4), np.zeros((1, DIM), np.float32)])
    zeros = Mask.of_rows(N, np.arange(0, N, 7))
    search_all(index, vectors, space, asked, 5, None)
    for answers in search_all(index, vectors, space, asked, 5, zeros).values():
        for one in answers if space == "cosine" else []:
            assert np.allclose(one.distances, 1.0, atol=1e-6)


def test_a_nan_query_gives_valid_rows_without_a_warning(kind, space):
    index = built(kind, space)
    asked = queries(6).copy()
    asked[0, 3] = np.nan
    asked[1] = np.nan
    asked[2, 0] = np.inf
    asked[3] = -np.inf
    for mask in (None, Mask.of_rows(N, np.arange(5, N, 11))):
        for offer in offers_of(index, mask):
            found = index.search(asked, K, mask, offer.strategy)
            for one in found:
                check_shape(one, index, mask)
            rows = allowed(index, mask)
            for one, query in zip(found[4:], asked[4:], strict=True):
                assert recall(one, clustered(), space, query, K, rows) >= 0.5
            if offer.exact:
                assert all(len(one) >= K for one in found)


@pytest.mark.parametrize("scale", [3e38, 1e19, 1e-19, 1e-30, 1e-44])
def test_extreme_magnitudes_neither_fail_nor_lose_rows(kind, space, scale):
    rng = np.random.default_rng(5)
    vectors = (rng.uniform(-1, 1, (1200, 8)) * scale).astype(np.float32)
    index = vector_index(kind).build(vectors, space, {})
    asked = np.concatenate([vectors[:3], rng.normal(size=(2, 8)).astype(np.float32)])
    for mask in (None, Mask.of_rows(1200, np.arange(0, 1200, 5))):
        search_all(index, vectors, space, asked, 5, mask)
    search_all(index, vectors, space, np.repeat(asked, 30, axis=0), 5, None)


def test_rows_far_from_the_origin_and_close_together_are_told_apart(kind, space):
    rng = np.random.default_rng(6)
    vectors = (1000.0 + rng.normal(size=(2000, DIM)) * 0.01).astype(np.float32)
    index = vector_index(kind).build(vectors, space, {})
    asked = (1000.0 + rng.normal(size=(100, DIM)) * 0.01).astype(np.float32)
    search_all(index, vectors, space, asked, 5, None)


def test_stored_nan_and_inf_do_no_harm(kind, space):
    vectors = clustered()[:1200].copy()
    vectors[7] = np.nan
    vectors[8, 2] = np.inf
    vectors[900, 1] = -np.inf
    index = vector_index(kind).build(vectors, space, {})
    for k in (5, 1199, 1200):
        search_all(index, vectors, space, queries(5), k, None)
    search_all(index, vectors, space, queries(5), 3, Mask.of_rows(1200, np.array([7, 8, 20, 30, 900])))
    search_all(index, vectors, space, np.repeat(queries(5), 300, axis=0), 5, None)


def test_the_same_input_gives_the_same_answers(kind, space):
    first = built(kind, space)
    second = vector_index(kind).build(clustered().copy(), space, {})
    for mask in (None, Mask.of_bits(np.random.default_rng(4).random(N) < 0.3)):
        for offer in offers_of(first, mask):
            for left, right, again in zip(
                first.search(queries(), K, mask, offer.strategy),
                second.search(queries(), K, mask, offer.strategy),
                first.search(queries(), K, mask, offer.strategy),
                strict=True,
            ):
                assert left.rows.tolist() == right.rows.tolist() == again.rows.tolist()
                assert left.distances.tolist() == right.distances.tolist()


def test_a_query_gets_the_same_rows_alone_and_in_a_batch(kind, space):
    index = built(kind, space)
    for offer in offers_of(index, None):
        together = index.search(queries(), K, None, offer.strategy)
        for one, query in zip(together, queries(), strict=True):
            alone = index.search(query[None], K, None, offer.strategy)[0]
            nearest = [
                found.rows[np.lexsort((found.rows, exact_distances(query, clustered()[found.rows], space)))][:K]
                for found in (one, alone)
            ]
            assert nearest[0].tolist() == nearest[1].tolist()


def test_the_nearest_five_are_the_first_of_the_nearest_fifty(kind, space):
    index = built(kind, space)
    for mask in (None, Mask.of_bits(np.random.default_rng(4).random(N) < 0.3)):
        for offer in offers_of(index, mask):
            for query in queries():
                few, many = (index.search(query[None], k, mask, offer.strategy)[0] for k in (5, 50))
                ranked = [
                    found.rows[np.lexsort((found.rows, exact_distances(query, clustered()[found.rows], space)))]
                    for found in (few, many)
                ]
                assert ranked[0][:5].tolist() == ranked[1][:5].tolist()


def test_an_extended_index_finds_the_new_rows_and_the_old_one_never_does(kind, space):
    n_old = 2400
    vectors = clustered()
    shuffled = vectors[np.random.default_rng(8).permutation(N)]
    old = vector_index(kind).build(shuffled[:n_old].copy(), space, {})
    before = {offer.strategy: old.search(queries(), K, None, offer.strategy) for offer in offers_of(old, None)}
    new = old.extended(shuffled)
    assert new is not None
    assert new.n_rows == N
    search_all(new, shuffled, space, queries(), K, None, RECALL_FLOOR[space])
    search_all(new, shuffled, space, queries(), K, Mask.of_rows(N, np.arange(n_old, N)), RECALL_FLOOR[space])
    assert old.n_rows == n_old
    for strategy, answers in before.items():
        for left, right in zip(answers, old.search(queries(), K, None, strategy), strict=True):
            assert left.rows.tolist() == right.rows.tolist()
    newer_mask = Mask.of_bits(np.ones(N, np.bool_))
    for offer in offers_of(old, None):
        for one in old.search(queries(), K, newer_mask, offer.strategy):
            assert one.rows.max() < n_old


def test_extending_row_by_row_keeps_the_recall(kind, space):
    vectors = clustered()
    shuffled = vectors[np.random.default_rng(9).permutation(N)]
    index = vector_index(kind).build(shuffled[: N - 40].copy(), space, {})
    for n in range(N - 39, N + 1):
        longer = index.extended(shuffled[:n])
        index = longer if longer is not None else vector_index(kind).build(shuffled[:n].copy(), space, {})
    search_all(index, shuffled, space, queries(), K, None, RECALL_FLOOR[space])
    search_all(index, shuffled, space, shuffled[N - 40 :], 1, Mask.of_rows(N, np.arange(N - 40, N)), 0.95)


def test_a_stored_index_answers_like_the_one_that_was_built(kind, space):
    index = built(kind, space)
    arrays = index.to_arrays()
    reopened = vector_index(kind).from_arrays(clustered(), space, {}, arrays)
    for mask in (None, Mask.of_bits(np.random.default_rng(4).random(N) < 0.3)):
        for offer in offers_of(index, mask):
            for left, right in zip(
                index.search(queries(), K, mask, offer.strategy),
                reopened.search(queries(), K, mask, offer.strategy),
                strict=True,
            ):
                assert left.rows.tolist() == right.rows.tolist()


def test_vectors_mapped_read_only_work(kind, space, tmp_path):
    path = tmp_path / "vectors.f32"
    clustered().tofile(path)
    mapped = np.memmap(path, np.float32, mode="r", shape=(N, DIM))
    index = vector_index(kind).build(mapped, space, {})
    search_all(index, clustered(), space, queries(), K, Mask.of_rows(N, np.arange(0, N, 4)), RECALL_FLOOR[space])


def test_unknown_parameters_are_ignored_and_none_means_the_default(kind, space):
    index = vector_index(kind).build(clustered()[:50].copy(), space, {"space": space, "no_such": 1, "ef_search": None})
    search_all(index, clustered()[:50], space, queries(2), 3, None)


def test_offers_are_data_without_a_search(kind, space):
    for n_matching in (0, 1, 100, N):
        for is_filtered in (False, True):
            request = VectorRequest(K, n_matching, N, is_filtered)
            offers = built(kind, space).offers(request)
            assert offers
            assert list(offers) == list(built(kind, space).offers(request))
