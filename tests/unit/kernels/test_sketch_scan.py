"""The compiled sketch scan against the reference, ties included; what it rules out is far."""

import numpy as np
import pytest

from chroma_search.kernels import sketch_scan
from chroma_search.kernels.graph_search import SPACE_CODES
from chroma_search.kernels.sketch_scan import HALF, Measure, SketchedRows, SketchedTarget
from tests.reference import sketch_scan as reference

BOTH = pytest.mark.parametrize("kernels", [reference, sketch_scan], ids=["numpy", "compiled"])
DIM = 300
EVERYTHING = np.empty(0, np.int64)


def random_rows(n, seed):
    rng = np.random.default_rng(seed)
    first, second = (rng.integers(-3, 4, (n, HALF)).astype(np.int8) for _ in range(2))
    norms = [np.column_stack([rng.choice([0.0, 0.5], n), rng.choice(rests, n)]) for rests in ([0.0, 8.0], [0.0, 4.0])]
    terms = np.column_stack([rng.integers(0, 50, n), rng.choice([1.0, 2.0], n), norms[0]])
    return SketchedRows(first, terms.astype(np.float32), second, norms[1].astype(np.float32))


def random_measure(n, space, rng):
    """Vectors of small integers, whose sums are exact in any order."""
    vectors, query = (rng.integers(-3, 4, shape).astype(np.float32) for shape in ((n, DIM), DIM))
    inverse = rng.choice([0.0, 0.25, 0.5], n).astype(np.float32)
    return Measure(vectors, inverse, query, SPACE_CODES[space], 2.0**-6, -8.0)


@pytest.mark.parametrize("space", SPACE_CODES)
@pytest.mark.parametrize("slack", [0.0, 1.0, 100.0])
def test_both_versions_keep_the_same_rows(slack, space):
    for seed, n in enumerate((2, 50, 700)):
        sketched, rng = random_rows(n, seed), np.random.default_rng(seed)
        measure, factor = random_measure(n, space, rng), np.float32(2.0**-7)
        slopes = np.array([0.5, 1.0, slack], np.float32)
        code = rng.integers(-1000, 1000, 2 * HALF).astype(np.int16)
        aim = SketchedTarget(code, factor, slopes, slopes * np.float32(0.5))
        for rows in (EVERYTHING, np.sort(rng.choice(n, max(2, n // 3), replace=False))):
            for k in (1, 2, 20):
                if k < (len(rows) or n):
                    for within in (np.float32(np.inf), np.float32(-30), np.float32(-1e38)):
                        left, least = reference.not_ruled_out(sketched, aim, measure, rows, k, within)
                        right, limit = sketch_scan.not_ruled_out(sketched, aim, measure, rows, k, within)
                        assert left.dtype == right.dtype == np.int64
                        assert (left.tolist(), least) == (right.tolist(), limit)


@BOTH
def test_rows_beyond_the_kth_are_ruled_out_up_to_the_error_of_their_sketch(kernels):
    first, second = np.zeros((8, HALF), np.int8), np.zeros((8, HALF), np.int8)
    first[:, 0], second[:, 0] = [50, 10, 30, 10, 90, 60, 70, 0], [0, 0, 0, 0, 0, 0, 0, 80]
    first_terms, second_terms = np.zeros((8, 4), np.float32), np.zeros((8, 2), np.float32)
    first_terms[:, 1] = 1.0
    first_terms[7, 3] = 80.0  # the second half of the last row is not small
    vectors, query = np.zeros((8, DIM), np.float32), np.zeros(DIM, np.float32)
    vectors[:, 0], vectors[:, 1] = first[:, 0], second[:, 0]
    aim = np.zeros(2 * HALF, np.int16)
    query[[0, 1]] = aim[[0, HALF]] = -1
    measure = Measure(vectors, np.empty(0, np.float32), query, SPACE_CODES["ip"], 1.0, -1.0)
    slopes = np.array([0.0, 1.0, 0.0], np.float32)
    sketch = SketchedTarget(aim, np.float32(1.0), slopes, slopes)

    def kept(rows=EVERYTHING, k=1, within=np.inf):
        sketched = SketchedRows(first, first_terms, second, second_terms)
        return kernels.not_ruled_out(sketched, sketch, measure, rows, k, np.float32(within))[0].tolist()

    assert kept() == [1, 3]
    assert kept(k=3) == [1, 2, 3]
    assert kept(np.array([0, 2, 5])) == [2]
    assert kept(k=3, within=10.0) == [1, 3]
    assert kept(k=3, within=9.0) == []
    first_terms[4, 3] = second_terms[4, 1] = 80.0  # its sketch says 90, but it may be 10
    assert kept() == [1, 3, 4]
