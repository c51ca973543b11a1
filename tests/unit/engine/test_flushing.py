"""Flushes to files: answers do not change, the log and the disk stay small, and nothing waits for them."""

import errno
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search import K, Knn, Search
from chroma_search.errors import CorruptionError, StorageError
from chroma_search.storage import merge_policy
from chroma_search.storage.merge_policy import TAIL_ROWS
from tests.engine_of import engine_of
from tests.unit.storage.breaking_files import BreakingFiles

DIM = 8


@pytest.fixture
def client(tmp_path):
    with chroma_search.PersistentClient(tmp_path) as opened:
        yield opened


def made(client):
    return client.create_collection("docs", configuration={"hnsw": {"space": "l2"}}, embedding_function=None)


def filled(collection, n, first=0, text="text"):
    rng = np.random.default_rng(first)
    collection.add(
        ids=[str(each) for each in range(first, first + n)],
        embeddings=rng.integers(-9, 10, (n, DIM)).astype(np.float32),
        documents=[f"{text} {each}" for each in range(first, first + n)],
        metadatas=[{"n": each, "third": each % 3} for each in range(first, first + n)],
    )


def everything(collection):
    found = collection.get(include=["embeddings", "documents", "metadatas"])
    search = Search(where=K("third") == 1, rank=Knn(np.ones(DIM, np.float32), limit=20)).limit(20).select_all()
    answer = collection.search(search, exact=True)
    return found["ids"], found["embeddings"].tolist(), found["documents"], found["metadatas"], answer


def files_in(folder, pattern):
    return sorted(Path(folder).rglob(pattern))


def test_a_flush_changes_no_answer_and_a_new_process_finds_the_same(client, tmp_path):
    collection = made(client)
    filled(collection, 500)
    collection.delete(where={"n": {"$lt": 50}})
    collection.update(ids=["60", "70"], documents=["new", "newer"], embeddings=np.zeros((2, DIM)))
    before = everything(collection)
    for step in (collection.flush, collection.flush, collection.compact, collection.compact):
        step()
        assert everything(collection) == before
    assert len(files_in(tmp_path, "*.segment")) == 1
    collection.delete(ids=["80"])
    filled(collection, 20, first=1000)
    after = everything(collection)
    client.close()
    with chroma_search.PersistentClient(tmp_path) as again:
        assert everything(again.get_collection("docs", embedding_function=None)) == after


@pytest.mark.parametrize("n_before", [0, 1], ids=["the log is emptied", "the graph is built"])
def test_what_happens_during_a_flush_is_not_lost(client, tmp_path, monkeypatch, n_before):
    """A stage is stopped where its segment is built; meanwhile flushed records are changed, deleted and added."""
    collection = made(client)
    filled(collection, 300)
    oracle = everything(collection)[0]
    entered, go_on = threading.Event(), threading.Event()
    real, calls = chroma_search.engine.flushing.merged_segment, []

    def slow(*arguments, **named):
        calls.append(arguments)
        if len(calls) > n_before:
            entered.set()
            assert go_on.wait(30)
        return real(*arguments, **named)

    monkeypatch.setattr(chroma_search.engine.flushing, "merged_segment", slow)
    thread = threading.Thread(target=collection.flush)
    thread.start()
    assert entered.wait(30)
    collection.delete(ids=["5"])  # no writer waits for the flush
    collection.update(ids=["6"], documents=["changed"], embeddings=np.full((1, DIM), 3.0))
    filled(collection, 1, first=900)
    go_on.set()
    thread.join()
    assert everything(collection)[0] == [*(each for each in oracle if each != "5"), "900"]
    assert collection.get(ids=["6"])["documents"] == ["changed"]
    assert collection.query(np.full((1, DIM), 3.0), n_results=1)["ids"] == [["6"]]
    seen = everything(collection)
    client.close()
    with chroma_search.PersistentClient(tmp_path) as again:
        assert everything(again.get_collection("docs", embedding_function=None)) == seen


def test_a_full_tail_is_flushed_behind_the_writers_back_and_the_log_stays_small(client, tmp_path):
    collection = made(client)
    for first in range(0, 2 * TAIL_ROWS, 5000):
        filled(collection, 5000, first=first)
    client.close()  # waits for the flush
    (log,) = files_in(tmp_path, "log.sqlite")
    assert files_in(tmp_path, "*.segment")
    assert log.stat().st_size < 5000 * (DIM * 4 + 200) * 2
    with chroma_search.PersistentClient(tmp_path) as again:
        assert again.get_collection("docs", embedding_function=None).count() == 2 * TAIL_ROWS


