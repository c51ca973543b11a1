"""One engine, two homes: records split into segments on disk in any way answer as the same records in memory at once.

On disk they are written in random batches, with flushes, compactions, purges and reopenings forced in between; in
memory in one batch. Ids, order and scores must be the same to the last bit, and those of the oracle; and again in a
copy that went through Parquet, JSONL, or a backup.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chroma_search
from chroma_search.dsl import Bm25, GroupBy, K, Knn, Limit, MinK, Rrf, Search, SearchClauses, Select
from chroma_search.exchange.exporting import export_collection
from chroma_search.exchange.importing import import_collection
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.model.sparse_vector import SparseVector
from tests.oracle.collection import OracleCollection
from tests.property.comparing import assert_same_answer
from tests.property.record_strategies import Write, apply, histories, rows
from tests.property.search_strategies import searches, wheres

MEMORY = next((each for each in ("/dev/shm",) if os.access(each, os.W_OK)), None)
TOLERANCE = 1e-9  # of the oracle, which computes with Python's math
EVERYTHING = ["documents", "metadatas", "embeddings", "uris"]
QUERIES = [[0.0, 1.0], [0.25, -2.0], [0.0, 0.0]]

STEPS = ("", "", "flush", "flush", "compact", "reopen", "purge")
steps = st.lists(st.sampled_from(STEPS), min_size=1, max_size=6)
spaces = st.sampled_from(("l2", "cosine", "ip"))
kinds = st.sampled_from(("hnsw", "spann"))
few = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
fewer = settings(few, max_examples=25)

batches = st.lists(st.lists(rows("add", embedded=True, upstream=False), min_size=1, max_size=8), min_size=1, max_size=5)
"""Records in the batches in which they are written; each record gets an id of its own."""

DENSE = Knn([0.5, -0.25], limit=9)
SPARSE = Knn(SparseVector([0, 2], [1.0, 0.5]), "sp", limit=9)
WORDS = Bm25("fox the 日本語", limit=9)
FUSED = Rrf([replace(each, return_rank=True, default=20.0) for each in (DENSE, SPARSE, WORDS)], weights=[2.0, 1.0, 1.0])
FIXED = tuple(
    SearchClauses(rank=rank, where=where, group_by=group_by, limit=Limit(0, 12), select=Select(("#score", "#metadata")))
    for rank in (DENSE, SPARSE, WORDS, FUSED, FUSED * 2 + WORDS)
    for where in (None, (K("n") >= 1) | K.DOCUMENT.contains("fo"))
    for group_by in (GroupBy(), GroupBy([K("n")], MinK([K.SCORE], 2)))
)
"""The searches that everybody makes, next to the drawn ones."""


class OnDisk:
    """A collection in a folder; each step may close it and open it again."""

    def __init__(self, folder, configuration):
        self.folder = folder
        self.client = chroma_search.PersistentClient(folder)
        self.collection = self.client.create_collection("docs", configuration=configuration, embedding_function=None)

    def reopen(self):
        self.client.close()
        self.client = chroma_search.PersistentClient(self.folder)
        self.collection = self.client.get_collection("docs", embedding_function=None)

    def take(self, step):
        if step == "reopen":
            self.reopen()
        elif step:
            getattr(self.collection, step)()


@contextmanager
def homes(space, kind):
    """A collection on disk, one in memory, and the oracle."""
    configuration: Any = {kind: {"space": space}}
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    with chroma_search.EphemeralClient() as client:
        memory = client.get_or_create_collection("docs", configuration=configuration, embedding_function=None)
        disk = OnDisk(folder / "data", configuration)
        try:
            yield disk, memory, OracleCollection(space, tokenizer=Analyzer().tokens)
        finally:
            disk.client.close()
            client.delete_collection(memory.name)
            shutil.rmtree(folder)


def numbered(batches):
    """Writes of the batches, with ids in their order."""
    n, made = 0, []
    for batch in batches:
        made.append(Write("add", tuple(replace(row, id=f"{n + at}") for at, row in enumerate(batch))))
        n += len(batch)
    return made, Write("add", tuple(row for write in made for row in write.rows))


def answers(collection, wanted, filters=(None,)):
    """Everything that can be asked, in one list."""
    found = [got(collection.get(include=EVERYTHING))]
    found += [got(collection.get(where=where, include=EVERYTHING)) for where in filters if where is not None]
    for where in filters:
        nearest = collection.query(QUERIES, n_results=5, where=where, include=["documents", "distances"], exact=True)
        found.append({name: nearest[name] for name in ("ids", "documents", "distances")})
    return found + searched(collection, [*FIXED, *wanted])


def got(result):
    columns = {name: result[name] for name in ("ids", "documents", "metadatas", "uris")}
    return {**columns, "embeddings": [each.tolist() for each in result["embeddings"]]}


def searched(collection, wanted):
    """The columns of each search."""
    result = collection.search([Search.of(clauses) for clauses in wanted], exact=True)
    columns = {name: result[name] or [None] * len(wanted) for name in ("ids", "scores", "documents", "metadatas")}
    return [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]


def assert_same(found, expected):
    """To the last bit: 1 is not 1.0, 0.0 not -0.0, NaN equals NaN; but fields of a record have no order."""
    for one, other in zip(found, expected, strict=True):
        assert repr(ordered(one)) == repr(ordered(other))


def ordered(value):
    """The value with the keys of all dicts in order."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(each) for each in value] if isinstance(value, list) else value


