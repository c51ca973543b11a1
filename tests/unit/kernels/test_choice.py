"""Which kernels run, and that importing the package loads no numba."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import chroma_search
from chroma_search.kernels import choice, distance, distance_numba, posting, posting_numba


@pytest.fixture
def _forget():
    choice.has_numba.cache_clear()
    choice._is_forced.cache_clear()
    yield
    choice.has_numba.cache_clear()
    choice._is_forced.cache_clear()


@pytest.mark.usefixtures("_forget")
def test_small_work_is_left_to_numpy_and_large_work_to_numba():
    assert choice.distance_kernels(10**7) is distance_numba
    assert choice.posting_kernels(1000) is posting
    assert choice.posting_kernels(10**7) is posting_numba


@pytest.mark.usefixtures("_forget")
def test_kernels_that_are_loaded_take_small_distances_too(monkeypatch):
    assert choice.distance_kernels(1000) is distance_numba
    monkeypatch.delitem(sys.modules, "chroma_search.kernels.distance_numba")
    assert choice.distance_kernels(1000) is distance


@pytest.mark.usefixtures("_forget")
def test_numba_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("CHROMA_SEARCH_KERNELS", "numpy")
    assert choice.distance_kernels(10**9) is distance
    assert choice.posting_kernels(10**9) is posting


@pytest.mark.usefixtures("_forget")
def test_without_numba_everything_runs_on_numpy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert choice.distance_kernels(10**9) is distance


def test_importing_the_kernels_and_kinds_does_not_import_heavy_libraries():
    code = (
        "import sys, chroma_search.kernels.choice, chroma_search.indexes.registry as r\n"
        "[r.vector_index(kind) for kind in r.VECTOR_INDEX_KINDS]\n"
        "import chroma_search.indexes.vector.sparse\n"
        "print(sorted({'numba', 'sklearn', 'hnswlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


COLD = """
import sys
import numpy as np
import chroma_search
from chroma_search.kernels import choice
client = chroma_search.PersistentClient({folder!r})
docs = client.get_collection("docs", embedding_function=None)
query = np.arange(64, dtype=np.float32)
first = docs.query([query], n_results=5)
print("numba" in sys.modules)
choice._spent_us = choice.LOADING_US
assert docs.query([query], n_results=5) == first
print("numba" in sys.modules)
client.close()
"""


def test_the_first_queries_of_a_process_load_no_numba_and_answer_the_same(tmp_path):
    rng = np.random.default_rng(0)
    with chroma_search.PersistentClient(tmp_path) as client:
        docs = client.create_collection("docs", embedding_function=None)
        docs.add(ids=[str(each) for each in range(3000)], embeddings=rng.normal(size=(3000, 64)).astype(np.float32))
        docs.flush()
    environment = {**os.environ, "CHROMA_SEARCH_KERNELS": ""}
    command = [sys.executable, "-c", COLD.format(folder=str(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["False", "True"]


def test_numba_is_loaded_when_the_work_without_it_has_cost_as_much(monkeypatch):
    monkeypatch.setenv("CHROMA_SEARCH_KERNELS", "")
    choice.has_numba.cache_clear()
    choice._is_forced.cache_clear()
    monkeypatch.setattr(choice, "_spent_us", 0.0)
    monkeypatch.setattr(choice, "sys", SimpleNamespace(modules={}))
    assert not choice.is_compiled_worth(choice.LOADING_US / 2)
    assert not choice.is_compiled_worth(choice.LOADING_US / 2)
    assert choice.is_compiled_worth(1.0)
    choice.has_numba.cache_clear()
    choice._is_forced.cache_clear()
