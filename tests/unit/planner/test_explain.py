"""Printed plans are stored: `explain/<name>.txt` beside this file. To accept a change: UPDATE_SNAPSHOTS=1 make test."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

import chroma_search
from chroma_search import Bm25, GroupBy, K, Knn, MinK, Rrf, Search, SparseVector
from chroma_search.dsl import Decay
from chroma_search.errors import InvalidInputError

SNAPSHOTS = Path(__file__).parent / "explain"
DENSE = Knn([1.0, 0.0], limit=20, return_rank=True)

SEARCHES: dict[str, Search] = {
    "everything": Search(),
    "dense": Search(rank=Knn([1.0, 0.0]), limit=5),
    "filtered_hybrid": Search(
        where=(K("n") >= 10) & (K("n") < 500) & K.DOCUMENT.contains("fox") & ~(K("kind") == "a"),
        rank=Rrf([DENSE, Bm25("quick fox", return_rank=True, default=100)], weights=[2, 1]),
        group_by=GroupBy(K("kind"), MinK(K.SCORE, 2)),
        limit=10,
        select=[K.DOCUMENT, K.SCORE, "n"],
    ),
    "shared_leaf": Search(rank=Knn([1.0, 0.0]) + Knn([1.0, 0.0]).log() * (2 + 1)),
    "all_leaves": Search(
        rank=Knn([1.0, 0.0], default=3.0)
        + Knn(SparseVector([1, 5], [1.0, 0.5]), "sp", default=1.0)
        - 0.5 * Decay("n", 100, 50, default=0.0)
        + K("n") * 0.01
    ).order_by(K("n").desc()),
}


@pytest.fixture(scope="module")
def collection():
    made = chroma_search.EphemeralClient().create_collection(
        "explained", configuration={"hnsw": {"space": "l2"}}, embedding_function=None
    )
    n = 1200
    rows = {
        "ids": [str(at) for at in range(n)],
        "embeddings": [[at % 40 / 4, at // 40 / 4] for at in range(n)],
        "documents": ["the quick fox" if at % 3 else "a lazy dog" for at in range(n)],
        "metadatas": [{"n": at, "kind": "abc"[at % 3], "sp": SparseVector([at % 7], [1.0])} for at in range(n)],
    }
    made.add(**{name: column[:1000] for name, column in rows.items()})
    made.flush()
    made.add(**{name: column[1000:] for name, column in rows.items()})
    made.delete(ids=["7", "1100"])
    return made


@pytest.mark.parametrize("mode", ["plan", "verbose"])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_plan_prints_as_stored(collection, name, mode):
    printed = str(collection.explain(SEARCHES[name], mode=mode)) + "\n"
    path = SNAPSHOTS / f"{name}.{mode}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(printed)
    assert printed == path.read_text()


@pytest.mark.parametrize("name", SEARCHES)
def test_analyze_adds_counts_and_times_to_the_same_tree(collection, name):
    planned = str(collection.explain(SEARCHES[name])).splitlines()
    ran = [line for line in str(collection.explain(SEARCHES[name], mode="analyze")).splitlines() if "Ran:" not in line]
    assert len(planned) == len(ran)
    added = re.compile(r" (records|found|actual|ms|recall)=[^ ]+")
    assert [added.sub("", line).rstrip(":") for line in ran] == planned
    records = len(collection.search(SEARCHES[name])["ids"][0])
    assert f"records={records}" in ran[1]


def test_json_holds_the_same_tree(collection):
    form = collection.explain(SEARCHES["filtered_hybrid"], format="json")
    assert json.loads(json.dumps(form)) == form
    plan = form["plan"]
    names = []
    while plan:
        names.append(plan["operator"])
        plan = plan["children"][0] if plan["children"] else None
    assert names[:4] == ["Project", "Limit", "Group", "Rank"]


def test_the_reason_for_the_choice_is_in_words(collection):
    printed = str(collection.explain(SEARCHES["dense"]))
    assert 'why="' in printed
    assert "strategy=exact_scan" in str(collection.explain(SEARCHES["dense"], exact=True))


def test_an_unknown_mode_names_the_known_ones(collection):
    with pytest.raises(InvalidInputError, match="analyze"):
        collection.explain(SEARCHES["dense"], mode="fast")
