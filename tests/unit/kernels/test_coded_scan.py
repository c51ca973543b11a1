"""The compiled coded scan: as many rows are left after each stage as by the reference, but for those at the limit."""

import numpy as np
import pytest

from chroma_search.indexes.vector.codes import RowCodes, points_of
from chroma_search.indexes.vector.norms import RowNorms
from chroma_search.indexes.vector.sketch import RowSketch
from chroma_search.kernels import coded_scan
from chroma_search.kernels.coded_scan import CodedRows, MeasuredRows, SketchedRows
from chroma_search.kernels.graph_search import SPACE_CODES
from chroma_search.model.distance import SPACES
from tests.reference import coded_scan as reference

EVERYTHING, NO_BITS = np.empty(0, np.int64), np.empty(0, np.bool_)


def real_like(n, dim, seed=0):
    """Rows near few directions, some of them copies, away from the origin."""
    rng = np.random.default_rng(seed)
    scales = 1.0 / np.arange(1, dim + 1)
    rows = rng.normal(size=(n, dim)) * scales + 0.5
    rows[rng.random(n) < 0.1] = rows[0]
    return (rows @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]).astype(np.float32)


def parts_of(vectors, space, *, is_sketched=True):
    codes = RowCodes.of(vectors, space)
    sketch = RowSketch.of(vectors, space, codes) if is_sketched else RowSketch.none()
    inverse = RowNorms.of(vectors, space).inverse if space == "cosine" else np.empty(0, np.float32)
    coded = codes.values, codes.scales, codes.offsets, codes.residuals, codes.centre, codes.dither
    return (
        MeasuredRows(vectors, inverse, SPACE_CODES[space]),
        CodedRows(*coded, codes.longest, codes.centre_length),
        SketchedRows(sketch.values, sketch.signs, sketch.axes, sketch.dither, sketch.skew),
    )


@pytest.mark.parametrize("unlikely", [0.0, 5.5])
@pytest.mark.parametrize("is_sketched", [True, False])
@pytest.mark.parametrize("space", SPACES)
def test_as_many_rows_are_left_as_by_the_reference(space, is_sketched, unlikely):
    vectors = real_like(6_000, 300)
    parts = parts_of(vectors, space, is_sketched=is_sketched)
    rng = np.random.default_rng(1)
    bits = rng.random(len(vectors)) < 0.5
    for query in points_of(real_like(6, 300, seed=2) + vectors[:6], space):
        for rows, allowed in ((EVERYTHING, NO_BITS), (EVERYTHING, bits), (np.flatnonzero(bits), NO_BITS)):
            chosen = np.flatnonzero(bits) if len(rows) or len(allowed) else np.arange(len(vectors))
            for k, within in ((1, np.inf), (10, np.inf), (10, 0.8)):
                expected = reference.in_reach(*parts, query, chosen, k, within, unlikely)
                found = coded_scan.in_reach(*parts, query, rows, allowed, k, within, unlikely)
                assert found is not None
                assert set(expected[-1].tolist()) <= set(found.rows.tolist()) <= set(chosen.tolist())
                assert len(found.rows) <= len(expected[-1]) + 10  # what is within the error of float32
                assert np.all(found.rows[1:] > found.rows[:-1])
                for count, stage in zip(found.n_left, expected, strict=False):
                    assert len(stage) <= count + 2  # rounding may only leave more
                    assert count <= len(stage) * 1.05 + 15


def test_each_stage_rules_rows_out():
    vectors = real_like(20_000, 512)
    parts = parts_of(vectors, "l2")
    query = vectors[5] + real_like(1, 512, seed=9)[0] / 8
    proven, likely = (
        coded_scan.in_reach(*parts, query, EVERYTHING, NO_BITS, 10, np.inf, unlikely) for unlikely in (0.0, 5.5)
    )
    assert proven is not None
    assert likely is not None
    assert len(vectors) / 2 > proven.n_left[0] > 1.5 * proven.n_left[1]
    assert proven.n_left[1] > likely.n_left[1] >= likely.n_left[2] >= 10
    assert likely.rows.tolist() == proven.rows.tolist()


def test_of_few_rows_no_sketch_is_read():
    vectors = real_like(1_000, 300)
    rows = np.arange(coded_scan.FEW)
    few, more = (
        coded_scan.in_reach(*parts_of(vectors, "l2"), vectors[0], chosen, NO_BITS, 5, np.inf, 0.0)
        for chosen in (rows, np.arange(coded_scan.FEW + 1))
    )
    assert few is not None
    assert more is not None
    assert few.n_left[0] == 0 < more.n_left[0]


def test_codes_of_an_earlier_program_are_trusted_as_far_as_they_are_proven():
    vectors = real_like(2_000, 96)
    measured, coded, sketched = parts_of(vectors, "l2", is_sketched=False)
    steps = np.abs(vectors - coded.centre).max(axis=1) / np.float32(127)
    values = np.rint((vectors - coded.centre) / steps[:, None]).astype(np.int8)
    residuals = np.linalg.norm(vectors - coded.centre - values * steps[:, None], axis=1) * 1.001
    plain = coded._replace(
        values=values, scales=steps, residuals=residuals.astype(np.float32), dither=np.empty(0, np.float32)
    )
    for unlikely in (0.0, 5.5):
        found = coded_scan.in_reach(measured, plain, sketched, vectors[7], EVERYTHING, NO_BITS, 10, np.inf, unlikely)
        expected = reference.in_reach(measured, plain, sketched, vectors[7], np.arange(2_000), 10, np.inf, unlikely)
        assert found is not None
        assert found.rows.tolist() == expected[-1].tolist()
        assert abs(found.n_left[2] - len(expected[2])) <= 3


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_query_that_float32_cannot_compare_is_told(value):
    vectors = real_like(1_000, 300)
    query = vectors[0].copy()
    query[3] = value
    assert coded_scan.in_reach(*parts_of(vectors, "l2"), query, EVERYTHING, NO_BITS, 5, np.inf, 0.0) is None


def test_rows_of_no_width_are_all_as_near():
    ones, zeros, nothing = np.ones(5, np.float32), np.zeros(5, np.float32), np.empty(0, np.float32)
    coded = CodedRows(np.empty((5, 0), np.int8), ones, zeros, zeros, nothing, nothing, 0.0, 0.0)
    measured = MeasuredRows(np.empty((5, 0), np.float32), nothing, SPACE_CODES["l2"])
    none = RowSketch.none()
    sketched = SketchedRows(none.values, none.signs, none.axes, none.dither, none.skew)
    assert coded_scan.in_reach(measured, coded, sketched, nothing, EVERYTHING, NO_BITS, 1, np.inf, 0.0) is None
