"""Flushes to files: answers do not change, the log and the disk stay small, and nothing waits for them."""

import errno
import threading
from pathlib import Path

import numpy as np
import pytest

import chroma_search
from chroma_search import K, Knn, Search
from chroma_search.errors import CorruptionError, StorageError
from chroma_search.storage import merge_policy
from chroma_search.storage.merge_policy import TAIL_ROWS
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


def test_what_happens_during_a_flush_is_not_lost(client, monkeypatch):
    """The flush is stopped where its segment is built; meanwhile flushed records are changed, deleted and added."""
    collection = made(client)
    filled(collection, 300)
    oracle = everything(collection)[0]
    entered, go_on = threading.Event(), threading.Event()
    real = chroma_search.engine.flushing.merged_state

    def slow(*arguments):
        entered.set()
        assert go_on.wait(30)
        return real(*arguments)

    monkeypatch.setattr(chroma_search.engine.flushing, "merged_state", slow)
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
    from chroma_search.engine.requests import Selection

    collection = made(client)
    filled(collection, 200)
    engine = collection._engine
    other = CollectionEngine("docs", "t", "d", engine.config, folder=engine._folder)
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
    segments = collection._engine._segments
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
    engine = collection._engine
    assert engine.stats()["flush_error"] is None
    real = engine._segments._files
    engine._segments._files = BreakingFiles(fails_at=0)
    monkeypatch.setattr(merge_policy, "TAIL_ROWS", 20)
    filled(collection, 20, first=100)
    engine._flusher.wait()
    assert "No space left" in engine.stats()["flush_error"]
    engine._segments._files = real
    filled(collection, 1, first=200)
    engine._flusher.wait()
    stats = engine.stats()
    assert stats["flush_error"] is None
    assert stats["segment_bytes"] > 0
    assert stats["log_bytes"] == 0
    assert collection.count() == 31