def test_deleted_records_leave_the_disk_with_a_compaction(client, tmp_path):
    collection = made(client)
    filled(collection, 3000, text="a secret of the firm " * 5)
    collection.flush()
    size = sum(path.stat().st_size for path in files_in(tmp_path, "*") if path.is_file())
    collection.delete(where={"n": {"$gte": 300}})
    collection.compact()
    left = sum(path.stat().st_size for path in files_in(tmp_path, "*") if path.is_file())
    assert left < size / 3
    collection.delete(where={"n": {"$gte": 0}})
    filled(collection, 5, first=5000, text="plain")
    collection.compact()
    assert collection.count() == 5
    client.close()
    for path in files_in(tmp_path, "*"):
        assert not path.is_file() or b"secret of the firm" not in path.read_bytes()


def test_a_second_opener_follows_a_flush_of_the_first(client, tmp_path):
    from chroma_search.engine.collection import CollectionEngine
    from chroma_search.requests import Selection

    collection = made(client)
    filled(collection, 200)
    engine: Any = engine_of(collection)
    other = CollectionEngine("docs", "t", "d", engine.config, folder=engine.home.folder)
    assert other.count() == 200
    collection.flush()
    collection.delete(ids=["3"])
    assert other.count() == 199
    other.delete(Selection(ids=["4"]))
    other.flush()
    assert collection.count() == 198
    collection.compact()
    assert other.get(Selection(ids=["3", "4", "5"]), frozenset()).ids == ["5"]
    other.close()


@pytest.mark.parametrize("kind", ["truncated", "flipped", "gone"])
def test_a_damaged_segment_is_an_error_never_a_wrong_answer(client, tmp_path, kind):
    collection = made(client)
    filled(collection, 400)
    collection.flush()
    client.close()
    (path,) = files_in(tmp_path, "*.segment")
    content = path.read_bytes()
    if kind == "gone":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        at = content.index(b"text 7")
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with chroma_search.PersistentClient(tmp_path) as again:
        collection = again.get_collection("docs", embedding_function=None)
        for _ in range(2):  # the second call must not answer from what the first could not read
            with pytest.raises((CorruptionError, StorageError), match="segment"):
                everything(collection)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_call_of_a_flush_loses_nothing(client, tmp_path, error):
    collection = made(client)
    filled(collection, 100)
    before = everything(collection)
    segments: Any = engine_of(collection).home.segments
    real, failures = segments._files, []
    for nth in range(1, 40):
        segments._files = BreakingFiles(fails_at=nth, error=error)
        try:
            collection.compact()
        except StorageError as failure:
            failures.append(str(failure))
        segments._files = real
        assert everything(collection) == before
        filled(collection, 1, first=1000 + nth)  # the process goes on
        before = everything(collection)
    assert len(failures) >= 8
    assert all("segment" in each for each in failures)
    collection.compact()
    assert everything(collection) == before
    assert len(files_in(tmp_path, "*.segment")) == 1
    assert not files_in(tmp_path, "*.tmp")


def test_a_flush_in_the_background_that_fails_is_told_by_stats_and_made_up_later(client, monkeypatch):
    collection = made(client)
    filled(collection, 10)
    engine: Any = engine_of(collection)
    assert engine.stats()["flush_error"] is None
    real = engine.home.segments._files
    engine.home.segments._files = BreakingFiles(fails_at=0)
    monkeypatch.setattr(merge_policy, "TAIL_ROWS", 20)
    filled(collection, 20, first=100)
    engine.home.flusher.wait()
    assert "No space left" in engine.stats()["flush_error"]
    engine.home.segments._files = real
    filled(collection, 1, first=200)
    engine.home.flusher.wait()
    stats = engine.stats()
    assert stats["flush_error"] is None
    assert stats["segment_bytes"] > 0
    assert stats["log_bytes"] == 0
    assert collection.count() == 31


def flusher_of(collection):
    flusher = engine_of(collection).home.flusher
    assert flusher is not None
    return flusher


def kinds(collection):
    return [segment["indexes"][-1] for segment in engine_of(collection).stats()["segments"]]


