"""The small parts of the vector kinds: allowed rows, marks, spread starts, near ties, points."""

import threading

import numpy as np
import pytest

from chroma_search.indexes.vector.allowed import allowed_bits, allowed_rows
from chroma_search.indexes.vector.exact_distances import exact_distances
from chroma_search.indexes.vector.marks import LAST_MARK, MarkPool
from chroma_search.indexes.vector.near_ties import Slack, first_with_near_ties, rounding_slack, with_near_ties
from chroma_search.indexes.vector.points import Points
from chroma_search.indexes.vector.spread import spread_rows
from chroma_search.model.distance import SPACES
from chroma_search.model.mask import Mask


@pytest.mark.parametrize("n_mask", [3, 10, 15])
def test_rows_beyond_the_index_or_the_mask_are_not_allowed(n_mask):
    for mask in (
        Mask.of_rows(n_mask, np.arange(0, n_mask, 2)),
        Mask.of_bits(np.arange(n_mask) % 2 == 0),
        Mask(n_mask, rows=np.arange(1, n_mask, 2), exclude=True),
    ):
        expected = list(range(0, min(n_mask, 10), 2))
        assert allowed_rows(mask, 10).tolist() == expected
        assert np.flatnonzero(allowed_bits(mask, 10)).tolist() == expected
        assert len(allowed_bits(mask, 10)) == 10


def test_a_mark_never_stands_on_a_row_before_it_is_used():
    pool = MarkPool(5)
    for _ in range(3 * LAST_MARK):
        with pool.borrow() as (marks, mark):
            assert not (marks == mark).any()
            marks[:] = mark


def test_searches_at_the_same_time_get_arrays_of_their_own():
    pool = MarkPool(5)
    with pool.borrow() as (first, _), pool.borrow() as (second, _):
        assert first is not second
    with pool.borrow() as (third, _):
        assert third is first or third is second


def test_an_error_gives_the_marks_back():
    pool = MarkPool(5)
    with pytest.raises(ZeroDivisionError), pool.borrow() as (first, _):
        raise ZeroDivisionError
    with pool.borrow() as (second, _):
        assert first is second


@pytest.mark.parametrize("n_allowed", [1, 5, 16, 17, 300, 20000])
def test_spread_rows_lie_in_the_mask_and_apart(n_allowed):
    n = 20000
    for rows in (np.sort(np.random.default_rng(0).choice(n, n_allowed, replace=False)), np.arange(n_allowed)):
        bits = np.zeros(n, np.bool_)
        bits[rows] = True
        for mask in (Mask.of_bits(bits), Mask.of_rows(n, rows), Mask(n, rows=np.flatnonzero(~bits), exclude=True)):
            chosen = spread_rows(mask, bits, n_allowed, 16)
            assert len(np.unique(chosen)) == len(chosen) == min(16, n_allowed)
            assert bits[chosen].all()
            if n_allowed >= 300:
                ranks = np.searchsorted(rows, np.sort(chosen))
                assert np.diff(ranks).max() < n_allowed / 2


def test_the_cut_keeps_rows_within_rounding_of_the_kth():
    distances = np.array([5.0, 1.0, 2.0, 2.0000001, 3.0])
    assert with_near_ties(distances, 2, Slack(1e-6, 0.0)).tolist() == [1, 2, 3]
    assert with_near_ties(distances, 2, Slack(0.0, 0.0)).tolist() == [1, 2]
    assert with_near_ties(distances, 9, Slack(0.0, 0.0)).tolist() == [0, 1, 2, 3, 4]


def test_the_cut_keeps_everything_when_the_kth_is_no_number():
    assert with_near_ties(np.array([np.nan, 1.0, np.nan]), 2, Slack(0.0, 0.0)).tolist() == [0, 1, 2]
    assert len(with_near_ties(np.full(3, np.inf), 1, Slack(1e-6, 0.0))) == 3


def test_sorted_distances_are_cut_in_the_same_place():
    for distances in ([1.0, 2.0, 2.0000001, 3.0, 5.0], [1.0, np.nan, np.nan], [np.inf, np.inf], [1.0, 1.0, 1.0], []):
        for k in (1, 2, 9):
            for slack in (Slack(1e-6, 0.0), Slack(0.0, 0.0), Slack(0.0, 2.0)):
                array = np.array(distances, np.float64)
                kept = with_near_ties(array, k, slack)
                assert first_with_near_ties(array, k, slack) == len(kept)
                assert kept.tolist() == list(range(len(kept)))


def test_the_slack_covers_the_rounding_of_float32():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(500, 200)).astype(np.float32)
    query = rng.normal(size=200).astype(np.float32)
    slack = rounding_slack(query, 200, "ip", float(np.linalg.norm(vectors, axis=1).max()))
    assert (np.abs((1 - vectors @ query) - exact_distances(query, vectors, "ip")) < slack.absolute).all()


@pytest.mark.parametrize("space", SPACES)
def test_the_nearest_point_is_the_nearest_vector(space):
    rng = np.random.default_rng(2)
    vectors = (rng.normal(size=(300, 9)) * rng.uniform(0.2, 3, (300, 1))).astype(np.float32)
    longest = float(np.linalg.norm(vectors, axis=1).max())
    points = Points(vectors, space, longest)
    everything = points.at(slice(None))
    assert everything.shape == (300, points.dim)
    assert (points.at(np.array([7, 3])) == everything[[7, 3]]).all()
    for query in rng.normal(size=(20, 9)).astype(np.float32):
        apart = ((everything.astype(np.float64) - points.target(query)) ** 2).sum(1)
        assert apart.argmin() == exact_distances(query, vectors, space).argmin()


def test_marks_can_be_borrowed_by_many_threads():
    pool, clashes = MarkPool(1000), []

    def work():
        for _ in range(300):
            with pool.borrow() as (marks, mark):
                clashes.append(bool((marks == mark).any()))
                marks[:] = mark

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(clashes) == 1200
    assert not any(clashes)
