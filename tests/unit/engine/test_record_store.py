"""Small writes that are put off until somebody looks: nobody can tell, whatever comes in between."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_search.engine.record_store import MOST_PUT_OFF, RecordStore
from chroma_search.planner.operators.fetch import locate
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.segment import IndexSpec

SPEC = IndexSpec("l2")
IDS = [f"id-{number}" for number in range(12)]


def entry(op, ids, mark=0.0):
    vectors = None if op == "delete" else np.array([[mark, len(each)] for each in ids], np.float32)
    return LogEntry(op, list(ids), vectors, None, None if op == "delete" else [{"mark": mark}] * len(ids), None)


def records(store):
    snapshot = store.snapshot
    offsets = np.concatenate(
        [np.empty(0, np.int64), *(each.segment.rows.offset_ids[each.live_rows()] for each in snapshot.segments)]
    )
    held = locate(np.sort(offsets), snapshot.segments)
    return list(zip(np.sort(offsets).tolist(), held.ids(), held.embeddings(2).tolist(), held.metadatas(), strict=True))


def test_small_writes_of_new_records_wait_until_somebody_looks():
    store = RecordStore(SPEC, seals=False)
    store.apply(entry("add", ["first"]))
    assert store.n_put_off == 0  # it says what the dimension is
    for number in range(MOST_PUT_OFF):
        store.apply(entry("add" if number % 2 else "upsert", [f"{number}"]))
    assert store.n_put_off == MOST_PUT_OFF
    assert store.n_ops == MOST_PUT_OFF + 1
    store.apply(entry("add", ["one more"]))
    assert store.n_put_off == 1
    assert store.snapshot.n_live == MOST_PUT_OFF + 2
    assert store.n_put_off == 0
    assert len(store.snapshot.segments) < 8


def test_records_that_wait_are_known_to_the_writes_behind_them():
    store = RecordStore(SPEC, seals=False)
    store.apply(entry("add", ["a"]))
    store.apply(entry("add", ["b"], 1.0))
    assert not store.has_effect(entry("add", ["b"], 2.0))
    store.apply(entry("upsert", ["c"], 1.0))
    assert store.has_effect(entry("update", ["c"], 2.0))
    store.apply(entry("update", ["c"], 2.0))
    store.apply(entry("add", ["d"]))
    assert store.next_offset == 5
    assert [each[:3] for each in records(store)] == [
        (1, "a", [0.0, 1.0]),
        (2, "b", [1.0, 1.0]),
        (3, "c", [2.0, 1.0]),
        (4, "d", [0.0, 1.0]),
    ]


def test_in_memory_nothing_waits():
    store = RecordStore(SPEC)
    for id in IDS:
        store.apply(entry("add", [id]))
        assert store.n_put_off == 0


def test_what_waits_is_forgotten_with_the_rest():
    store = RecordStore(SPEC, seals=False)
    for id in IDS:
        store.apply(entry("add", [id]))
    store.load([], None, 1)
    assert (store.n_put_off, store.snapshot.n_live, store.next_offset) == (0, 0, 1)


WRITES = st.tuples(
    st.sampled_from(["add", "add", "upsert", "upsert", "update", "delete"]),
    st.lists(st.sampled_from(IDS), min_size=1, max_size=4, unique=True),
    st.integers(0, 9),
)


@given(st.lists(st.tuples(WRITES, st.booleans()), max_size=40))
def test_looking_between_writes_changes_nothing(history):
    looked_at, left_alone = RecordStore(SPEC, seals=False), RecordStore(SPEC, seals=False)
    for (op, ids, mark), looks in history:
        each = entry(op, ids, float(mark))
        effects = [store.has_effect(replace(each)) for store in (looked_at, left_alone)]
        assert effects[0] == effects[1]
        for store in (looked_at, left_alone):
            store.apply(each)
        assert looked_at.snapshot is not None
        assert (left_alone.snapshot if looks else left_alone).dimension == looked_at.dimension
    assert records(looked_at) == records(left_alone)
    assert (looked_at.next_offset, looked_at.n_ops) == (left_alone.next_offset, left_alone.n_ops)


@pytest.mark.parametrize("n_readers", [1, 4])
def test_readers_see_whole_writes_in_order_while_somebody_writes(n_readers):
    store = RecordStore(SPEC, seals=False)
    store.apply(entry("add", ["first"]))
    faults: list[object] = []
    n_done, has_ended = 1, threading.Event()

    def read():
        seen = 0
        while not has_ended.is_set():
            least = n_done
            n_live = store.snapshot.n_live
            if n_live < max(seen, least) or n_live % 2 == 0:
                faults.append((n_live, seen, least))
            seen = n_live

    readers = [threading.Thread(target=read) for _ in range(n_readers)]
    for each in readers:
        each.start()
    for number in range(1500):
        store.apply(entry("add", [f"left-{number}", f"right-{number}"]))
        n_done += 2
    has_ended.set()
    for each in readers:
        each.join()
    assert faults == []
    assert store.snapshot.n_live == n_done
