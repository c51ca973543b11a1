"""Signs of turned rows: the rotation is one, and what signs estimate is off by chance alone, as much as is said."""

import numpy as np
import pytest

from chroma_search.kernels.signs import LEAST_WIDTH, signs_of, turned
from tests.reference import signs as reference

N, DIM, WIDTH = 2_000, 300, 512


def normal():
    return np.random.default_rng(0).normal(size=(N, DIM))


def sparse():
    """One element or two of 300: before they are turned, signs would tell nothing of them."""
    rng = np.random.default_rng(1)
    rows = np.zeros((N, DIM))
    rows[np.arange(N), rng.integers(DIM, size=N)] = 1.0
    rows[np.arange(N), rng.integers(DIM, size=N)] += rng.choice([0.0, -3.0], N)
    return rows


def constant():
    return np.full((N, DIM), 0.25) * np.random.default_rng(2).choice([1.0, -1.0, 2.0], (N, 1))


def alternating():
    return np.tile([1.0, -1.0], DIM // 2) * np.arange(1, N + 1)[:, None]


def alike():
    return np.random.default_rng(3).normal(size=DIM) + np.random.default_rng(4).normal(size=(N, DIM)) / 50


KINDS = pytest.mark.parametrize("kind", [normal, sparse, constant, alternating, alike])


@KINDS
def test_rows_are_turned_as_by_the_reference(kind):
    rows = kind()[:20].astype(np.float32)
    expected = reference.turned(rows, WIDTH)
    found = np.stack([turned(row, WIDTH) for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.linalg.norm(rows, axis=1).max())
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.linalg.norm(rows, axis=1), rtol=1e-5)
    signs = signs_of(rows, WIDTH)
    told = found[:, : WIDTH - 64].astype(np.float64)
    assert np.array_equal(np.unpackbits(signs[:, 8:], axis=1, bitorder="little"), told > 0)
    sizes, lost = signs[:, :8].copy().view(np.float32).T
    np.testing.assert_allclose(sizes, np.abs(told).mean(axis=1), rtol=1e-5)
    left = np.where(told > 0, 1.0, -1.0) * sizes[:, None] - told
    rest = (found[:, WIDTH - 64 :].astype(np.float64) ** 2).sum(axis=1)
    np.testing.assert_allclose(lost, np.sqrt((left**2).sum(axis=1) + rest), rtol=1e-4)


@KINDS
@pytest.mark.parametrize("width", [WIDTH, 2 * WIDTH])
def test_what_signs_estimate_is_off_by_chance_alone(kind, width):
    rows = kind().astype(np.float32)
    for query in (rows[0], -rows[1] / 3, np.random.default_rng(5).normal(size=DIM).astype(np.float32), rows.mean(0)):
        signs = signs_of(rows, width)
        sizes, lost = signs[:, :8].copy().view(np.float32).astype(np.float64).T
        plus = np.unpackbits(signs[:, 8:], axis=1, bitorder="little") * 2.0 - 1.0
        n_signs = width - 64
        stretch = 1.0 + (lost / sizes) ** 2 / n_signs
        aim = turned(query, width)[:n_signs].astype(np.float64)
        products = rows.astype(np.float64) @ query
        length = np.linalg.norm(query)
        errors = sizes * stretch * (plus @ aim) - products
        proven = sizes * (plus @ aim) - products
        assert (np.abs(proven) <= lost * length * (1 + 1e-5)).all()
        unit = lost * np.sqrt(stretch) * length / np.sqrt(width - 1)
        deviations = errors[unit > 0] / unit[unit > 0]
        assert np.abs(deviations).max() < 5.5
        assert (
            np.sqrt((deviations**2).mean()) < 2.5
        )  # rows that are alike err alike: it is not 1 for each kind and query


def test_errors_are_normal_where_rows_differ():
    rows = normal().astype(np.float32)
    query = np.random.default_rng(5).normal(size=DIM).astype(np.float32)
    signs = signs_of(rows, WIDTH)
    sizes, lost = signs[:, :8].copy().view(np.float32).astype(np.float64).T
    plus = np.unpackbits(signs[:, 8:], axis=1, bitorder="little") * 2.0 - 1.0
    stretch = 1.0 + (lost / sizes) ** 2 / (WIDTH - 64)
    errors = sizes * stretch * (plus @ turned(query, WIDTH)[: WIDTH - 64]) - rows.astype(np.float64) @ query
    deviations = errors / (lost * np.sqrt(stretch) * np.linalg.norm(query) / np.sqrt(WIDTH - 1))
    assert 0.9 < np.std(deviations) < 1.1
    assert abs(np.mean(deviations)) < 0.1


def test_zero_rows_have_signs_of_no_size():
    signs = signs_of(np.zeros((3, DIM), np.float32), WIDTH)
    assert signs[:, :8].copy().view(np.float32).tolist() == [[0.0, 0.0]] * 3


@pytest.mark.parametrize("width", [LEAST_WIDTH // 2, 300, 600])
def test_other_widths_are_refused(width):
    with pytest.raises(ValueError, match="width"):
        turned(np.zeros(100, np.float32), width)
    with pytest.raises(ValueError, match="width"):
        signs_of(np.zeros((2, 100), np.float32), width)


def test_a_vector_longer_than_the_width_is_refused():
    with pytest.raises(ValueError, match="width"):
        turned(np.zeros(LEAST_WIDTH + 1, np.float32), LEAST_WIDTH)