def assert_as_oracle(disk, oracle, wanted):
    """The oracle's columns, where the collection gives them."""
    assert got(disk.collection.get(include=EVERYTHING)) == oracle.get()
    for clauses, found in zip((*FIXED, *wanted), searched(disk.collection, [*FIXED, *wanted]), strict=True):
        expected = oracle.search(clauses)
        assert_same_answer(found, {name: expected[name] for name in found}, tolerance=TOLERANCE)


@few
@given(batches, steps, spaces, kinds, st.lists(searches(), max_size=3), st.lists(wheres(), max_size=2))
def test_any_split_on_disk_answers_as_one_batch_in_memory(batches, steps, space, kind, wanted, filters):
    made, at_once = numbered(batches)
    with homes(space, kind) as (disk, memory, oracle):
        for at, write in enumerate(made):
            apply(write, disk.collection)
            disk.take(steps[at % len(steps)])
        apply(at_once, memory)
        apply(at_once, oracle)
        expected = answers(memory, wanted, (None, *filters))
        assert_same(answers(disk.collection, wanted, (None, *filters)), expected)
        assert_as_oracle(disk, oracle, wanted)
        for step in ("flush", "reopen", "compact", "reopen"):
            disk.take(step)
            assert_same(answers(disk.collection, wanted, (None, *filters)), expected)


@few
@given(histories(max_size=10), steps, spaces, kinds, st.lists(searches(), max_size=2))
def test_updates_and_deletes_on_disk_answer_as_in_memory(history, steps, space, kind, wanted):
    with homes(space, kind) as (disk, memory, oracle):
        for at, operation in enumerate(history):
            done = apply(operation, oracle)
            assert done == apply(operation, memory) == apply(operation, disk.collection)
            disk.take(steps[at % len(steps)])
        assert_same(answers(disk.collection, wanted), answers(memory, wanted))
        assert_as_oracle(disk, oracle, wanted)


@pytest.mark.parametrize("way", ["parquet", "jsonl", "backup"])
@fewer
@given(histories(max_size=6), steps, spaces, kinds, st.lists(searches(), max_size=2))
def test_a_copy_answers_as_what_it_was_made_of(way, history, steps, space, kind, wanted):
    with homes(space, kind) as (disk, _, _):
        for at, operation in enumerate(history):
            apply(operation, disk.collection)
            disk.take(steps[at % len(steps)])
        expected = answers(disk.collection, wanted)
        top = disk.folder.parent
        if way == "backup":
            disk.client.backup(top / "copy")
        else:
            export_collection(disk.collection, top / f"docs.{way}")
        with chroma_search.PersistentClient(top / "copy") as client:
            if way != "backup":
                import_collection(client, "docs", top / f"docs.{way}", batch_rows=2)
            copy = client.get_collection("docs", embedding_function=None)
            assert_same(answers(copy, wanted), expected)
            copy.compact()
            assert_same(answers(copy, wanted), expected)


def test_the_fixed_searches_find_something():
    """A comparison of empty answers would prove nothing."""
    with homes("l2", "hnsw") as (disk, _, _):
        disk.collection.add(
            ids=["a", "b", "c"],
            embeddings=[[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]],
            documents=["fox", "the fo", "日本語"],
            metadatas=[{"n": 1, "sp": SparseVector([0], [1.0])}, {"n": 2, "sp": SparseVector([2], [1.0])}, {"n": 0}],
        )
        assert all(each["ids"] for each in searched(disk.collection, FIXED))
