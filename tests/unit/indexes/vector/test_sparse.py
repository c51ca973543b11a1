"""The sparse index against a plain loop over dicts."""

import math

import numpy as np
import pytest

from chroma_search.indexes.base import SparseIndex
from chroma_search.indexes.vector.sparse import SparsePostings
from chroma_search.model.mask import Mask
from chroma_search.model.sparse_vector import SparseVector


def by_loop(vectors, dimensions, weights, k, mask=None):
    """Measure of each row that shares a dimension; the k smallest with ties of the k-th, NaN last."""
    query = dict(zip(dimensions, weights, strict=True))
    measured = {}
    for row, vector in enumerate(vectors):
        if vector is None or (mask is not None and not mask.test(np.array([row]))[0]):
            continue
        stored = dict(zip(vector.indices, vector.values, strict=True))
        shared = sorted(stored.keys() & query.keys())
        if shared:
            with np.errstate(over="ignore", invalid="ignore"):
                dot = 0.0
                for each in shared:
                    dot += float(np.float64(np.float32(stored[each])) * np.float64(query[each]))
                measured[row] = float(np.float32(1.0 - dot))
    kept = sorted(measured.values(), key=lambda value: (math.isnan(value), value))[:k]
    if not kept or math.isnan(kept[-1]) or len(measured) <= k:
        return measured
    return {row: value for row, value in measured.items() if value <= kept[-1]}


def as_dict(found):
    assert found.exact
    assert len(np.unique(found.rows)) == len(found.rows)
    return dict(zip(found.rows.tolist(), found.distances.tolist(), strict=True))


def random_vectors(n=400, n_dimensions=60, seed=0, span=2**63 - 1):
    rng = np.random.default_rng(seed)
    known = sorted({int(rng.integers(0, span)) for _ in range(n_dimensions)} | {0, span})
    vectors = []
    for _ in range(n):
        if rng.random() < 0.1:
            vectors.append(None)
            continue
        chosen = sorted(rng.choice(len(known), rng.integers(0, 12), replace=False).tolist())
        values = [round(float(v), 1) for v in rng.normal(size=len(chosen))]
        vectors.append(SparseVector([known[i] for i in chosen], values))
    return vectors, known


def test_it_keeps_the_protocol():
    assert isinstance(SparsePostings.build([]), SparseIndex)


def test_random_queries_agree_with_a_loop_to_the_last_bit():
    rng = np.random.default_rng(1)
    vectors, known = random_vectors()
    index = SparsePostings.build(vectors)
    for _ in range(30):
        chosen = sorted(rng.choice(len(known), rng.integers(1, 10), replace=False).tolist())
        dimensions = [known[i] for i in chosen]
        weights = rng.normal(size=len(chosen)).tolist()
        for mask in (
            None,
            Mask.all(400),
            Mask.of_bits(rng.random(400) < 0.4),
            Mask.of_rows(400, np.flatnonzero(rng.random(400) < 0.05)),
            Mask(400, rows=np.flatnonzero(rng.random(400) < 0.1), exclude=True),
        ):
            for k in (1, 5, 1000):
                expected = by_loop(vectors, dimensions, weights, k, mask)
                assert as_dict(index.search(dimensions, weights, k, mask)) == expected


def test_all_ties_with_the_kth_are_returned():
    vectors = [SparseVector([3], [0.5])] * 10 + [SparseVector([3], [0.7])]
    index = SparsePostings.build(vectors)
    assert len(index.search([3], [1.0], 1, None)) == 1
    assert len(index.search([3], [1.0], 2, None)) == 11


def test_a_stored_zero_and_a_zero_weight_are_shared_dimensions():
    index = SparsePostings.build([SparseVector([1], [0.0]), SparseVector([2], [5.0]), None, SparseVector([], [])])
    assert as_dict(index.search([1], [2.0], 5, None)) == {0: 1.0}
    assert as_dict(index.search([2], [0.0], 5, None)) == {1: 1.0}
    assert index.document_frequency([1, 2, 3], None).tolist() == [1, 1, 0]


def test_negative_weights_rank_by_the_same_measure():
    index = SparsePostings.build([SparseVector([1], [-2.0]), SparseVector([1], [1.0])])
    assert as_dict(index.search([1], [-1.0], 1, None)) == {0: -1.0}


def test_an_empty_query_or_an_unknown_dimension_gives_nothing():
    vectors, _ = random_vectors(50)
    index = SparsePostings.build(vectors)
    assert len(index.search([], [], 5, None)) == 0
    assert len(index.search([12345], [1.0], 5, None)) == 0
    assert len(index.search([0], [1.0], 5, Mask.none(50))) == 0


@pytest.mark.parametrize("vectors", [[], [None], [None, None], [SparseVector([], [])]])
def test_an_index_without_postings_answers(vectors):
    index = SparsePostings.build(vectors)
    assert index.n_rows == len(vectors)
    assert len(index.search([1, 2], [1.0, 1.0], 3, None)) == 0
    assert index.document_frequency([1, 2], None).tolist() == [0, 0]


def test_values_beyond_float32_become_infinite_without_a_warning():
    vectors = [SparseVector([1, 2], [1e300, -1e300]), SparseVector([1], [1.0]), SparseVector([1], [1e300])]
    index = SparsePostings.build(vectors)
    found = index.search([1, 2], [1.0, 1.0], 2, None)
    assert as_dict(found) == {1: 0.0, 2: -math.inf}
    everything = index.search([1, 2], [1.0, 1.0], 3, None)
    assert sorted(everything.rows.tolist()) == [0, 1, 2]
    assert math.isnan(as_dict(everything)[0])


def test_document_frequency_counts_live_rows_only():
    vectors, known = random_vectors()
    index = SparsePostings.build(vectors)
    for live in (None, Mask.all(400), Mask(400, rows=np.arange(0, 400, 3), exclude=True), Mask.none(400)):
        expected = [
            sum(
                vector is not None and each in vector.indices and (live is None or bool(live.test(np.array([row]))[0]))
                for row, vector in enumerate(vectors)
            )
            for each in known
        ]
        assert index.document_frequency(known, live).tolist() == expected


def test_dimensions_may_come_in_any_order():
    index = SparsePostings.build([SparseVector([1, 2, 3], [1e16, 1.0, -1e16])])
    ascending = index.search([1, 2, 3], [1.0, 1.0, 1.0], 1, None)
    assert as_dict(index.search([3, 1, 2], [1.0, 1.0, 1.0], 1, None)) == as_dict(ascending)


def test_integer_values_are_taken_as_numbers():
    index = SparsePostings.build([SparseVector([5], [3])])
    assert as_dict(index.search([5], [2], 1, None)) == {0: -5.0}


def test_a_stored_index_answers_the_same():
    vectors, known = random_vectors()
    index = SparsePostings.build(vectors)
    again = SparsePostings.from_arrays(index.to_arrays())
    assert again.n_rows == 400
    for dimension in known[:10]:
        assert as_dict(again.search([dimension], [1.5], 4, None)) == as_dict(index.search([dimension], [1.5], 4, None))
