"""A change of configuration takes effect on records that are already indexed."""

from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search import Knn, Search
from tests.engine_of import engine_of


@pytest.mark.parametrize(
    ("kind", "before", "after"), [("hnsw", {"ef_search": 10}, {"ef_search": 150}), ("spann", {}, {"search_nprobe": 2})]
)
def test_search_parameters_hold_at_once(kind, before, after):
    first: Any = {kind: {"space": "l2", **before}}
    second: Any = {kind: after}
    collection = chroma_search.EphemeralClient().create_collection(
        "reconfigured", configuration=first, embedding_function=None
    )
    vectors = np.random.default_rng(2).normal(size=(4000, 16)).astype(np.float32)
    collection.add(ids=[str(at) for at in range(4000)], embeddings=vectors)
    collection.flush()
    strategy = {"hnsw": "graph", "spann": "lists"}[kind]

    def visited() -> int:
        graph = engine_of(collection).snapshot.segments[0].segment.graph
        assert graph is not None
        return sum(each.visited for each in graph.search(vectors[:20], 5, None, strategy))

    old = visited()
    collection.modify(configuration=second)
    assert (visited() > 2 * old) if kind == "hnsw" else (visited() < old / 2)
    assert collection.search(Search(rank=Knn(vectors[7], limit=1)))["ids"] == [["7"]]
