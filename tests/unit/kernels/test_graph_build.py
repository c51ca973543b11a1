"""The compiled insertion against the reference: the same links, on whole numbers: exact, with ties."""

import numpy as np
import pytest

from chroma_search.kernels.graph_build import BuildPoints, GraphBuilder
from tests.reference.graph_build import GraphBuilder as Reference

NOTHING = np.empty(0, np.float32)


def points(n, dim, seed, kind):
    """Return random points of whole numbers, and how far they are from each other."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-6, 7, (n, dim)).astype(np.int8)
    wide = values.astype(np.float64)
    if kind == "floats":
        return BuildPoints(None, None, None, None, values.astype(np.float32), False), squares(wide)
    if kind == "products":
        return BuildPoints(None, None, None, None, values.astype(np.float32), True), -(wide @ wide.T)
    scales = rng.choice([1.0, 2.0], n).astype(np.float32)
    wide *= scales[:, None]
    if kind == "codes":
        return BuildPoints(values, scales, NOTHING, NOTHING, None, False), squares(wide)
    offsets, factors = (rng.choice(of, n).astype(np.float32) for of in ([0.0, 3.0], [1.0, 0.5]))
    distances = offsets[:, None] + offsets - 2.0 * (wide @ wide.T)
    return BuildPoints(values, scales, offsets, factors, None, False), distances * factors[:, None] * factors


def squares(wide):
    return ((wide[:, None, :] - wide[None]) ** 2).sum(2)


def built(of, levels, m, ef_construction, orders):
    links = np.full((len(levels), 2 * m), -1, np.int32)
    upper = np.full((int(levels.sum()), m), -1, np.int32)
    entry = -1
    for rows in orders:  # a builder for each, that goes on with the links of the one before
        builder = GraphBuilder(of, links, upper, levels, entry, ef_construction)
        builder.insert(rows)
        entry = builder.entry
    return links, upper, entry


def lists(links, upper, levels):
    starts = np.cumsum(levels) - levels
    found = {(0, row): [each for each in links[row].tolist() if each >= 0] for row in range(len(levels))}
    for row, level in enumerate(levels.tolist()):
        for layer in range(1, level + 1):
            found[layer, row] = [each for each in upper[starts[row] + layer - 1].tolist() if each >= 0]
    return {at: each for at, each in found.items() if each}


@pytest.mark.parametrize("dim", [1, 5, 40])
@pytest.mark.parametrize("kind", ["floats", "products", "codes", "scaled codes"])
def test_it_makes_the_links_of_the_reference(kind, dim):
    for seed, (n, m, ef) in enumerate(((2, 2, 1), (60, 3, 4), (150, 4, 12), (120, 8, 200))):
        of, between = points(n, dim, seed, kind)
        distances = between.tolist()
        rng = np.random.default_rng(seed)
        levels = rng.choice([0, 0, 0, 1, 2], n).astype(np.int32)
        order = rng.permutation(n)
        left_out, order = order[:1], order[1:]  # a row that is not inserted has no links
        reference = Reference(lambda a, b, d=distances: d[a][b], levels.tolist(), m, ef)
        for row in order.tolist():
            reference.insert(row)
        expected = {at: each for at, each in reference.links.items() if each}
        for orders in ([order], [order[: n // 2], order[n // 2 :]]):
            links, upper, entry = built(of, levels, m, ef, orders)
            assert entry == reference.entry
            assert lists(links, upper, levels) == expected
            assert (links[left_out] == -1).all()


def test_arrays_that_do_not_fit_are_refused():
    of, _ = points(10, 3, 0, "floats")
    levels = np.ones(10, np.int32)
    links, upper = np.full((10, 4), -1, np.int32), np.full((10, 2), -1, np.int32)
    with pytest.raises(ValueError, match="levels"):
        GraphBuilder(of, links, upper[:9], levels, -1, 5)
    with pytest.raises(ValueError, match="lengths"):
        GraphBuilder(of, links[:9], upper, levels, -1, 5)
    with pytest.raises(IndexError):
        GraphBuilder(of, links, upper, levels, -1, 5).insert(np.array([10]))
