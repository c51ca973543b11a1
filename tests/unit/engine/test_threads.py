"""Readers beside writers: every answer is that of one snapshot."""

from __future__ import annotations

import threading

import numpy as np

import chroma_search
from chroma_search import K, Knn, Search

N_BATCHES, ROWS = 30, 40


def test_a_reader_sees_whole_batches_only():
    """Every batch is added whole and deleted whole, so a count that is no multiple of a batch is a torn read."""
    collection = chroma_search.EphemeralClient().create_collection("threads", embedding_function=None)
    vectors = np.random.default_rng(1).normal(size=(ROWS, 8)).astype(np.float32)
    torn: list[int] = []
    failures: list[BaseException] = []
    finished = threading.Event()

    def read() -> None:
        try:
            while not finished.is_set():
                for batch in range(N_BATCHES):
                    found = collection.get(where={"batch": batch}, include=[])["ids"]
                    near = collection.search(Search(where=K("batch") == batch, rank=Knn(vectors[0], limit=1000)))
                    torn.extend(n for n in (len(found), len(near["ids"][0])) if n % ROWS)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for each in readers:
        each.start()
    for batch in range(N_BATCHES):
        ids = [f"{batch}-{row}" for row in range(ROWS)]
        collection.add(ids=ids, embeddings=vectors, metadatas=[{"batch": batch}] * ROWS)
        if batch % 7 == 3:
            collection.compact()
        if batch % 5 == 4:
            collection.delete(where={"batch": batch - 2})
    finished.set()
    for each in readers:
        each.join()
    assert not failures
    assert not torn
    assert collection.count() == (N_BATCHES - N_BATCHES // 5) * ROWS


def test_writers_of_one_collection_lose_nothing():
    collection = chroma_search.EphemeralClient().create_collection("writers", embedding_function=None)

    def write(writer: int) -> None:
        for at in range(60):
            collection.add(ids=[f"{writer}-{at}"], embeddings=[[float(writer), float(at)]])

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert collection.count() == 240
    assert len(set(collection.get(include=[])["ids"])) == 240
