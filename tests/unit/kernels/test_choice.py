"""Which kernels run, and that importing the package loads no numba."""

import subprocess
import sys

import pytest

from chroma_search.kernels import choice, distance, distance_numba, posting, posting_numba


@pytest.fixture
def _forget():
    choice.has_numba.cache_clear()
    yield
    choice.has_numba.cache_clear()


@pytest.mark.usefixtures("_forget")
def test_small_work_is_left_to_numpy_and_large_work_to_numba():
    assert choice.distance_kernels(1000) is distance
    assert choice.distance_kernels(10**7) is distance_numba
    assert choice.posting_kernels(1000) is posting
    assert choice.posting_kernels(10**7) is posting_numba


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
