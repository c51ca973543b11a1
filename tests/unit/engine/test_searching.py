"""The commonest search is planned by hand: it must be the plan that the rules make."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_search import GroupBy, K, Knn, MinK, Search
from chroma_search.engine.searching import planned
from chroma_search.planner.logical import lower
from chroma_search.planner.optimizer import optimize

DENSE = Knn(np.ones(3, np.float32), limit=7, return_rank=True)


@pytest.mark.parametrize(
    "search",
    [
        Search(rank=DENSE),
        Search(rank=DENSE).limit(5, offset=2).select(K.DOCUMENT, "title"),
        Search(rank=Knn("a text", default=2.0)).select(K.EMBEDDING, K.SCORE),
        Search(rank=DENSE, group_by=GroupBy(keys=K("area"), aggregate=MinK(keys=K.SCORE, k=2))),
        Search(rank=Knn({"#type": "sparse_vector", "indices": [1], "values": [0.5]}, key="sparse")),
        Search(where=K("year") > 3, rank=DENSE),
        Search(rank=DENSE + 1.0),
    ],
)
def test_a_plan_is_what_the_rules_make(search: Search) -> None:
    assert planned(search.clauses) == optimize(lower(search.clauses))
