"""Distances as the spec's table gives them, and independent of what else is measured with them."""

import numpy as np
import pytest

from chroma_search.indexes.vector.exact_distances import exact_distances

VECTORS = np.array([[1, 0], [0, 1], [3, 4], [-1, 0], [0, 0]], np.float32)


@pytest.mark.parametrize(
    ("space", "expected"), [("l2", [1, 5, 17, 9, 4]), ("cosine", [0, 1, 0.4, 2, 1]), ("ip", [-1, 1, -5, 3, 1])]
)
def test_the_table_of_the_spec(space, expected):
    found = exact_distances(np.array([2, 0], np.float32), VECTORS, space)
    assert found == pytest.approx(expected, abs=1e-7)


def test_a_zero_query_has_cosine_distance_one():
    assert exact_distances(np.zeros(2, np.float32), VECTORS, "cosine").tolist() == [1.0] * 5


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_a_distance_does_not_depend_on_the_other_rows(space):
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(300, 97)).astype(np.float32)
    query = rng.normal(size=97).astype(np.float32)
    together = exact_distances(query, vectors, space)
    alone = [exact_distances(query, vectors[row : row + 1], space)[0] for row in range(300)]
    assert together.tolist() == alone


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_nan_and_overflow_are_results_without_a_warning(space):
    big = np.full((1, 4), 3e38, np.float32)
    assert np.isnan(exact_distances(np.array([np.nan] * 4, np.float32), big, space)).all()
    assert len(exact_distances(-big[0], big, space)) == 1
