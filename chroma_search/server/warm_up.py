"""Loading the compiled kernels in the background, while a server already answers.

A process that may end soon waits until they pay (`kernels/choice.py`); a server that opens a folder with segments will
live, and until they are there each of its queries takes several times as long.
"""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

import numpy as np

from chroma_search.dsl import Lt
from chroma_search.engine.collection import CollectionEngine
from chroma_search.indexes.vector.hnsw import CODED_SCAN, GRAPH, MASKED_GRAPH
from chroma_search.kernels.choice import has_numba
from chroma_search.requests import RunOptions, WriteBatch
from chroma_search.schema.configuration import CollectionConfig

N_ROWS, DIMENSION = 512, 128
"""A collection for which everything is built that a large one has."""


def warm_up(folder: Path | None) -> threading.Thread | None:
    """Begin to load the compiled kernels if the folder holds segments; return the thread that does it."""
    if folder is None or not has_numba() or next(folder.glob("collections/*/segments/*.segment"), None) is None:
        return None
    thread = threading.Thread(target=load_kernels, name="chroma_search warm-up")
    thread.start()
    return thread


def load_kernels() -> None:
    """Import the compiled kernels and run each once, which reads its machine code from numba's cache."""
    importlib.import_module("numba")  # from here on `choice` takes the compiled kernels
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N_ROWS, DIMENSION)).astype(np.float32)
    engine = CollectionEngine("warm-up", "", "", CollectionConfig())
    ids = [str(each) for each in range(N_ROWS)]
    engine.add(WriteBatch(ids, vectors, metadatas=[{"row": each} for each in range(N_ROWS)]))
    engine.flush()
    for strategy, where in ((GRAPH, None), (MASKED_GRAPH, Lt("row", N_ROWS // 2)), (CODED_SCAN, None)):
        engine.query(vectors[:1], 10, None, where, frozenset(), RunOptions(force=strategy))
    engine.query(vectors[:1], 10, None, None, frozenset(), RunOptions(exact=True))
