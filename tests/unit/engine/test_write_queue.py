"""Writes that wait for their collection: one transaction for all, an answer for each."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from chroma_search.engine.collection import CollectionEngine
from chroma_search.engine.write_queue import MOST_ROWS, WriteQueue, merged
from chroma_search.errors import DimensionMismatchError, StorageError
from chroma_search.requests import Selection, WriteBatch
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.log_entry import LogEntry, Operation

ALL = frozenset({"documents", "metadatas", "embeddings"})


def one(id: str, dimension: int = 2, document: str | None = None) -> WriteBatch:
    documents = None if document is None else [document]
    return WriteBatch([id], np.full((1, dimension), len(id), np.float32), documents)


def entry(op: Operation, *ids: str, document: str | None = None) -> LogEntry:
    documents = None if document is None else [document] * len(ids)
    return LogEntry(op, ids, np.ones((len(ids), 2), np.float32), documents)


@pytest.fixture
def engine(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    SqliteLog(folder / "log.sqlite").close()
    made = CollectionEngine("docs", "t", "d", CollectionConfig(), folder=folder)
    yield made
    made.close()


def together(engine: CollectionEngine, *writes: Callable[[], None]) -> list[BaseException | None]:
    """Let all writes wait before the first is carried out; return how each ended."""
    outcomes: list[BaseException | None] = [None] * len(writes)

    def run(at: int) -> None:
        try:
            writes[at]()
        except BaseException as error:
            outcomes[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(writes))]
    with engine.home.lock:
        for each in threads:
            each.start()
        while len(engine._writer.queue) < len(writes):
            threading.Event().wait(0)  # lets the others run
    for each in threads:
        each.join()
    return outcomes


def test_writes_that_wait_together_share_a_transaction(engine, monkeypatch):
    engine.add(one("first"))
    committed: list[str] = []
    monkeypatch.setattr("chroma_search.storage.log.reach", committed.append)
    writes = [lambda at=at: engine.add(one(f"id {at}", document=f"text {at}" if at % 2 else None)) for at in range(8)]
    assert together(engine, *writes) == [None] * 8
    assert committed.count("log.after_commit") == 1
    assert committed.count("log.after_append") == 8
    found = engine.get(Selection(), ALL)
    assert sorted(found.ids) == ["first", *(f"id {at}" for at in range(8))]
    texts = dict(zip(found.ids, found.documents or [], strict=True))
    assert texts == {"first": None, **{f"id {at}": f"text {at}" if at % 2 else None for at in range(8)}}


def test_what_was_acknowledged_together_is_there_when_the_folder_is_opened_anew(engine, tmp_path):
    assert together(engine, *(lambda at=at: engine.upsert(one(f"id {at}")) for at in range(5))) == [None] * 5
    again = CollectionEngine("docs", "t", "d", CollectionConfig(), folder=tmp_path / "docs")
    assert again.get(Selection(), ALL).ids == engine.get(Selection(), ALL).ids
    again.close()


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_write_of_another_dimension_is_refused_alone(engine, is_empty):
    if not is_empty:
        engine.add(one("first"))
    writes = [lambda at=at: engine.add(one(f"id {at}", 3 if at == 2 else 2)) for at in range(4)]
    outcomes = together(engine, *writes)
    refused = [at for at, each in enumerate(outcomes) if each is not None]
    assert all(isinstance(outcomes[at], DimensionMismatchError) for at in refused)
    # Of an empty collection any of the four may be the first, and says what the others must be.
    assert refused in ([[2]] if not is_empty else [[2], [0, 1, 3]])
    assert engine.count() == 4 - len(refused) + (not is_empty)


def test_of_two_adds_of_one_id_one_counts(engine):
    assert together(engine, *(lambda at=at: engine.add(one("same", document=str(at))) for at in range(3))) == [None] * 3
    assert engine.count() == 1


def test_when_a_transaction_fails_each_write_is_tried_alone(engine, monkeypatch):
    engine.add(one("first"))
    append = SqliteLog.append

    def failing(log: SqliteLog, entry: LogEntry) -> None:
        if "wrong" in entry.ids:
            raise StorageError("cannot be written")
        append(log, entry)

    monkeypatch.setattr(SqliteLog, "append", failing)
    ids = ["a", "wrong", "b", "c"]
    outcomes = together(engine, *(lambda id=id: engine.add(one(id)) for id in ids))
    assert [each is None for each in outcomes] == [True, False, True, True]
    assert isinstance(outcomes[1], StorageError)
    assert sorted(engine.get(Selection(), ALL).ids) == ["a", "b", "c", "first"]


def test_neighbours_that_do_the_same_become_one():
    found = merged(
        [entry("add", "a", "b"), entry("add", "c", document="text"), entry("upsert", "d"), entry("add", "e")]
    )
    known = [("add", ["a", "b", "c"]), ("upsert", ["d"]), ("add", ["e"])]
    assert [(each.op, list(each.ids)) for each in found] == known
    assert found[0].documents == [None, None, "text"]
    assert found[0].metadatas is None
    assert found[0].vectors is not None
    assert found[0].vectors.shape == (3, 2)


def test_updates_stay_apart_for_they_may_have_no_vectors():
    entries = [LogEntry("update", ["a"], None, ["x"]), entry("update", "b")]
    assert merged(entries) == entries


def test_two_writes_of_one_record_go_one_after_the_other():
    queue = WriteQueue()
    first, second, third = (queue.put(entry("upsert", *ids)) for ids in ("ab", "bc", "d"))
    assert queue.take_with(first) == [first]
    assert queue.take_with(second) == [second, third]


def test_a_group_is_bounded_and_holds_what_it_was_asked_for():
    queue = WriteQueue()
    waiting = [queue.put(entry("add", *(f"{at}-{row}" for row in range(MOST_ROWS // 2)))) for at in range(3)]
    own = queue.put(entry("add", "own"))
    assert queue.take_with(own) == [own, waiting[0]]
    assert len(queue) == 2
    queue.put_back(waiting[:1])
    assert queue.take_with(waiting[0]) == [waiting[0], waiting[1]]
