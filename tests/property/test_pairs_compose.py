"""Every construct of a search together with every other one, against the oracle (and in three layouts of segments)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chroma_search.dsl import (
    Bm25,
    Decay,
    GroupBy,
    K,
    Knn,
    Limit,
    MaxK,
    MinK,
    Rank,
    Rrf,
    SearchClauses,
    Select,
)
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.model.sparse_vector import SparseVector
from tests.oracle.collection import OracleCollection
from tests.property.comparing import assert_same_answer
from tests.property.engine_collection import EngineCollection

N_RECORDS = 60
DENSE = Knn([0.5, -0.25], limit=25, default=4.0)
SPARSE = Knn(SparseVector([0, 2, 7], [1.0, 0.5, 2.0]), "sp", limit=20, default=2.0)
WORDS = Bm25("fox graph", limit=20, default=0.0)

Apply = Callable[[SearchClauses], SearchClauses]


def ranked(add: Callable[[Rank | None], Rank]) -> Apply:
    return lambda search: replace(search, rank=add(search.rank))


def plus(leaf: Rank) -> Apply:
    return ranked(lambda rank: leaf if rank is None else rank + leaf * 0.5)


def filtered(search: SearchClauses) -> SearchClauses:
    condition = (K("year") >= 2020) | K.DOCUMENT.contains("fox")
    return replace(search, where=condition if search.where is None else search.where & condition)


CONSTRUCTS: dict[str, Apply] = {
    "filter": filtered,
    "dense": plus(DENSE),
    "sparse": plus(SPARSE),
    "bm25": plus(WORDS),
    "arithmetic": ranked(lambda rank: ((DENSE if rank is None else rank) * 2 - 1).max(0.25) / 3),
    "rrf": ranked(
        lambda rank: Rrf(
            [replace(DENSE, return_rank=True, default=50.0), replace(WORDS, return_rank=True, default=50.0)]
            + ([] if rank is None else [rank]),
            weights=[2.0, 1.0] + ([] if rank is None else [0.5]),
        )
    ),
    "decay": plus(Decay("year", 2022, 3.0, default=0.1)),
    "group": lambda search: replace(
        search,
        group_by=GroupBy([K("area")], MinK([K.SCORE], 3))
        if not search.group_by.is_active
        else GroupBy([K("area"), K("year")], MaxK([K("year"), K.SCORE], 1)),
    ),
    "offset": lambda search: replace(search, limit=Limit(search.limit.offset + 2, 9)),
    "select": lambda search: replace(search, select=Select((*search.select.names, "#document", "#score", "area"))),
}


def records() -> dict[str, Any]:
    rng = random.Random(3)
    words = ["fox", "graph", "index", "the", "lazy", "dog"]

    def metadata() -> dict[str, Any]:
        held: dict[str, Any] = {"area": rng.choice(["x", "y", 1, 1.0])}
        if rng.random() < 0.8:
            held["year"] = rng.choice([2018, 2020, 2021.5, 2023])
        if rng.random() < 0.7:
            dimensions = sorted(rng.sample(range(9), 3))
            held["sp"] = SparseVector(dimensions, [rng.randint(1, 8) / 4 for _ in dimensions])
        return held

    return {
        "ids": [f"r{at}" for at in range(N_RECORDS)],
        "embeddings": [[rng.randint(-8, 8) / 4, rng.randint(-8, 8) / 4] for _ in range(N_RECORDS)],
        "documents": [" ".join(rng.choices(words, k=rng.randint(0, 5))) or None for _ in range(N_RECORDS)],
        "metadatas": [metadata() if rng.random() < 0.9 else None for _ in range(N_RECORDS)],
    }


@pytest.fixture(scope="module")
def collections():
    """The oracle, and the engine in three layouts: all in the tail, all sealed, split with tombstones."""
    rows = records()
    oracle = OracleCollection("l2", tokenizer=Analyzer().tokens)
    tail, sealed, split = (EngineCollection("l2") for _ in range(3))
    for each in (oracle, tail, sealed):
        each.add(**rows)
        each.delete(ids=["r3", "r40"])
        each.update(ids=["r5", "r50"], metadatas=[{"year": 2023}, {"area": None}])
    sealed.compact()
    for start in range(0, N_RECORDS, 17):
        split.add(**{name: column[start : start + 17] for name, column in rows.items()})
        split.flush()
    split.delete(ids=["r3", "r40"])
    split.update(ids=["r5", "r50"], metadatas=[{"year": 2023}, {"area": None}])
    return oracle, (tail, sealed, split)


@pytest.mark.parametrize("first", CONSTRUCTS)
@pytest.mark.parametrize("second", CONSTRUCTS)
def test_a_pair_of_constructs_gives_the_oracles_answer(first, second, collections):
    oracle, engines = collections
    search = CONSTRUCTS[second](CONSTRUCTS[first](SearchClauses(select=Select(("#score",)))))
    expected = oracle.search(search)
    assert expected["ids"], "a pair that finds nothing tests nothing"
    for engine in engines:
        assert_same_answer(engine.search(search), expected, tolerance=1e-9)
