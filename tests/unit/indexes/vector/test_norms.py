"""Norms, odd rows, unit vectors, and what an approximate kind keeps of them."""

import numpy as np
import pytest

from chroma_search.indexes.vector.norms import Magnitudes, RowNorms, norms_of, unit_vectors


def test_norms_are_measured_beyond_the_range_of_float32():
    vectors = np.array([[3, 4], [0, 0], [3e38, 3e38], [1e-45, 0]], np.float32)
    assert norms_of(vectors)[:2].tolist() == [5.0, 0.0]
    assert norms_of(vectors)[2] == pytest.approx(3e38 * 2**0.5)
    assert norms_of(vectors)[3] > 0


def test_odd_rows_are_those_that_float32_cannot_be_trusted_with():
    vectors = np.array([[1, 0], [np.nan, 0], [np.inf, 0], [1e30, 0], [1e-30, 0], [0, 0]], np.float32)
    assert RowNorms.of(vectors, "l2").odd.tolist() == [1, 2, 3]
    assert RowNorms.of(vectors, "cosine").odd.tolist() == [1, 2, 3, 4]
    assert RowNorms.of(vectors, "cosine").inverse.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_measuring_in_two_parts_gives_the_same():
    vectors = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    vectors[[3, 44]] = np.nan
    whole, parts = (
        RowNorms.of(vectors, "cosine"),
        RowNorms.of(vectors[:20], "cosine").followed_by(vectors[20:], "cosine"),
    )
    assert whole.odd.tolist() == parts.odd.tolist()
    assert whole.inverse.tolist() == parts.inverse.tolist()


def test_unit_vectors_of_any_scale_have_length_one_and_zero_stays_zero():
    vectors = np.array([[3, 4], [3e38, -3e38], [1e-44, 0], [0, 0]], np.float32)
    units = unit_vectors(vectors)
    assert np.linalg.norm(units, axis=1).tolist() == pytest.approx([1, 1, 1, 0], abs=1e-6)
    assert np.isnan(unit_vectors(np.array([[np.nan, 1]], np.float32))).any()


@pytest.mark.parametrize(
    ("scale", "space", "is_trusted"),
    [(1, "l2", True), (1e30, "l2", False), (1e-20, "l2", False), (1e-15, "cosine", True), (np.nan, "ip", False)],
)
def test_estimates_are_trusted_when_they_mean_something(scale, space, is_trusted):
    vectors = np.full((4, 3), scale, np.float32)
    kept = Magnitudes.of(vectors, space)
    assert kept.is_trusted is is_trusted
    again = Magnitudes.from_arrays(kept.to_arrays())
    assert again.is_trusted is is_trusted
    assert again.inverse.tolist() == kept.inverse.tolist()


def test_zero_vectors_alone_are_trusted():
    assert Magnitudes.of(np.zeros((3, 2), np.float32), "l2").is_trusted
    assert Magnitudes.of(np.empty((0, 2), np.float32), "cosine").is_trusted
