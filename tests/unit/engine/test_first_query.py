"""The first query of a process reads, checks and loads what it needs, not the file and not the package."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search.errors import CorruptionError
from chroma_search.indexes.registry import vector_index
from chroma_search.indexes.vector.hnsw import GRAPH
from chroma_search.storage.files import DiskFiles
from chroma_search.storage.mapped_file import BLOCK_BYTES
from chroma_search.storage.rows import Rows
from chroma_search.storage.segment_file import SegmentFile, write_segment

pytestmark = pytest.mark.slow
ROWS, DIM = 6_000, 384

PROGRAM = """
import json, os, sys
import numpy as np
import chroma_search
from chroma_search.client.engine_backend import engine_backend

query = np.load(sys.argv[2])
client = chroma_search.PersistentClient(sys.argv[1])
collection = client.get_collection("docs", embedding_function=None)
found = collection.query(query_embeddings=[query], n_results=10)
heavy = "pyarrow pydantic lark rich sklearn scipy hnswlib onnxruntime snowballstemmer"
own = "dsl planner.optimizer planner.explain indexes.text indexes.scalar schema.schema embeddings.built_in"
loaded = [each for each in [*heavy.split(), *(f"chroma_search.{part}" for part in own.split())] if each in sys.modules]
(state,) = engine_backend(collection).engine.snapshot.segments
file = state.segment.rows._file
checked = {name: (file.rows(name).n_checked, -(-file.rows(name).size * file.dtype(name).itemsize // 32768))
           for name in file.names}
print(json.dumps({"ids": found["ids"][0], "documents": found["documents"][0], "loaded": loaded, "checked": checked}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("first")
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(40, DIM)).astype(np.float32)[rng.integers(0, 40, ROWS)]
    vectors += 0.3 * rng.normal(size=(ROWS, DIM)).astype(np.float32)
    np.save(path / "query.npy", vectors[4_000] + np.float32(0.001))
    with chroma_search.PersistentClient(path / "data") as client:
        hnsw: Any = {"ef_search": 20, "ef_construction": 40, "max_neighbors": 8}
        collection = client.create_collection("docs", configuration={"hnsw": hnsw}, embedding_function=None)
        ids = [f"r{row}" for row in range(ROWS)]
        collection.add(ids, vectors, documents=[f"text {row} " * 20 for row in range(ROWS)])
        collection.compact()
        collection.flush()
    return path, vectors


@pytest.fixture(scope="module")
def answer(folder):
    path, _ = folder
    command = [sys.executable, "-c", PROGRAM, path / "data", path / "query.npy"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def test_it_answers_with_the_documents(folder, answer):
    path, vectors = folder
    distances = ((vectors - np.load(path / "query.npy")) ** 2).sum(axis=1)
    assert answer["ids"][0] == f"r{np.argmin(distances)}" == "r4000"
    assert answer["documents"] == [f"text {each[1:]} " * 20 for each in answer["ids"]]


def test_it_loads_neither_heavy_packages_nor_what_only_other_calls_need(answer):
    assert answer["loaded"] == []


def test_it_checks_the_blocks_that_it_touches(answer):
    checked = answer["checked"]
    touched = {name: found for name, (found, _) in checked.items()}
    assert touched["vectors"] < checked["vectors"][1] / 4
    assert 0 < touched["graph.codes"] < checked["graph.codes"][1]
    assert touched["graph.links"] < checked["graph.links"][1]
    assert touched["documents.bytes"] <= 20
    assert not any(touched[name] for name in checked if "sketch_values" in name or "sketch_signs" in name)
    assert not touched["id_hashes"]
    assert sum(touched.values()) < sum(n for _, n in checked.values()) / 3


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return a segment file, and what its index answers in memory."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(1_500, DIM)).astype(np.float32)
    nothing = [None] * len(vectors)
    rows = Rows([str(at) for at in range(len(vectors))], np.arange(len(vectors)), vectors, nothing, nothing, nothing)
    params = {"ef_search": 10, "ef_construction": 20, "max_neighbors": 8}
    index = vector_index("hnsw").build(vectors, "l2", params)
    path = tmp_path_factory.mktemp("stored") / "a.segment"
    write_segment(DiskFiles(), path, rows, facts={}, graph=index.to_arrays())
    query = vectors[70:71] + np.float32(0.01)
    return path, params, query, index.search(query, 3, None, GRAPH)[0].rows.tolist()


def searched(path, params, query) -> tuple[list[int], SegmentFile]:
    file = SegmentFile.open(path)
    arrays = file.graph_arrays()
    assert arrays is not None
    index = vector_index("hnsw").from_arrays(file.rows.vectors, "l2", params, arrays)
    return index.search(query, 3, None, GRAPH)[0].rows.tolist(), file


LARGE = ("vectors", "graph.codes", "graph.links")


def test_a_damaged_block_is_an_error_when_the_walk_reads_it_and_changes_no_answer(stored, tmp_path):
    path, params, query, right = stored
    found, file = searched(path, params, query)
    assert found == right
    content, copy, n_refused, n_blocks = path.read_bytes(), tmp_path / "a.segment", 0, 0
    for name in LARGE:
        start = content.index(file._file.unchecked(name).tobytes())
        is_touched = file._file.rows(name)._is_checked
        for block, touched in enumerate(is_touched.tolist()):
            at = start + block * BLOCK_BYTES + 9
            copy.write_bytes(content[:at] + bytes([content[at] ^ 8]) + content[at + 1 :])
            if touched:
                with pytest.raises(CorruptionError, match=repr(name)):
                    searched(copy, params, query)
            else:
                assert searched(copy, params, query)[0] == right
            n_refused, n_blocks = n_refused + touched, n_blocks + 1
    assert 0 < n_refused < n_blocks
