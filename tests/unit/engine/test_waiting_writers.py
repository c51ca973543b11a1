"""Who waits for other processes to write gets in, however much these and its own threads write."""

import threading
import time

import pytest

import chroma_search
from chroma_search.errors import LockedError
from chroma_search.storage.sqlite_file import SqliteFile
from tests.forked import forked, needs_fork, status

pytestmark = needs_fork
SLOW_S = 0.06


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A client of a folder on a slow disk, where nobody waits for long."""
    sync = SqliteFile._sync_folder

    def sync_slowly(file):
        time.sleep(SLOW_S)
        sync(file)

    monkeypatch.setattr(SqliteFile, "_sync_folder", sync_slowly)
    monkeypatch.setattr("chroma_search.engine.taking_turns.BUSY_S", 2.0)
    with chroma_search.PersistentClient(tmp_path) as client:
        yield client


def run(*works):
    """Run works at the same time, each in its thread."""
    errors = []

    def attempt(work):
        try:
            work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=attempt, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_many_threads_of_two_processes_make_collections(client):
    """Each waits longer than it would wait for another process, for there are many before it."""

    def make(process):
        run(*(lambda n=n: client.create_collection(f"{process}-{n}") for n in range(20)))

    child = forked(lambda: make("child"))
    make("parent")
    assert status(child) == 0
    assert client.count_collections() == 40


@pytest.mark.parametrize("n_threads", [1, 3])
def test_one_gets_in_where_another_process_makes_collections_all_the_time(client, tmp_path, n_threads):
    is_over = tmp_path / "is_over"

    def go_on(thread):
        n_made = 0
        while not is_over.exists():
            client.create_collection(f"{thread}-{n_made}")
            n_made += 1

    child = forked(lambda: run(*(lambda t=t: go_on(t) for t in range(n_threads))))
    try:
        for number in range(3):
            client.create_collection(f"other-{number}")
    finally:
        is_over.touch()
    assert status(child) == 0


@pytest.mark.parametrize("n_threads", [1, 3])
def test_one_gets_in_where_another_process_adds_all_the_time(client, tmp_path, n_threads):
    collection = client.create_collection("docs", embedding_function=None)
    is_over = tmp_path / "is_over"

    def go_on(thread):
        n_added = 0
        while not is_over.exists():
            collection.add(ids=f"{thread}-{n_added}", embeddings=[1.0])
            n_added += 1

    child = forked(lambda: run(*(lambda t=t: go_on(t) for t in range(n_threads))))
    try:
        for number in range(3):
            collection.add(ids=f"other-{number}", embeddings=[1.0])
            collection.delete(ids=f"other-{number}")
    finally:
        is_over.touch()
    assert status(child) == 0


def test_all_give_up_at_once_where_another_process_does_not_end(client, tmp_path):
    is_over = tmp_path / "is_over"
    is_writing = tmp_path / "is_writing"

    def write():
        with SqliteFile(tmp_path / "catalog.sqlite", (), mode="open").writing():
            is_writing.touch()
            while not is_over.exists():
                time.sleep(0.01)

    def give_up(number):
        with pytest.raises(LockedError):
            client.create_collection(f"docs{number}")

    child = forked(write)
    while not is_writing.exists():
        time.sleep(0.01)
    began = time.monotonic()
    try:
        run(*(lambda n=n: give_up(n) for n in range(8)))
        assert time.monotonic() - began < 4.0
    finally:
        is_over.touch()
    assert status(child) == 0
    client.create_collection("docs")
