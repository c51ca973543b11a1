"""Compiled kernels take arrays as they are: what would have to be copied, or read as something else, is refused."""

import numpy as np
import pytest

from chroma_search.kernels import centroid_list, coded_scan, distance
from chroma_search.kernels.coded_scan import SKETCH, CodedRows, MeasuredRows, SketchedRows

VECTORS = np.ones((4, 6), np.float32)
QUERY = np.ones(6, np.float32)


@pytest.mark.parametrize(
    "vectors", [VECTORS.astype(np.float64), VECTORS[:, ::2], VECTORS.T, VECTORS.astype(">f4"), VECTORS.tolist()]
)
def test_another_dtype_or_order_is_refused(vectors):
    with pytest.raises((TypeError, AttributeError)):
        distance.l2_all(vectors, QUERY)


def test_a_query_of_another_dtype_or_dimension_is_refused():
    with pytest.raises(TypeError):
        distance.dot_all(VECTORS, QUERY.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dimension"):
        distance.dot_all(VECTORS, QUERY[:5])
    ones, nothing = np.ones(4, np.float32), np.empty(0, np.float32)
    measured = MeasuredRows(VECTORS, nothing, 0)
    coded = CodedRows(np.ones((4, 6), np.int8), ones, ones, ones, QUERY, nothing, 1.0, 1.0)
    no_rows, no_bits = np.empty(0, np.int64), np.empty(0, np.bool_)
    none = np.empty((0, SKETCH), np.int8), np.empty((0, 0), np.uint8), np.empty((0, SKETCH), np.float32)
    sketched = SketchedRows(*none, nothing, 0.0)
    for point, rows, bits in ((QUERY[:5], no_rows, no_bits), (QUERY, no_rows, np.ones(3, np.bool_))):
        with pytest.raises(ValueError, match="dimension"):
            coded_scan.in_reach(measured, coded, sketched, point, rows, bits, 1, np.inf, 0.0)
    with pytest.raises(ValueError, match="more rows"):
        coded_scan.in_reach(measured, coded, sketched, QUERY, np.arange(2), no_bits, 2, np.inf, 0.0)


def test_marks_that_cannot_be_written_are_refused():
    marks = np.zeros(4, np.uint8)
    marks.flags.writeable = False
    offsets, rows, one = np.array([0, 4]), np.arange(4, dtype=np.int32), np.array([0])
    with pytest.raises(ValueError, match="writeable"):
        centroid_list.rows_in_lists(offsets, rows, one, np.empty(0, np.bool_), marks, 1)
