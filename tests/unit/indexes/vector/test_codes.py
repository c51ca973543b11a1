"""Codes of rows: what they estimate, when they are not trusted, and that a search with them finds as much."""

import numpy as np
import pytest

from chroma_search.indexes.vector.codes import LEAST_DIM, RowCodes, code_rows
from chroma_search.indexes.vector.hnsw import GRAPH, MASKED_GRAPH, HnswIndex
from chroma_search.kernels.graph_search import SPACE_CODES, coded_query
from chroma_search.model.distance import SPACES, exact_distances
from chroma_search.model.mask import Mask

N, DIM = 1_500, 96


def clustered(dim=DIM, n=N, seed=5):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(30, dim)) * 2
    return (centres[rng.integers(30, size=n)] + rng.normal(size=(n, dim)) + 1.0).astype(np.float32)


@pytest.mark.parametrize("space", SPACES)
def test_codes_estimate_distances_up_to_a_constant(space):
    rows, query = clustered(), clustered(seed=6)[0]
    target = query / np.linalg.norm(query) if space == "cosine" else query
    codes = RowCodes.of(rows, space)
    code, factor = coded_query(target, codes.centre, SPACE_CODES[space])
    estimates = codes.offsets - factor * codes.scales * (codes.values.astype(np.float64) @ code)
    distances = exact_distances(query, rows, space)
    errors = estimates - distances
    assert np.std(errors) < 0.02 * np.std(distances)


@pytest.mark.parametrize("space", SPACES)
def test_a_search_by_codes_finds_what_a_search_by_vectors_finds(space):
    rows, queries = clustered(), clustered(n=40, seed=6)
    index = HnswIndex.build(rows, space, {})
    arrays = index.to_arrays()
    assert arrays["codes"].shape == (N, DIM)
    plain = HnswIndex.from_arrays(rows, space, {}, {**arrays, **RowCodes.none().to_arrays()})
    mask = Mask.of_bits(np.arange(N) % 3 == 0)
    for strategy, allowed in ((GRAPH, None), (MASKED_GRAPH, mask)):
        by_code = index.search(queries, 10, allowed, strategy)
        by_vector = plain.search(queries, 10, allowed, strategy)
        common = [
            len(set(left.rows[:10].tolist()) & set(right.rows[:10].tolist()))
            for left, right in zip(by_code, by_vector, strict=True)
        ]
        assert np.mean(common) >= 9.8


def test_codes_that_cannot_tell_neighbours_apart_are_not_used():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N, DIM)).astype(np.float32)
    rows[:, 0] = rng.integers(40, size=N) * 100  # one element drowns the others in the size of a step
    index = HnswIndex.build(rows, "l2", {})
    assert not len(index.to_arrays()["codes"])
    found = index.search(rows[:50], 1, None, GRAPH)
    assert np.mean([answer.rows[0] == row for row, answer in enumerate(found)]) > 0.9


def test_short_vectors_and_few_rows_have_no_codes():
    links = np.array([[1, -1], [0, -1]], np.int32)
    assert not len(code_rows(np.ones((2, LEAST_DIM - 1), np.float32), "l2", links).values)
    assert not len(code_rows(np.empty((0, DIM), np.float32), "l2", links[:0]).values)
    assert not len(code_rows(np.ones((2, DIM), np.float32), "l2", links).values)


@pytest.mark.parametrize("space", SPACES)
def test_rows_without_spread_and_queries_at_their_centre_have_an_answer(space):
    rows = np.full((N, DIM), 2.0, np.float32)
    rows[:, 0] += np.arange(N) % 7
    index = HnswIndex.build(rows, space, {})
    for query in (rows[:1], rows.mean(axis=0, keepdims=True), np.zeros((1, DIM), np.float32)):
        assert len(index.search(query, 5, None, GRAPH)[0]) >= 5


def test_stored_codes_open_again():
    rows = clustered()
    index = HnswIndex.build(rows, "cosine", {})
    again = HnswIndex.from_arrays(rows, "cosine", {}, index.to_arrays())
    left, right = index.search(rows[:5], 10, None, GRAPH), again.search(rows[:5], 10, None, GRAPH)
    assert [one.rows.tolist() for one in left] == [one.rows.tolist() for one in right]
