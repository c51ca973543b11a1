"""A child of a fork goes on, whatever other threads of its parent were doing at that moment."""

import threading
import time

import pytest

import chroma_search
from chroma_search.errors import StorageError
from tests.forked import forked, needs_fork, status

pytestmark = needs_fork


@pytest.fixture
def collection(tmp_path):
    with chroma_search.PersistentClient(tmp_path) as client:
        collection = client.create_collection("docs", embedding_function=None)
        collection.add(ids=["a", "b"], embeddings=[[1.0], [2.0]])
        yield collection


def home_of(collection):
    return collection._backend.live().home


def test_a_child_goes_on_while_its_parent_flushes(collection, monkeypatch):
    may_end, is_flushing = threading.Event(), threading.Event()

    def stop(name):
        if name == "flush.before_manifest":
            is_flushing.set()
            may_end.wait()

    monkeypatch.setattr("chroma_search.engine.flushing.reach", stop)
    thread = threading.Thread(target=collection.flush)
    thread.start()
    is_flushing.wait()

    def go_on():
        collection.upsert(ids=["b", "c"], embeddings=[[3.0], [4.0]])
        assert collection.query(query_embeddings=[4.0], n_results=1)["ids"] == [["c"]]
        with pytest.raises(StorageError, match="when this process was forked"):
            collection.flush()

    pid = forked(go_on)
    assert status(pid) == 0
    may_end.set()
    thread.join()
    assert collection.get(include=["embeddings"])["embeddings"].tolist() == [[1.0], [3.0], [4.0]]
    collection.flush()
    assert status(forked(collection.flush)) == 0


def test_a_child_does_not_wait_for_locks_of_threads_that_it_does_not_have(collection):
    may_end, is_held = threading.Event(), threading.Event()
    home, database = home_of(collection), collection._backend.system.database

    def hold():
        with home.lock, database._lock:
            is_held.set()
            may_end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()

    def go_on():
        collection.add(ids="c", embeddings=[4.0])
        assert collection.count() == 3

    try:
        assert status(forked(go_on)) == 0
    finally:
        may_end.set()
        thread.join()
    assert collection.count() == 3


def test_a_child_of_a_process_of_one_thread_keeps_what_is_in_memory(collection):
    assert threading.active_count() == 1, threading.enumerate()
    collection.count()
    store = home_of(collection).store

    def check():
        assert home_of(collection).store is store
        assert collection.count() == 2

    assert status(forked(check)) == 0


def test_children_and_parent_write_while_threads_of_the_parent_do(collection):
    is_over = threading.Event()
    n_written = [0, 0]

    def write(number):
        while not is_over.is_set():
            collection.add(ids=f"{number}-{n_written[number]}", embeddings=[1.0])
            n_written[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    children = []
    try:
        for child in range(4):
            children.append(
                forked(lambda child=child: [collection.add(ids=f"c{child}-{i}", embeddings=[1.0]) for i in range(5)])
            )
            time.sleep(0.05)
        assert [status(pid) for pid in children] == [0] * 4
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert collection.count() == 2 + sum(n_written) + 4 * 5
