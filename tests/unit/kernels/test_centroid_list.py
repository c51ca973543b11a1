"""Lists of rows around centroids: both versions against plain loops."""

import numpy as np
import pytest

from chroma_search.kernels import centroid_list
from tests.reference import centroid_list as reference

BOTH = pytest.mark.parametrize("kernels", [reference, centroid_list], ids=["numpy", "compiled"])


def random_lists(n_rows=200, n_lists=30, seed=0):
    rng = np.random.default_rng(seed)
    lists = [np.sort(rng.choice(n_rows, rng.integers(0, 20), replace=False)) for _ in range(n_lists)]
    lists[0] = lists[n_lists - 1] = np.empty(0, np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in lists])])
    return lists, offsets, np.concatenate(lists).astype(np.int32)


@BOTH
def test_a_list_has_a_match_when_one_of_its_rows_is_allowed(kernels):
    lists, offsets, rows = random_lists()
    rng = np.random.default_rng(1)
    for share in (0.0, 0.01, 0.1, 0.9, 1.0):
        bits = rng.random(200) < share
        expected = [bool(bits[each].any()) for each in lists]
        assert kernels.lists_with_match(offsets, rows, bits).tolist() == expected


@BOTH
def test_rows_of_several_lists_come_once_and_only_when_allowed(kernels):
    lists, offsets, rows = random_lists()
    bits = np.random.default_rng(2).random(200) < 0.5
    for chosen in ([], [0], [3, 4, 5], list(range(30))):
        members = {int(row) for each in chosen for row in lists[each]}
        for allowed, expected in ((np.empty(0, np.bool_), members), (bits, {row for row in members if bits[row]})):
            found = kernels.rows_in_lists(
                offsets, rows, np.array(chosen, np.int64), allowed, np.zeros(200, np.uint8), 1
            )
            assert found.dtype == np.int64
            assert len(found) == len(expected)
            assert set(found.tolist()) == expected


def by_loop(near, distances, centroids, count, reach, factor):
    chosen = []
    for lists, measured in zip(near.tolist(), distances.tolist(), strict=True):
        joined = lists[:1]
        for each, distance in list(zip(lists, measured, strict=True))[1:]:
            apart = [float(((centroids[each] - centroids[other]) ** 2).sum()) for other in joined]
            if (
                distance <= reach * measured[0]
                and all(factor * gap > distance for gap in apart)
                and len(joined) < count
            ):
                joined.append(each)
        chosen.append(joined + [-1] * (count - len(joined)))
    return chosen


@BOTH
def test_a_row_joins_near_lists_unless_a_joined_one_is_nearer_to_them(kernels):
    rng = np.random.default_rng(3)
    centroids = rng.integers(-9, 10, (40, 3)).astype(np.float32)
    rows = rng.integers(-9, 10, (100, 3)).astype(np.float32)
    everything = ((rows[:, None] - centroids) ** 2).sum(2)
    near = np.argsort(everything, axis=1, kind="stable")[:, :12]
    distances = np.take_along_axis(everything, near, axis=1)
    for count, reach, factor in ((8, 6.0, 1.0), (2, 1.5, 1.0), (4, 100.0, 2.0), (1, 6.0, 1.0)):
        expected = by_loop(near, distances, centroids, count, reach, factor)
        assert kernels.replicas(near, distances, centroids, count, reach, factor).tolist() == expected


@BOTH
def test_no_rows_join_no_list(kernels):
    none = np.empty((0, 4))
    joined = kernels.replicas(none.astype(np.int64), none.astype(np.float32), np.ones((5, 2), np.float32), 3, 6.0, 1.0)
    assert joined.shape == (0, 3)
