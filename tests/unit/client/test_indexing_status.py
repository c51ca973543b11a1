"""`get_indexing_status`: each record of a write is one operation, over the whole life of the collection."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

import chroma_search
from chroma_search import IndexingStatus
from chroma_search.client.engine_backend import engine_backend
from chroma_search.engine.flushing import Flusher
from chroma_search.errors import CorruptionError, NotFoundError
from chroma_search.storage import merge_policy
from chroma_search.storage.manifest import counted_checksum


@pytest.fixture(params=["memory", "folder"])
def client(request, tmp_path):
    with chroma_search.EphemeralClient() if request.param == "memory" else open_folder(tmp_path) as made:
        yield made


def open_folder(tmp_path):
    return chroma_search.PersistentClient(tmp_path / "data")


def status(indexed, total):
    return IndexingStatus(indexed, total - indexed, total, indexed / total if total else 1.0)


def filled(client, n=300):
    collection = client.create_collection("docs", embedding_function=None)
    collection.add([f"id{at}" for at in range(n)], np.arange(3 * n, dtype=np.float32).reshape(n, 3))
    return collection


def test_an_empty_collection_is_indexed(client):
    collection = client.create_collection("docs", embedding_function=None)
    assert collection.get_indexing_status() == status(0, 0)
    assert collection.get_indexing_status().op_indexing_progress == 1.0


def test_every_record_of_a_write_is_one_operation(client):
    collection = filled(client)
    assert collection.get_indexing_status().total_ops == 300
    collection.upsert(["id1", "new"], [[1.0, 2.0, 3.0]] * 2)
    collection.update(["id2"], metadatas=[{"a": 1}])
    assert collection.get_indexing_status().total_ops == 303
    collection.delete(["id1", "id2"])
    assert collection.get_indexing_status().total_ops == 305


def test_rows_that_are_too_few_for_an_index_wait_for_none(client):
    """Who waits until everything is indexed must not wait for ever."""
    assert filled(client).get_indexing_status() == status(300, 300)


def test_rows_that_an_index_will_take_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(merge_policy, "TAIL_ROWS", 200)
    monkeypatch.setattr(Flusher, "flush_if_due", lambda self: None)  # nothing begins by itself
    with open_folder(tmp_path) as client:
        collection = filled(client)
        assert collection.get_indexing_status() == status(0, 300)
        collection.flush()
        assert collection.get_indexing_status() == status(300, 300)
        collection.add([f"new{at}" for at in range(200)], np.ones((200, 3), np.float32))
        assert collection.get_indexing_status() == status(300, 500)


def test_after_a_flush_or_a_compaction_everything_is_indexed(client):
    collection = filled(client)
    collection.flush()
    assert collection.get_indexing_status() == status(300, 300)
    collection.add(["new"], [[1.0, 2.0, 3.0]])
    assert collection.get_indexing_status() == status(301, 301)
    collection.compact()
    assert collection.get_indexing_status() == status(301, 301)
    collection.delete(["id3", "id4"])  # a delete needs no index
    assert collection.get_indexing_status() == status(303, 303)


def test_a_tail_that_is_full_is_indexed(client, monkeypatch):
    monkeypatch.setattr(merge_policy, "TAIL_ROWS", 100)
    collection = filled(client)
    flusher = engine_backend(collection).engine.home.flusher
    if flusher is not None:  # in a folder it began by itself, in the background
        flusher.wait()
    assert collection.get_indexing_status() == status(300, 300)


def test_a_fork_begins_with_the_operations_of_its_source(client):
    collection = filled(client)
    collection.flush()
    collection.add(["new"], [[1.0, 2.0, 3.0]])
    fork = collection.fork("other")
    assert fork.get_indexing_status() == collection.get_indexing_status() == status(301, 301)
    fork.delete(["new"])
    assert fork.get_indexing_status().total_ops == 302
    assert collection.get_indexing_status().total_ops == 301


def test_a_deleted_collection_has_no_status(client):
    collection = filled(client, 1)
    client.delete_collection("docs")
    with pytest.raises(NotFoundError):
        collection.get_indexing_status()


# --- in a folder ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A collection with 300 operations that are flushed, and 4 that are not; 302 records."""
    with open_folder(tmp_path) as client:
        collection = filled(client)
        collection.update(["id5"], metadatas=[{"a": 1}])
        collection.flush()
        collection.add(["x", "y", "z"], np.ones((3, 3), np.float32))
        collection.delete(["id7"])
    return tmp_path / "data"


def status_in(folder):
    with chroma_search.PersistentClient(folder) as client:
        return client.get_collection("docs", embedding_function=None).get_indexing_status()


def changed(folder, statement):
    (path,) = folder.glob("collections/*/log.sqlite")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_the_count_outlives_the_process_and_a_backup_and_a_repair(folder, tmp_path):
    assert status_in(folder) == status(305, 305)
    chroma_search.back_up(folder, tmp_path / "backup")
    assert status_in(tmp_path / "backup") == status(305, 305)
    changed(folder, "DELETE FROM head")
    assert not chroma_search.verify(folder).is_clean
    chroma_search.repair(folder)
    assert status_in(folder) == status(305, 305)


COUNTED_BEFORE = f"UPDATE operations SET version = 0, n = 7, checksum = {counted_checksum(0, 7)}"


@pytest.mark.parametrize("statement", ["DROP TABLE operations", COUNTED_BEFORE])
def test_a_folder_in_which_nobody_counted_begins_with_the_records_that_it_holds(folder, statement):
    """An earlier program made it, or was the last one that flushed."""
    changed(folder, statement)
    with chroma_search.PersistentClient(folder, mode="r") as client:
        assert client.get_collection("docs", embedding_function=None).get_indexing_status() == status(304, 304)
    assert status_in(folder) == status(304, 304)
    with chroma_search.PersistentClient(folder) as client:
        client.get_collection("docs", embedding_function=None).compact()
    assert status_in(folder) == status(304, 304)


def test_a_count_that_is_not_what_was_written_is_damage(folder):
    changed(folder, "UPDATE operations SET n = n + 1")
    with pytest.raises(CorruptionError, match="number of operations"):
        status_in(folder)
    assert not chroma_search.verify(folder).is_clean
    chroma_search.repair(folder)
    assert chroma_search.verify(folder).is_clean
