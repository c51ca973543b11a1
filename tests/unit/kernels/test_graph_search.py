"""The compiled graph search against the reference, on whole numbers so that distances are exact and ties occur."""

import numpy as np
import pytest

from chroma_search.kernels import graph_search
from chroma_search.kernels.checked_rows import whole
from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.graph_search import COSINE, IP, L2, Graph
from tests.reference import graph_search as reference

BOTH = pytest.mark.parametrize("kernels", [reference, graph_search], ids=["numpy", "compiled"])


def random_graph(n=400, dim=6, width=8, seed=0):
    """Each row is linked to some of its nearest rows and to random ones; a tenth has an upper layer."""
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-8, 9, (n, dim)).astype(np.float32)
    links = np.full((n, width), -1, np.int32)
    for row in range(n):
        nearest = np.argsort(((vectors - vectors[row]) ** 2).sum(1), kind="stable")[1 : rng.integers(2, width)]
        chosen = [int(each) for each in dict.fromkeys([*nearest.tolist(), int(rng.integers(n))]) if each != row]
        links[row, : len(chosen)] = chosen
    levels = np.zeros(n, np.int32)
    levels[::10] = 1
    upper = np.full((int(levels.sum()), width // 2), -1, np.int32)
    for at in range(len(upper)):
        upper[at, :3] = np.sort(rng.choice(len(upper), 3, replace=False)) * 10
    start = (np.cumsum(levels) - levels).astype(np.int32)
    return graph_of(vectors, links, upper, start, entry=int(rng.integers(n // 10)) * 10, n_layers=1)


def graph_of(vectors, links, upper, start, *, entry=0, n_layers=0):
    """A graph without codes."""
    nothing = frozen(np.empty(0, np.float32))
    return Graph(
        vectors=frozen(vectors),
        inverse=frozen(np.ones(len(vectors), np.float32)),
        links=frozen(links),
        upper_links=frozen(upper),
        upper_start=frozen(start),
        codes=frozen(np.empty((0, 0), np.int8)),
        scales=nothing,
        offsets=nothing,
        centre=nothing,
        entry=entry,
        n_layers=n_layers,
    )


def coded(graph, space, seed=0):
    """The same graph with random codes: what they mean does not matter to the walk."""
    rng = np.random.default_rng(seed)
    n, dim = graph.vectors.shape
    codes = rng.integers(-127, 128, (n, dim)).astype(np.int8)
    scales, offsets = rng.random(n).astype(np.float32), rng.random(n).astype(np.float32) * 1000
    centre = rng.normal(size=dim).astype(np.float32)
    return graph._replace(codes=frozen(codes), scales=frozen(scales), offsets=frozen(offsets), centre=frozen(centre))


def marks(graph):
    return np.zeros(len(graph.vectors), np.uint8)


def as_lists(found):
    return found.rows.tolist(), found.distances.tolist(), found.n_measured


@pytest.mark.parametrize("has_codes", [False, True])
@pytest.mark.parametrize("space", [L2, COSINE, IP])
def test_both_versions_walk_the_same_way(space, has_codes):
    for seed in range(2):
        graph, rng = random_graph(seed=seed), np.random.default_rng(seed)
        if has_codes:
            graph = coded(graph, space, seed)
        for _ in range(4):
            query = rng.integers(-8, 9, 6).astype(np.float32)
            down = graph_search.descend(graph, query, space)
            assert down == reference.descend(graph, query, space)
            starts = np.array([down[0], *rng.choice(400, 5), down[0]])
            for width in (1, 10, 400):
                plain = [
                    as_lists(kernels.search(graph, query, space, width, marks(graph), 3))
                    for kernels in (reference, graph_search)
                ]
                assert plain[0] == plain[1]
            for share in (0.02, 0.3, 0.9):
                bits = rng.random(400) < share
                around = graph_search.share_around(graph.links, bits, down[0])
                assert around == reference.share_around(graph.links, bits, down[0])
                for width, degree, budget in ((5, 4, 1), (20, 8, 32), (400, 16, 300)):
                    masked = [
                        as_lists(
                            kernels.masked_search(
                                graph, query, space, bits, starts, width, degree, budget, marks(graph), 3
                            )
                        )
                        for kernels in (reference, graph_search)
                    ]
                    assert masked[0] == masked[1]


@BOTH
def test_codes_choose_the_beam_and_vectors_order_it(kernels):
    graph = coded(random_graph(), L2)
    query = np.arange(6, dtype=np.float32)
    code, factor = graph_search.coded_query(query, graph.centre, L2)
    everywhere = np.ones(400, np.bool_)
    found = kernels.masked_search(graph, query, L2, everywhere, np.arange(400), 50, 8, 8, marks(graph), 1)
    products = (whole(graph.codes).astype(np.int64) @ code.astype(np.int64)).astype(np.float32)
    estimates = graph.offsets - factor * graph.scales * products
    assert sorted(found.rows.tolist()) == np.sort(np.argsort(estimates, kind="stable")[:50]).tolist()
    assert found.distances.tolist() == ((graph.vectors[found.rows] - query) ** 2).sum(1).tolist()
    assert (np.diff(found.distances) >= 0).all()


@pytest.mark.parametrize("dim", [1, 64, 4096, 60_000])
def test_the_code_of_a_query_uses_its_range_and_no_sum_overflows(dim):
    query = np.random.default_rng(dim).normal(size=dim).astype(np.float32) * 1e10
    for space in (L2, COSINE):
        centre = np.full(dim, 3.0, np.float32)
        code, factor = reference.coded_query(query, centre, space)
        twin, twin_factor = graph_search.coded_query(query, centre, space)
        assert (twin == code).all()
        assert twin_factor == factor
        assert int(np.abs(code.astype(np.int64)).sum()) * 127 < 2**31
        worth = factor * code.astype(np.float64) / (2 if space == L2 else 1)
        expected = query - centre if space == L2 else query
        assert np.abs(worth - expected).max() <= 0.51 * factor / (2 if space == L2 else 1) + 1e-5 * np.abs(query).max()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_query_that_cannot_be_coded_is_compared_with_vectors(value):
    query = np.array([1.0, value], np.float32)
    assert len(graph_search.coded_query(query, np.zeros(2, np.float32), L2)[0]) == 0


@BOTH
def test_a_wide_beam_finds_all_rows_that_can_be_reached_nearest_first(kernels):
    graph = random_graph()
    query = np.zeros(6, np.float32)
    everywhere = np.ones(400, np.bool_)
    found = kernels.masked_search(graph, query, L2, everywhere, np.arange(400), 400, 8, 400, marks(graph), 1)
    assert sorted(found.rows.tolist()) == list(range(400))
    assert (np.diff(found.distances) >= 0).all()
    assert found.distances.tolist() == (graph.vectors[found.rows] ** 2).sum(1).tolist()
    assert found.n_measured == 400


@BOTH
def test_a_masked_search_returns_allowed_rows_only(kernels):
    graph, bits = random_graph(), np.zeros(400, np.bool_)
    bits[::7] = True
    found = kernels.masked_search(
        graph, np.zeros(6, np.float32), L2, bits, np.array([1, 2]), 400, 8, 400, marks(graph), 1
    )
    assert bits[found.rows].all()
    assert len(found.rows) >= 50  # nearly all 58 can be reached through hidden rows


@BOTH
def test_hidden_rows_are_passed_up_to_the_budget(kernels):
    # a chain 0 - 1 - 2 - ... - 9: only the ends are allowed
    links = np.full((10, 2), -1, np.int32)
    links[:, 0] = np.arange(10) - 1
    links[:-1, 1] = np.arange(1, 10)
    links[0, 0] = 1
    links[0, 1] = -1
    vectors = np.arange(10, dtype=np.float32)[:, None]
    graph = graph_of(vectors, links, np.empty((0, 1), np.int32), np.zeros(10, np.int32))
    bits = np.zeros(10, np.bool_)
    bits[[0, 9]] = True
    for budget, reached in ((7, [0]), (8, [0, 9])):
        found = kernels.masked_search(
            graph, np.zeros(1, np.float32), L2, bits, np.array([0]), 5, 4, budget, np.zeros(10, np.uint8), 1
        )
        assert found.rows.tolist() == reached
        assert found.n_measured == len(reached)


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_query_without_distances_still_ends_and_fills_the_beam(kernels, value):
    graph = random_graph()
    query = np.full(6, value, np.float32)
    found = kernels.search(graph, query, L2, 20, marks(graph), 1)
    assert len(np.unique(found.rows)) == len(found.rows) == 20
    masked = kernels.masked_search(graph, query, L2, np.ones(400, np.bool_), np.array([0]), 20, 8, 32, marks(graph), 1)
    assert len(np.unique(masked.rows)) == len(masked.rows) == 20


@BOTH
def test_a_row_without_neighbours_counts_as_surrounded_by_allowed_rows(kernels):
    links = np.full((1, 4), -1, np.int32)
    assert kernels.share_around(links, np.zeros(1, np.bool_), 0) == 1.0
