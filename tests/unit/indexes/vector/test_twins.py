"""Equal vectors: found, left out of the graph, and returned with their originals."""

import numpy as np

from chroma_search.indexes.vector import twins as module
from chroma_search.indexes.vector.twins import Twins

VECTORS = np.array([[1, 2], [3, 4], [1, 2], [0.0, 5], [1, 2], [-0.0, 5], [7, 7]], np.float32)


def test_copies_name_the_first_row_of_the_same_vector():
    twins = Twins.of(VECTORS)
    assert twins.copies.tolist() == [2, 4, 5]
    assert twins.originals.tolist() == [0, 0, 3]
    assert twins.distinct(7).tolist() == [0, 1, 3, 6]


def test_different_vectors_with_the_same_hash_stay_apart(monkeypatch):
    monkeypatch.setattr(module, "_hashes", lambda vectors: np.zeros(len(vectors), np.uint64))
    twins = Twins.of(VECTORS)
    assert twins.copies.tolist() == [2, 4]  # compared with the first row only: fewer copies, never a wrong one
    assert twins.originals.tolist() == [0, 0]


def test_a_prefix_has_the_same_originals():
    vectors = np.random.default_rng(0).integers(0, 3, (200, 3)).astype(np.float32)
    whole = Twins.of(vectors)
    for n in (0, 1, 50, 199):
        part = Twins.of(vectors[:n])
        assert part.copies.tolist() == whole.copies[whole.copies < n].tolist()
        assert part.distinct(n).tolist() == whole.distinct(200)[: len(part.distinct(n))].tolist()


def test_found_rows_bring_their_allowed_copies_in_order_of_row():
    twins = Twins.of(VECTORS)
    rows, distances = np.array([3, 0, 1]), np.array([0.5, 1.0, 2.0], np.float32)
    found = twins.expanded(rows, distances, None, 10)
    assert found[0].tolist() == [3, 5, 0, 2, 4, 1]
    assert found[1].tolist() == [0.5, 0.5, 1.0, 1.0, 1.0, 2.0]
    bits = np.array([False, True, True, True, True, False, True])
    assert twins.expanded(rows, distances, bits, 10)[0].tolist() == [3, 2, 4, 1]
    assert twins.expanded(rows, distances, None, 2)[0].tolist() == [3, 5, 0, 2, 1]


def test_an_original_is_searched_when_a_copy_is_allowed():
    twins = Twins.of(VECTORS)
    bits = np.zeros(7, np.bool_)
    bits[[4, 6]] = True
    assert np.flatnonzero(twins.bits_of_originals(bits)).tolist() == [0, 4, 6]
    assert twins.originals_of(np.array([4, 6, 1, 5])).tolist() == [0, 6, 1, 3]
    assert bits.sum() == 2


def test_without_copies_nothing_changes():
    twins = Twins.of(np.arange(10, dtype=np.float32)[:, None])
    bits, rows = np.ones(10, np.bool_), np.array([3, 1])
    assert len(twins) == 0
    assert twins.bits_of_originals(bits) is bits
    assert twins.originals_of(rows) is rows
    assert twins.expanded(rows, np.ones(2, np.float32), None, 5)[0] is rows


def test_stored_arrays_give_the_same_twins():
    twins = Twins.of(VECTORS)
    again = Twins.from_arrays(twins.to_arrays())
    assert again.copies.tolist() == twins.copies.tolist()
    assert again.originals.tolist() == twins.originals.tolist()