def test_while_a_graph_is_built_flushes_go_on_and_empty_the_log(client, monkeypatch):
    collection = made(client)
    built, go_on = threading.Event(), threading.Event()
    filled(collection, 50)
    flusher = flusher_of(collection)
    real = chroma_search.engine.flushing.build_graph

    def slow(*arguments):
        built.set()
        assert go_on.wait(30)
        return real(*arguments)

    monkeypatch.setattr(chroma_search.engine.flushing, "build_graph", slow)
    thread = threading.Thread(target=collection.flush)
    thread.start()
    assert built.wait(30)
    assert flusher.log_bytes == 0
    filled(collection, 30, first=100)
    collection.delete(ids=["7"])
    assert flusher.log_bytes > 0
    assert flusher._flush(is_asked=True)
    assert flusher.log_bytes == 0
    before = everything(collection)
    assert kinds(collection) == ["coded", "coded"]
    go_on.set()
    thread.join()
    assert kinds(collection) == ["hnsw"]
    assert everything(collection) == before


def test_what_was_flushed_and_not_indexed_is_there_and_indexed_after_the_next_write(client, tmp_path, monkeypatch):
    collection = made(client)
    filled(collection, 40)
    flusher_of(collection)._flush(is_asked=True)  # as if the process had been killed then
    before = everything(collection)
    client.close()
    with chroma_search.PersistentClient(tmp_path) as again:
        collection = again.get_collection("docs", embedding_function=None)
        assert everything(collection) == before
        assert kinds(collection) == ["coded"]
        monkeypatch.setattr(merge_policy, "TAIL_ROWS", 30)
        filled(collection, 1, first=500)
        flusher_of(collection).wait()
        assert kinds(collection) == ["hnsw", "flat"]
        assert everything(collection)[0] == [*before[0], "500"]


def test_the_process_that_flushes_does_not_read_its_log_again(client, monkeypatch):
    collection = made(client)
    filled(collection, 100)
    log = engine_of(collection).home.log
    monkeypatch.setattr(log, "news", lambda: pytest.fail("the log was read"))
    before = everything(collection)
    collection.flush()
    filled(collection, 10, first=200)
    collection.delete(ids=[str(each) for each in range(200, 210)])
    collection.compact()
    assert everything(collection) == before


def test_rows_that_wait_for_a_graph_are_found_exactly(tmp_path):
    """The second flush is coded around the centre of the first, of which its rows are far."""
    rng = np.random.default_rng(3)
    vectors = np.concatenate([rng.normal(size=(3200, 260)), rng.normal(size=(400, 260)) * 3 + 2]).astype(np.float32)
    ids = [str(at) for at in range(len(vectors))]
    with chroma_search.PersistentClient(tmp_path) as client, chroma_search.EphemeralClient() as other:
        disk, memory = made(client), made(other)
        memory.add(ids=ids, embeddings=vectors)
        for part in (slice(0, 3200), slice(3200, None)):
            disk.add(ids=ids[part], embeddings=vectors[part])
            flusher_of(disk)._flush(is_asked=True)
        assert kinds(disk) == ["coded", "coded"]
        queries = vectors[::400] + np.float32(0.25)
        expected = memory.query(queries, n_results=10, exact=True)
        assert disk.query(queries, n_results=10) == expected
        disk.flush()
        assert disk.query(queries, n_results=10, exact=True) == expected


def test_a_reader_begins_the_flush_of_a_tail_that_nobody_writes_to(client, tmp_path, monkeypatch):
    monkeypatch.setattr("chroma_search.engine.flushing.IDLE_S", 0.2)
    collection = made(client)
    filled(collection, merge_policy.IDLE_ROWS)
    before = everything(collection)
    assert not files_in(tmp_path, "*.segment")  # the writer may be going on
    time.sleep(0.25)
    assert everything(collection) == before
    flusher_of(collection).wait()
    assert len(files_in(tmp_path, "*.segment")) == 1
    assert everything(collection) == before

    filled(collection, merge_policy.IDLE_ROWS - 1, first=5000)  # too few
    time.sleep(0.25)
    collection.count()
    flusher_of(collection).wait()
    assert len(files_in(tmp_path, "*.segment")) == 1


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_another_process_flushes_what_a_writer_left_unless_it_only_reads(client, tmp_path, monkeypatch, mode):
    monkeypatch.setattr("chroma_search.engine.flushing.IDLE_S", 0.0)
    filled(made(client), merge_policy.IDLE_ROWS)
    client.close()
    with chroma_search.PersistentClient(tmp_path, mode=mode) as again:
        collection = again.get_collection("docs", embedding_function=None)
        for _ in range(2):
            assert collection.count() == merge_policy.IDLE_ROWS
        flusher_of(collection).wait()
        assert len(files_in(tmp_path, "*.segment")) == (mode == "rw")
