"""`memory_limit`: collections that were not used for long leave memory, and nobody notices but by the time it takes."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import chroma_search
from chroma_search import Knn, Search
from chroma_search.errors import InvalidArgumentError

N, DIM, ROWS = 6, 256, 12_000

PROGRAM = """
import sys
import numpy as np
import chroma_search

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

limit = int(sys.argv[2]) or None
client = chroma_search.PersistentClient(sys.argv[1], memory_limit=limit)
names = sorted(each.name for each in client.list_collections())
base = peak = None
for turn in range(2):
    for at, name in enumerate(names):
        collection = client.get_collection(name, embedding_function=None)
        found = collection.query(query_embeddings=[[float(at)] * 256], n_results=1, include=["documents"])
        assert found["documents"] == [[name]], found
        if base is None:
            base = peak = resident()
        peak = max(peak, resident())
print(peak - base)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("limit")
    with chroma_search.PersistentClient(path) as client:
        for at in range(N):
            collection = client.create_collection(
                f"docs{at}", configuration={"hnsw": {"max_neighbors": 4, "ef_construction": 8}}, embedding_function=None
            )
            vectors = np.random.default_rng(at).normal(size=(ROWS, DIM)) + 100
            vectors[7] = at
            collection.add([f"{row}" for row in range(ROWS)], vectors, documents=[f"docs{at}"] * ROWS)
            collection.flush()
    return path


def growth(folder, limit):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, str(limit)], check=True, capture_output=True, text=True
    )
    return int(run.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_follows_the_limit_and_not_the_number_of_collections(folder):
    one = max(
        sum(file.stat().st_size for file in each.rglob("*.segment")) for each in (folder / "collections").iterdir()
    )
    unlimited, limited = growth(folder, 0), growth(folder, 2 * one)
    assert unlimited > 0.6 * (N - 1) * ROWS * DIM * 4  # vectors at least
    assert limited < 0.5 * unlimited
    assert limited < 2.5 * one


def test_collections_used_in_turn_by_threads_answer_right_under_a_tiny_limit(folder):
    with chroma_search.PersistentClient(folder, memory_limit=1) as client:
        wrong = []

        def ask(at):
            collection = client.get_collection(f"docs{at}", embedding_function=None)
            for _ in range(6):
                # exact: the graph is a poor one, so that it is made soon
                found = collection.search(Search(rank=Knn([float(at)] * DIM)).limit(1), exact=True)
                if found["ids"] != [["7"]] or collection.count() != ROWS:
                    wrong.append((at, found["ids"]))

        threads = [threading.Thread(target=ask, args=(at % N,)) for at in range(2 * N)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert wrong == []


def test_what_was_written_before_a_collection_was_let_go_of_is_read_again(tmp_path):
    with chroma_search.PersistentClient(tmp_path, memory_limit=1) as client:
        collections = [client.create_collection(f"docs{at}", embedding_function=None) for at in range(3)]
        for turn in range(3):
            for at, collection in enumerate(collections):
                collection.add([f"{turn}"], [[float(at), float(turn)]])
        for collection in collections:
            assert collection.get()["ids"] == ["0", "1", "2"]


def test_a_limit_below_one_byte_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="from 1"):
        chroma_search.PersistentClient(tmp_path, memory_limit=0)
