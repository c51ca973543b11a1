"""Compiled kernels take arrays as they are: what would have to be copied, or read as something else, is refused."""

import numpy as np
import pytest

from chroma_search.kernels import centroid_list, coded_scan, distance
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget

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
    of = CodedRows(np.ones((4, 6), np.int8), *[np.ones(4, np.float32)] * 3)
    target = CodedTarget(np.ones(5, np.int16), np.float32(1), np.float32(1), np.float32(1))
    with pytest.raises(ValueError, match="dimension"):
        coded_scan.in_reach(of, target, np.empty(0, np.int64), 1, np.float32(np.inf))


def test_marks_that_cannot_be_written_are_refused():
    marks = np.zeros(4, np.uint8)
    marks.flags.writeable = False
    offsets, rows, one = np.array([0, 4]), np.arange(4, dtype=np.int32), np.array([0])
    with pytest.raises(ValueError, match="writeable"):
        centroid_list.rows_in_lists(offsets, rows, one, np.empty(0, np.bool_), marks, 1)
