"""Rows of a file are what numpy would give, and no element leaves before the blocks it lies in were checked."""

import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_search.errors import CorruptionError
from chroma_search.kernels import distance, graph_search
from chroma_search.kernels.checked_rows import CheckedRows, parts_of, whole
from chroma_search.kernels.frozen import frozen


class Blocks:
    """A file that remembers which blocks were checked, and in which some are damaged."""

    def __init__(self, array: np.ndarray, block_bytes: int, damaged: frozenset[int] = frozenset()) -> None:
        self.checked: list[int] = []
        self._damaged = damaged
        self.rows = CheckedRows(array, block_bytes, self._check)

    def _check(self, blocks: list[int]) -> None:
        if self._damaged.intersection(blocks):
            raise CorruptionError("damaged")
        self.checked += blocks


def blocks_of(array: np.ndarray, at, block_bytes: int) -> set[int]:
    """Return the blocks of all bytes that an index reaches, byte by byte."""
    places = np.arange(array.nbytes).reshape(len(array), -1)
    return {int(byte) // block_bytes for byte in places[at].ravel()}


@st.composite
def arrays_and_indexes(draw):
    n, width = draw(st.integers(1, 30)), draw(st.integers(1, 9))
    kind = draw(st.sampled_from(["int8", "int32", "float32"]))
    array = np.arange(n * width, dtype=kind).reshape((n, width) if draw(st.booleans()) else (n * width,))
    row = st.integers(-len(array), len(array) - 1)
    numbers = st.lists(row, max_size=8)
    index = draw(
        row
        | st.slices(len(array))
        | numbers.map(lambda each: np.array(each, np.int64))
        | numbers.map(lambda each: np.array(each, np.int32))
        | st.lists(st.booleans(), min_size=len(array), max_size=len(array)).map(lambda each: np.array(each, np.bool_))
    )
    return array, index, draw(st.integers(1, 40))


@given(arrays_and_indexes())
def test_rows_are_those_of_numpy_and_their_blocks_are_checked_and_no_others(given):
    array, index, block_bytes = given
    blocks = Blocks(array, block_bytes)
    needed = blocks_of(array, index, block_bytes)
    found = blocks.rows[index]
    assert np.array_equal(found, array[index])
    assert needed <= set(blocks.checked)
    if not isinstance(index, slice):  # a slice with a step is checked from end to end
        assert needed == set(blocks.checked)


def test_a_block_is_checked_once_and_whole_checks_the_rest():
    array = np.arange(100, dtype=np.int32).reshape(20, 5)
    blocks = Blocks(array, 40)  # two rows each
    assert (len(blocks.rows), blocks.rows.shape, blocks.rows.size) == (20, (20, 5), 100)
    assert blocks.checked == []
    for _ in range(2):
        assert blocks.rows[np.array([3, 2, 9])].tolist() == array[[3, 2, 9]].tolist()
    assert blocks.checked == [1, 4]
    assert blocks.rows.n_checked == 2
    for _ in range(2):
        assert whole(blocks.rows) is array
    assert sorted(blocks.checked) == list(range(10))


def test_rows_of_a_damaged_block_are_refused_each_time_and_others_are_given():
    array = np.arange(100, dtype=np.int32).reshape(20, 5)
    blocks = Blocks(array, 40, damaged=frozenset({4}))
    for _ in range(2):
        with pytest.raises(CorruptionError):
            blocks.rows[np.array([1, 8])]
    assert blocks.rows[np.array([1, 7, 10])].tolist() == array[[1, 7, 10]].tolist()


@pytest.mark.parametrize(
    "read",
    [
        whole,
        frozen,
        np.asarray,
        np.sum,
        lambda rows: np.concatenate([rows, rows]),
        lambda rows: rows[:],
        lambda rows: distance.l2_all(rows, np.zeros(5, np.float32)),
        lambda rows: distance.dot_all(rows, np.zeros(5, np.float32)),
    ],
)
def test_whoever_reads_all_rows_is_told_of_damage(read):
    array = np.zeros((20, 5), np.float32)
    with pytest.raises(CorruptionError):
        read(Blocks(array, 40, damaged=frozenset({9})).rows)
    read(Blocks(array, 40).rows)


def test_what_is_no_row_is_refused():
    blocks = Blocks(np.zeros((20, 5), np.float32), 40)
    at: Any
    for at in (20, -21, (0, 0), "0", np.array([0, 20]), np.array([-21])):
        with pytest.raises((IndexError, TypeError)):
            blocks.rows[at]


def test_a_walk_over_a_graph_checks_the_rows_that_it_visits():
    vectors = np.arange(40, dtype=np.float32)[:, None]
    links = np.array([[row - 1, row + 1 if row < 39 else -1] for row in range(40)], np.int32)
    of_file, of_links = Blocks(vectors, 4), Blocks(links, 8)
    nothing = np.empty(0, np.float32)
    none, codes = np.empty((0, 1), np.int32), np.empty((0, 1), np.int8)
    start = np.zeros(40, np.int32)
    graph = graph_search.Graph(
        of_file.rows, nothing, of_links.rows, none, start, codes, nothing, nothing, nothing, 20, 0
    )
    marks = np.zeros(40, np.uint8)
    found = graph_search.search(graph, np.array([22.2], np.float32), graph_search.L2, 2, marks, 1)
    assert found.rows.tolist() == [22, 23]
    assert sorted(of_file.checked) == [19, 20, 21, 22, 23, 24]
    assert sorted(of_links.checked) == [20, 21, 22, 23]


def test_threads_that_ask_together_check_each_block_once():
    array = np.arange(10_000, dtype=np.int64)
    blocks = Blocks(array, 80)
    start, wrong = threading.Barrier(6), list[int]()

    def ask(seed: int) -> None:
        rows = np.random.default_rng(seed).integers(0, 10_000, 300)
        start.wait()
        for at in np.split(rows, 30):
            if blocks.rows[at].tolist() != at.tolist():
                wrong.append(seed)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
    assert len(blocks.checked) == len(set(blocks.checked)) == blocks.rows.n_checked


@given(st.data(), st.integers(1, 30), st.integers(1, 5), st.integers(1, 40))
def test_parts_are_slices_and_their_blocks_are_checked_and_no_others(data, n, width, block_bytes):
    array = np.arange(n * width, dtype=np.uint8).reshape(n, width)
    bounds = data.draw(st.lists(st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted), max_size=5))
    starts, stops = [start for start, _ in bounds], [stop for _, stop in bounds]
    blocks = Blocks(array, block_bytes)
    needed = {
        block for start, stop in bounds if start < stop for block in blocks_of(array, slice(start, stop), block_bytes)
    }
    for rows in (blocks.rows, array):
        found = parts_of(rows, starts, stops)
        assert [bytes(part) for part in found] == [array[start:stop].tobytes() for start, stop in bounds]
    assert set(blocks.checked) == needed


def test_a_part_in_a_damaged_block_is_not_given():
    blocks = Blocks(np.arange(100, dtype=np.uint8), 10, frozenset({4}))
    assert bytes(blocks.rows.parts([30], [40])[0]) == bytes(range(30, 40))
    with pytest.raises(CorruptionError):
        blocks.rows.parts([0, 39], [10, 41])
