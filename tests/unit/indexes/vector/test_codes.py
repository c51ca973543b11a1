"""Codes of rows: what they estimate, when they are not trusted, and that a search with them finds as much."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_search.indexes.base import VectorRequest
from chroma_search.indexes.vector.allowed import Allowed, allowed
from chroma_search.indexes.vector.coded import CODED_SCAN, SKETCH_SCAN
from chroma_search.indexes.vector.coded_scan import rows_in_reach
from chroma_search.indexes.vector.codes import LEAST_DIM, RowCodes, code_rows
from chroma_search.indexes.vector.exact_distances import exact_distances
from chroma_search.indexes.vector.exact_scan import Scanned
from chroma_search.indexes.vector.hnsw import GRAPH, MASKED_GRAPH, HnswIndex
from chroma_search.indexes.vector.norms import RowNorms, unit_vectors
from chroma_search.indexes.vector.sketch import LEAST_DIM as LEAST_SKETCHED
from chroma_search.indexes.vector.sketch import RowSketch
from chroma_search.kernels.checked_rows import whole
from chroma_search.kernels.coded_scan import FEW, SKETCH, SKETCH_HEAD
from chroma_search.kernels.graph_search import SPACE_CODES, coded_query
from chroma_search.model.distance import SPACES
from chroma_search.model.mask import Mask

N, DIM = 1_500, 96


def scanned(rows, space):
    return Scanned(rows, RowNorms.of(rows, space), space)


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
    estimates = codes.offsets - factor * codes.scales * (whole(codes.values).astype(np.float64) @ code)
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
    for strategy, chosen in ((GRAPH, None), (MASKED_GRAPH, mask)):
        by_code = index.search(queries, 10, chosen, strategy)
        by_vector = plain.search(queries, 10, chosen, strategy)
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
    assert not len(code_rows(np.ones((2, LEAST_DIM - 1), np.float32), "l2").values)
    assert not len(code_rows(np.empty((0, DIM), np.float32), "l2").values)
    assert not len(HnswIndex.build(np.ones((2, DIM), np.float32), "l2", {}).to_arrays()["codes"])


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


@st.composite
def matrices(draw):
    """Rows with ties, copies, outliers, a common offset, and sizes from tiny to huge."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, dim = draw(st.integers(2, 80)), draw(st.sampled_from([64, 65, 200, LEAST_SKETCHED, 300]))
    n = n + FEW if draw(st.booleans()) else n  # of fewer no sketch is read
    steps = draw(st.sampled_from([1, 3, 1000]))
    rows = rng.integers(-steps, steps + 1, (n, dim)).astype(np.float64)
    rows += draw(st.sampled_from([0.0, 10.0, 1e4]))
    rows[:, 0] *= draw(st.sampled_from([1.0, 1e3, 1e6]))
    rows[:, : draw(st.sampled_from([0, dim // 2, dim - 3]))] /= 2.0**8  # few directions hold the variance
    rows[rng.random(n) < draw(st.sampled_from([0.0, 0.3]))] = rows[0]
    rows *= draw(st.sampled_from([1.0, 1e-6, 1e6]))  # norms stay below 2^60, as codes presuppose
    query = rows[int(rng.integers(n))] * draw(st.sampled_from([1.0, -1.0, 0.0, 1.001]))
    return rows.astype(np.float32), query.astype(np.float32)


FORMS = st.sampled_from(["all", "rows", "bits"])
FARTHEST = st.none() | st.integers(0, 79)


@given(matrices(), st.sampled_from(SPACES), st.integers(1, 20), FORMS, FARTHEST)
def test_no_row_among_the_nearest_is_out_of_reach(matrix, space, k, form, farthest):
    vectors, query = matrix
    codes = RowCodes.of(vectors, space)
    rows = np.arange(0, len(vectors), 5) if len(vectors) <= FEW else np.delete(np.arange(len(vectors)), [1])
    rows = rows if form != "all" else np.arange(len(vectors))
    point = unit_vectors(query[None])[0] if space == "cosine" else query
    sketch = RowSketch.of(vectors, space, codes)
    assert bool(len(sketch.values)) == (vectors.shape[1] >= LEAST_SKETCHED)
    distances = exact_distances(query, vectors[rows], space)
    within = np.inf if farthest is None else float(distances[farthest % len(rows)])
    bits = np.isin(np.arange(len(vectors)), rows)
    masks = {"all": None, "rows": Mask.of_rows(len(vectors), rows), "bits": Mask.of_bits(bits)}
    which = allowed(masks[form], len(vectors))
    kth = np.sort(distances)[min(k, len(rows)) - 1]
    nearest = rows[distances <= min(kth, within)]
    for is_proven in (True, False):  # the latter by chance only, which is the same in every run
        found = rows_in_reach(scanned(vectors, space), codes, sketch, point, k, which, within, is_proven=is_proven)
        assert (found is None) == (k >= len(rows))
        if found is not None:
            reached, measured = found.rows, found.distances
            assert np.isin(nearest, reached).all()
            assert np.isin(reached, rows).all()
            assert measured.dtype == np.float32
            true = exact_distances(query, vectors[reached], space)
            size = float(np.abs(vectors).max()) ** 2 * vectors.shape[1] if space != "cosine" else 1.0
            assert np.allclose(measured, true, rtol=1e-4, atol=1e-4 * size)


@pytest.mark.parametrize("space", SPACES)
def test_a_coded_scan_leaves_few_rows_to_measure(space):
    rows, queries = clustered(n=8_000), clustered(n=5, seed=6)
    codes = RowCodes.of(rows, space)
    for query in unit_vectors(queries) if space == "cosine" else queries:
        found = rows_in_reach(scanned(rows, space), codes, RowSketch.none(), query, 10, Allowed(len(rows)))
        assert found is not None
        assert 10 <= len(found.rows) < 15  # measured, and cut
        third = np.sort(exact_distances(query, rows, space))[2]
        nearer = rows_in_reach(
            scanned(rows, space), codes, RowSketch.none(), query, 10, Allowed(len(rows)), float(third)
        )
        assert nearer is not None
        assert 3 <= len(nearer.rows) < len(found.rows)


@pytest.mark.parametrize("space", SPACES)
def test_sketches_change_no_answer(space):
    axes = np.random.default_rng(3).normal(size=(40, 320)).astype(np.float32)
    rows, queries = clustered(40, 8_000) @ axes, clustered(40, 5, seed=6) @ axes
    rows[:, :] += np.random.default_rng(4).normal(size=rows.shape).astype(np.float32)
    codes = RowCodes.of(rows, space)
    sketch = RowSketch.of(rows, space, codes)
    for query in unit_vectors(queries) if space == "cosine" else queries:
        found = [
            rows_in_reach(scanned(rows, space), codes, each, query, 10, Allowed(len(rows)), is_proven=is_proven)
            for each, is_proven in ((sketch, True), (sketch, False), (RowSketch.none(), True))
        ]
        distances = exact_distances(query, rows, space)
        nearest = np.flatnonzero(distances <= np.sort(distances)[9])
        for one in found:
            assert one is not None
            assert np.isin(nearest, one.rows).all()
            assert len(one.rows) < 15


def test_no_axis_of_a_sketch_carries_most_of_a_row():
    rows = clustered(LEAST_SKETCHED, 1_000)
    rows[:, 3] += 100 * np.random.default_rng(0).normal(size=1_000)
    sketch = RowSketch.of(rows, "l2", RowCodes.of(rows, "l2"))
    used = sketch.axes[:, SKETCH_HEAD:]
    np.testing.assert_allclose(used.T @ used, np.eye(SKETCH - SKETCH_HEAD), atol=1e-5)
    norms = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    halves = whole(sketch.values)[:, 4:SKETCH_HEAD].copy().view(np.uint16).astype(np.uint32) << 16
    steps, rests = halves.view(np.float32).T
    assert np.median(steps * 127 / norms) < 0.3  # along the principal axes it is 0.8
    assert np.median(rests / norms) < 0.7  # the axes still hold the largest variance


@pytest.mark.parametrize("space", SPACES)
def test_codes_and_sketches_that_were_extended_rule_out_no_near_row(space):
    rows, query = clustered(LEAST_SKETCHED, 900), clustered(LEAST_SKETCHED, 1, seed=6)[0]
    rows[500:] += 3.0  # another centre than that of the first rows
    held = RowCodes.of(rows[:500], space)
    codes = held.extended(rows, space)
    sketch = RowSketch.of(rows[:500], space, held).extended(rows, space, codes)
    assert len(codes.values) == len(sketch.values) == 900
    assert codes.centre is held.centre
    point = unit_vectors(query[None])[0] if space == "cosine" else query
    for near in (point, rows[700] if space != "cosine" else unit_vectors(rows[700:701])[0]):
        found = rows_in_reach(scanned(rows, space), codes, sketch, near, 10, Allowed(len(rows)))
        distances = exact_distances(near, rows, space)
        assert found is not None
        assert np.isin(np.flatnonzero(distances <= np.sort(distances)[9]), found.rows).all()


def test_an_index_that_grows_by_less_than_itself_keeps_its_axes():
    rows = clustered(LEAST_SKETCHED, 1_000)
    index = HnswIndex.build(rows[:600], "l2", {})
    grown = index.extended(rows)
    assert grown is not None
    assert np.array_equal(grown.to_arrays()["sketch_axes"], index.to_arrays()["sketch_axes"])
    doubled = HnswIndex.build(rows[:400], "l2", {}).extended(rows)
    assert doubled is not None
    assert not np.array_equal(doubled.to_arrays()["code_centre"], index.to_arrays()["code_centre"])
    for each in (grown, doubled):
        (found,) = each.search(rows[:1], 5, None, CODED_SCAN)
        exact = np.sort(exact_distances(rows[0], rows, "l2"))[:5]
        assert np.allclose(np.sort(found.distances)[:5], exact)


def test_stored_sketches_open_again():
    rows = clustered(LEAST_SKETCHED)
    index = HnswIndex.build(rows, "l2", {})
    arrays = index.to_arrays()
    assert arrays["sketch_values"].shape == (N, SKETCH)
    assert arrays["sketch_signs"].shape == (N, LEAST_SKETCHED / 8)
    again = HnswIndex.from_arrays(rows, "l2", {}, arrays)
    left, right = index.search(rows[:5], 10, None, CODED_SCAN), again.search(rows[:5], 10, None, CODED_SCAN)
    assert [one.rows.tolist() for one in left] == [one.rows.tolist() for one in right]
    plain = HnswIndex.from_arrays(rows, "l2", {}, {**arrays, **RowSketch.none().to_arrays()})
    assert [one.rows.tolist() for one in plain.search(rows[:5], 10, None, CODED_SCAN)] == [
        one.rows.tolist() for one in left
    ]


@pytest.mark.parametrize("space", SPACES)
def test_all_that_codes_and_sketches_are_is_stored(space):
    rows = clustered(LEAST_SKETCHED)
    codes = RowCodes.of(rows, space)
    sketch = RowSketch.of(rows, space, codes)
    for held, again in (
        (codes, RowCodes.from_arrays(codes.to_arrays())),
        (sketch, RowSketch.from_arrays(sketch.to_arrays())),
    ):
        for each in fields(held):
            assert np.array_equal(getattr(held, each.name), getattr(again, each.name)), each.name


def test_arrays_of_an_earlier_program_open_and_do_without_what_they_lack():
    rows = clustered(LEAST_SKETCHED)
    arrays = HnswIndex.build(rows, "l2", {}).to_arrays()
    kept = {name: each for name, each in arrays.items() if "sketch" not in name and name != "code_dither"}
    held = {
        **kept,
        "sketch_first": np.zeros((N, 64), np.int8),
        "sketch_axes": np.zeros((LEAST_SKETCHED, 128), np.float32),
    }
    index = HnswIndex.from_arrays(rows, "l2", {}, held)
    assert not len(index.to_arrays()["sketch_values"])
    assert not len(index.to_arrays()["code_dither"])
    offered = {offer.strategy for offer in index.offers(VectorRequest(5, N // 2, N, is_filtered=True))}
    assert CODED_SCAN in offered
    assert SKETCH_SCAN not in offered
    grown = index.extended(np.concatenate([rows, rows[:1] + 1]))
    assert grown is not None


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_coded_scan_of_a_query_that_cannot_be_coded_is_the_plain_one(space, value):
    rows = clustered()
    query = rows[0].copy()
    query[3] = value
    index = HnswIndex.build(rows, space, {})
    (found,) = index.search(query[None], 5, None, CODED_SCAN)
    assert found.exact
    assert len(found) >= 5
