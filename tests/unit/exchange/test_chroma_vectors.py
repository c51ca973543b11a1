"""Where a vector is, by a model of Chroma: any history, saved and purged at any moment, the index kept or lost.

The model is Chroma's own rules, carried out in full: an `add` of a known id and an `update` of an unknown one do
nothing, a record's row notes the last write that reached it, the index is saved at some write, and the queue forgets
what came before.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chroma_search.exchange.chroma_hnsw_files import HnswFiles
from chroma_search.exchange.chroma_records import RecordReader
from chroma_search.exchange.chroma_tables import ChromaTables, SourceCollection
from chroma_search.exchange.chroma_vectors import FoundVector, VectorSources

CODES = {"add": 0, "update": 1, "upsert": 2, "delete": 3}
Write = tuple[str, str, bool]
"""Operation, id, whether it has a vector; the vector of write n is [n]."""


@dataclass
class Model:
    """Chroma after a history: rows `[key, seq_no]` and vectors by id, in both segments."""

    rows: dict[str, list[int]] = field(default_factory=dict)
    vectors: dict[str, int] = field(default_factory=dict)
    n_keys: int = 0

    def apply(self, seq_no: int, write: Write) -> None:
        operation, id_, has_vector = write
        exists = id_ in self.rows
        if operation == "delete":
            self.rows.pop(id_, None)
            self.vectors.pop(id_, None)
        elif (operation == "add" and exists) or (operation == "update" and not exists):
            return
        elif exists:
            self.rows[id_][1] = seq_no
        else:
            self.n_keys = max([0, *(key for key, _ in self.rows.values())]) + 1  # as SQLite chooses a rowid
            self.rows[id_] = [self.n_keys, seq_no]
        if operation != "delete" and has_vector:
            self.vectors[id_] = seq_no


class Index:
    """Stands for the files of an index: the vector of row n is [n]."""

    def __init__(self, vectors: dict[str, int], *, notes_writes: bool) -> None:
        self.ids = frozenset(vectors)
        self.rows = dict(vectors)
        self.applied = dict(vectors) if notes_writes else {}
        self.last_applied = None

    def vectors(self, rows: list[int]) -> Any:
        return np.array(rows, np.float32)[:, None], np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_)


def database(model: Model, queue: list[tuple[int, Write]]) -> ChromaTables:
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE collections (id); CREATE TABLE segments (id); CREATE TABLE embedding_metadata (id, key,"
        " string_value, int_value, float_value, bool_value);"
        "CREATE TABLE embeddings (id INTEGER PRIMARY KEY, segment_id, embedding_id, seq_id);"
        "CREATE TABLE embeddings_queue (seq_id INTEGER PRIMARY KEY, operation, topic, id, vector, encoding, metadata);"
    )
    connection.executemany(
        "INSERT INTO embeddings VALUES (?, 'm', ?, ?)", [(key, id_, seq) for id_, (key, seq) in model.rows.items()]
    )
    connection.executemany(
        "INSERT INTO embeddings_queue VALUES (?, ?, 't', ?, ?, 'FLOAT32', NULL)",
        [
            (seq, CODES[operation], id_, np.array([seq], "<f4").tobytes() if has_vector else None)
            for seq, (operation, id_, has_vector) in queue
        ],
    )
    return ChromaTables(connection, "model")


def found_vectors(
    history: list[Write], saved: int, purged: int, *, is_lost: bool, notes_writes: bool
) -> tuple[dict[str, int], dict[str, FoundVector | None]]:
    """Return the true vectors of the records and what was found of them.

    Args:
        history: all writes; the first one has seq_no 1.
        saved: seq_no at which the index was saved, 0 for never.
        purged: the queue has forgotten the writes up to here, at most `saved`.
        is_lost: whether the index is gone.
        notes_writes: whether the index knows the write of each vector (releases before 1.0).
    """
    model, at_save = Model(), Model()
    for seq_no, write in enumerate(history, 1):
        model.apply(seq_no, write)
        if seq_no <= saved:
            at_save.apply(seq_no, write)
    tables = database(model, [(seq, write) for seq, write in enumerate(history, 1) if seq > purged])
    collection = SourceCollection(
        id="c", name="c", tenant="t", database="d", dimension=1, metadata=None, configuration=None, schema=None,
        topic="t", vector_segment="v", metadata_segment="m",
        vectors_applied=saved or None, records_applied=len(history),
    )  # fmt: skip
    index: Any = None
    if saved:
        index = Index({} if is_lost else at_save.vectors, notes_writes=notes_writes)
        if is_lost:
            index.ids = None
    sources = VectorSources(tables, collection, cast("HnswFiles | None", index))
    records = [record for batch in RecordReader(tables, collection).batches(3) for record in batch]
    assert [record.id for record in records] == [id_ for id_, _ in sorted(model.rows.items(), key=lambda each: each[1])]
    found = sources.find(records)
    tables._connection.close()
    return model.vectors, {record.id: each for record, each in zip(records, found, strict=True)}


writes = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abcd"), st.just(True)),
    st.tuples(st.just("upsert"), st.sampled_from("abcd"), st.just(True)),
    st.tuples(st.just("update"), st.sampled_from("abcd"), st.booleans()),
    st.tuples(st.just("delete"), st.sampled_from("abcd"), st.just(False)),
)
histories = st.lists(writes, max_size=14)
ADD, META, DELETE = ("add", "a", True), ("update", "a", False), ("delete", "a", False)


@given(histories, st.integers(0, 14), st.integers(0, 14), st.booleans())
@example([("update", "a", True), ADD], 2, 0, False)  # the update did nothing, the add did
@example([("update", "a", True), ADD, META], 2, 0, False)
@example([ADD, DELETE, ADD], 2, 1, False)
@example([ADD, ADD, META], 1, 1, True)  # the second add did nothing
@example([("add", "b", True), ADD, META], 1, 1, False)  # the index shows that a was not there
@example([ADD, ADD, DELETE, ADD], 3, 0, False)  # what the first two did no longer matters
def test_with_the_index_every_record_gets_its_last_vector_and_no_other(
    history: list[Write], saved: int, purged: int, notes_writes: bool
) -> None:
    saved = min(saved, len(history))
    truth, found = found_vectors(history, saved, min(purged, saved), is_lost=False, notes_writes=notes_writes)
    assert {id_: None if each is None else int(each.values[0]) for id_, each in found.items()} == truth
    assert not any(each is not None and each.is_doubtful for each in found.values())


@given(histories, st.integers(1, 14), st.integers(0, 14))
@example([ADD, ("add", "b", True), ADD], 2, 2)  # row b shows that a was there before: the last write did nothing
@example([ADD, ADD, META], 1, 1)  # nothing shows it
def test_without_the_index_a_vector_is_the_last_one_or_doubtful_or_missing(
    history: list[Write], saved: int, purged: int
) -> None:
    saved = min(saved, len(history))
    truth, found = found_vectors(history, saved, min(purged, saved), is_lost=True, notes_writes=False)
    assert set(found) == set(truth)
    last_vectors = {id_: seq for seq, (op, id_, has) in enumerate(history, 1) if has and op in ("upsert", "update")}
    for id_, each in found.items():
        if each is not None and not each.is_doubtful:
            assert int(each.values[0]) == truth[id_]
        if each is None and purged == 0:
            pytest.fail("the queue has everything")
        if each is None:  # then its vector is no longer in the queue
            assert truth[id_] <= min(purged, saved) or last_vectors.get(id_) != truth[id_]


def test_an_add_that_may_have_found_its_id_taken_is_doubtful() -> None:
    truth, found = found_vectors([ADD, ADD, META], 1, 1, is_lost=True, notes_writes=False)
    each = found["a"]
    assert truth == {"a": 1}
    assert each is not None
    assert (int(each.values[0]), each.is_doubtful) == (2, True)


def test_an_add_that_did_nothing_is_not_taken_for_the_vector() -> None:
    # That the last write of a is an earlier one, and that b is younger than a, show it.
    _, found = found_vectors([ADD, ("add", "b", True), ADD], 2, 2, is_lost=True, notes_writes=False)
    assert found["a"] is None
    _, found = found_vectors([ADD, ("add", "b", True), ADD, META], 2, 2, is_lost=True, notes_writes=False)
    assert found["a"] is None


def test_an_add_that_made_its_record_for_certain_is_not_doubtful() -> None:
    _, found = found_vectors([("add", "b", True), ADD], 1, 1, is_lost=True, notes_writes=False)
    each = found["a"]
    assert each is not None
    assert (int(each.values[0]), each.is_doubtful) == (2, False)
    assert found["b"] is None
