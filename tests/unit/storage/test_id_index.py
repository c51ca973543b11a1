"""The index gives the rows of an id that a walk over all ids gives, whatever the hashes are."""

import hashlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chroma_search.storage import id_index
from chroma_search.storage.id_index import IdIndex

IDS = st.lists(st.sampled_from(["", "a", "b", "a\0", "é", "\U0001f600", "\ud800"]) | st.text(max_size=2), max_size=20)


def walked(wanted, ids):
    return [[row for row, each in enumerate(ids) if each == one] for one in wanted]


def two_bits(id_: str) -> bytes:
    return bytes([hashlib.sha1(id_.encode("utf-8", "surrogatepass")).digest()[0] & 3]) + bytes(7)


@pytest.fixture(params=["64 bits", "2 bits"])
def hash_width(request, monkeypatch):
    if request.param == "2 bits":
        monkeypatch.setattr(id_index, "_digest", two_bits)


@pytest.mark.usefixtures("hash_width")
class TestWithWideAndNarrowHashes:
    @given(ids=IDS, wanted=IDS)
    @example(ids=[], wanted=[])
    @example(ids=[], wanted=["a"])
    @example(ids=["a"], wanted=[])
    @example(ids=["a", "b", "a"], wanted=["b", "a", "a", "c"])
    def test_rows_are_those_of_a_walk(self, ids, wanted):
        assert IdIndex.of(ids).rows(wanted, ids) == walked(wanted, ids)

    def test_many_ids_with_repeated_ones_and_dead_rows(self, rng):
        ids = [f"id {each}" for each in rng.integers(0, 1500, 2000)]
        wanted = [f"id {each}" for each in range(0, 1600, 7)]
        assert IdIndex.of(ids).rows(wanted, ids) == walked(wanted, ids)

    def test_hashes_ascend_and_equal_ones_are_by_row(self):
        index = IdIndex.of([f"id {each}" for each in range(100)] * 2)
        arrays = index.to_arrays()
        hashes, rows = arrays["id_hashes"], arrays["id_rows"]
        assert (hashes.dtype, rows.dtype) == (np.uint64, np.int32)
        assert sorted(rows.tolist()) == list(range(200))
        pairs = list(zip(hashes.tolist(), rows.tolist(), strict=True))
        assert pairs == sorted(pairs)

    def test_stored_arrays_open_to_the_same_index(self):
        ids = ["a", "b", "a", "\U0001f600"]
        opened = IdIndex.from_arrays(IdIndex.of(ids).to_arrays())
        assert opened.rows(["a", "c", "\U0001f600"], ids) == [[0, 2], [], [3]]


def test_narrow_hashes_do_collide():
    assert len({two_bits(str(each)) for each in range(100)}) == 4


def test_the_hash_is_the_documented_one():
    digest = hashlib.blake2b("é".encode(), digest_size=8).digest()
    assert IdIndex.of(["é"]).hashes.tolist() == [int.from_bytes(digest, "little")]


def test_only_ids_with_a_wanted_hash_are_looked_at():
    class Watched(list):
        looked_at: list[int] = []

        def __getitem__(self, row):
            self.looked_at.append(row)
            return super().__getitem__(row)

    ids = Watched(f"id {each}" for each in range(1000))
    index = IdIndex.of(ids)
    Watched.looked_at.clear()
    assert index.rows(["id 7", "unknown", "id 900"], ids) == [[7], [], [900]]
    assert sorted(Watched.looked_at) == [7, 900]
