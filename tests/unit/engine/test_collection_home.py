"""The parts of a collection go when it is deleted: at once, and whoever else has them open is told so."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search.engine import database_folder
from chroma_search.engine.database import DEFAULT_DATABASE, DEFAULT_TENANT, Database
from chroma_search.errors import NotFoundError
from chroma_search.requests import WriteBatch
from chroma_search.storage.log import SqliteLog
from tests.engine_of import engine_of


def test_a_deleted_collection_in_memory_is_let_go_of_at_once() -> None:
    client = chroma_search.EphemeralClient()
    collection = client.create_collection("docs", embedding_function=None)
    collection.add(ids="a", embeddings=[1.0, 2.0])
    held = weakref.ref(engine_of(collection).home)
    gc.disable()
    try:
        client.delete_collection("docs")
        del collection
        assert held() is None
    finally:
        gc.enable()


@contextmanager
def collection_that_another_deleted(folder):
    """Give a collection that was read, and deleted by another opener of the folder since."""
    with chroma_search.PersistentClient(folder) as client:
        client.create_collection("docs", embedding_function=None).add(ids="a", embeddings=[1.0, 2.0])
        reader = Database(folder)
        engine = reader.get_collection("docs", DEFAULT_TENANT, DEFAULT_DATABASE)
        assert engine.count() == 1
        client.delete_collection("docs")
        yield engine
        reader.close()


def test_the_first_write_after_another_process_has_deleted_the_collection_says_so(tmp_path) -> None:
    """Whoever held it open and has only read so far: it was looked up before, and is gone since."""
    with (
        collection_that_another_deleted(tmp_path) as engine,
        pytest.raises(NotFoundError, match="the collection was deleted"),
    ):
        engine.add(WriteBatch(["b"], np.ones((1, 2), np.float32)))


def test_a_collection_whose_folder_another_process_is_removing_is_deleted_without_an_error(tmp_path, monkeypatch):
    """It opened the database after the catalog had forgotten the collection, and sweeps."""

    class Swept(SqliteLog):
        def drop(self) -> None:
            shutil.rmtree(self._path.parent)
            super().drop()

    with chroma_search.PersistentClient(tmp_path) as client:
        client.create_collection("docs", embedding_function=None)
        monkeypatch.setattr(database_folder, "SqliteLog", Swept)
        client.delete_collection("docs")
        assert client.count_collections() == 0
        assert list((tmp_path / "collections").iterdir()) == []


def test_a_flush_of_a_deleted_collection_does_not_make_its_folder_again(tmp_path):
    """Nobody would sweep it: the catalog has forgotten the collection when its folder was gone."""
    with collection_that_another_deleted(tmp_path) as engine:
        for call in (engine.flush, engine.compact):
            with pytest.raises(NotFoundError, match="the collection was deleted"):
                call()
        assert list((tmp_path / "collections").iterdir()) == []


@contextmanager
def reader_and_writer(folder):
    """Give two openers of one collection that holds a record; what the second writes is news to the first."""
    with chroma_search.PersistentClient(folder) as client:
        client.create_collection("docs", embedding_function=None).add(ids="a", embeddings=[1.0, 2.0])
    openers = [Database(folder), Database(folder)]
    reader, writer = (each.get_collection("docs", DEFAULT_TENANT, DEFAULT_DATABASE) for each in openers)
    assert reader.count() == writer.count() == 1
    yield reader, writer
    for each in openers:
        each.close()


def test_a_reader_sees_what_another_thread_has_taken_in_while_it_looked_for_news(tmp_path, monkeypatch):
    with reader_and_writer(tmp_path) as (reader, writer):
        writer.add(WriteBatch(["b"], np.ones((1, 2), np.float32)))
        log: Any = reader.home.log
        real = log.has_changed

        def overtaken():
            monkeypatch.setattr(log, "has_changed", real)
            other = threading.Thread(target=reader.count)
            other.start()
            other.join()
            return real()

        monkeypatch.setattr(log, "has_changed", overtaken)
        assert reader.home.snapshot.n_live == 2


def test_a_reader_sees_what_was_unloaded_while_it_looked_for_news(tmp_path, monkeypatch):
    with reader_and_writer(tmp_path) as (reader, _):
        log: Any = reader.home.log
        real = log.has_changed

        def unloaded():
            monkeypatch.setattr(log, "has_changed", real)
            found = real()
            other = threading.Thread(target=reader.home.unload)
            other.start()
            other.join()
            return found

        monkeypatch.setattr(log, "has_changed", unloaded)
        assert reader.home.snapshot.n_live == 1
