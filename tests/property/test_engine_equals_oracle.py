"""The engine gives the oracle's answers, whatever the layout of segments, the index kind and the batch.

The oracle and the engine share the tokens of the analyzer, so that BM25 can be compared to the last bit.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chroma_search.dsl import GroupBy, Knn, Limit, OrderBy, Search, SearchClauses, Select
from chroma_search.indexes.registry import VECTOR_INDEX_KINDS
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.requests import RunOptions
from tests.oracle.collection import OracleCollection
from tests.property.comparing import assert_same_answer
from tests.property.engine_collection import EngineCollection
from tests.property.record_strategies import apply, histories
from tests.property.search_strategies import knns, ranks, searches, wheres

TOLERANCE = 1e-9  # folds of pow and exp may differ in the last bits between numpy and Python's math
spaces = st.sampled_from(("l2", "cosine", "ip"))
layouts = st.lists(st.sampled_from(("", "", "flush", "compact")), max_size=12)
kinds = st.sampled_from(sorted(VECTOR_INDEX_KINDS))
relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def replay(history, layout, space, kind):
    """Replay a history on oracle and engine; `layout` seals or compacts after each operation in turn."""
    oracle = OracleCollection(space, tokenizer=Analyzer().tokens)
    engine = EngineCollection(space, kind=kind)
    for at, operation in enumerate(history):
        assert apply(operation, oracle) == apply(operation, engine)
        step = layout[at % len(layout)] if layout else ""
        if step:
            getattr(engine, step)()
    return oracle, engine


@relaxed
@given(histories(), layouts, spaces, kinds)
def test_records_are_the_same_in_every_layout(history, layout, space, kind):
    oracle, engine = replay(history, layout, space, kind)
    assert engine.count() == oracle.count()
    assert engine.get() == oracle.get()


@relaxed
@given(histories(), layouts, st.lists(wheres(), min_size=1, max_size=4))
def test_filters_find_the_same_records(history, layout, filters):
    oracle, engine = replay(history, layout, "l2", "flat")
    for where in filters:
        assert engine.get(where=where) == oracle.get(where=where), where


@relaxed
@given(histories(), layouts, spaces, kinds, searches())
def test_exact_searches_equal_the_oracle(history, layout, space, kind, search):
    oracle, engine = replay(history, layout, space, kind)
    assert_same_answer(engine.search(search), oracle.search(search), tolerance=TOLERANCE)


@relaxed
@given(histories(), layouts, spaces, kinds, st.lists(searches(), min_size=2, max_size=4))
def test_a_batch_equals_its_searches_one_by_one(history, layout, space, kind, batch):
    _, engine = replay(history, layout, space, kind)
    alone = [engine.search(each) for each in batch]
    for found, expected in zip(engine.search_batch(batch), alone, strict=True):
        assert_same_answer(found, expected)


@relaxed
@given(histories(), layouts, spaces, st.integers(1, 9), st.none() | wheres())
def test_query_equals_the_oracle(history, layout, space, n_results, where):
    oracle, engine = replay(history, layout, space, "hnsw")
    queries = [[0.0, 1.0], [0.25, -2.0], [0.0, 0.0]]
    found = engine.query(queries, n_results=n_results, where=where, ids=["a", "B", "unknown", "é"])
    expected = oracle.query(queries, n_results=n_results, where=where, ids=["a", "B", "unknown", "é"])
    if oracle.next_offset:
        assert_same_answer(found, expected)


@pytest.mark.parametrize("kind", ["hnsw", "spann"])
@pytest.mark.parametrize("force", ["graph", "masked_graph", "graph_then_filter", "lists", "masked_lists", "exact_scan"])
@relaxed
@given(histories(), spaces, st.none() | wheres(), knns())
def test_any_forced_strategy_finds_enough_true_records(kind, force, history, space, where, knn):
    """On collections this small every approximate path must be exact, since beams and probes cover everything."""
    oracle, engine = replay(history, ["flush"], space, kind)
    search = SearchClauses(where=where, rank=knn, select=Select(("#score",)))
    found = engine.search(search, RunOptions(force=force))
    assert_same_answer(found, oracle.search(search))


@relaxed
@given(histories(), layouts, knns(), st.integers(1, 5), st.integers(6, 20))
def test_a_short_list_is_a_prefix_of_a_long_one(history, layout, knn, short, long):
    _, engine = replay(history, layout, "l2", "hnsw")
    few, many = (engine.search(SearchClauses(rank=replace(knn, limit=limit)), RunOptions()) for limit in (short, long))
    assert few["ids"] == many["ids"][:short]


@relaxed
@given(histories(), layouts, ranks(), st.integers(0, 3), st.integers(1, 4))
def test_paging_and_selection_do_not_change_scores(history, layout, rank, offset, limit):
    _, engine = replay(history, layout, "l2", "hnsw")
    whole = engine.search(SearchClauses(rank=rank, select=Select(("#score",))))
    page = engine.search(
        SearchClauses(rank=rank, limit=Limit(offset, limit), select=Select(("#score", "#metadata", "#document")))
    )
    cut = {"ids": whole["ids"][offset:][:limit], "scores": whole["scores"][offset:][:limit]}
    assert_same_answer({name: page[name] for name in cut}, cut)


@relaxed
@given(histories(), layouts, searches())
@example([], [], SearchClauses())
def test_grouping_and_ordering_keep_scores(history, layout, search):
    _, engine = replay(history, layout, "l2", "flat")
    plain = replace(search, group_by=GroupBy(), order_by=OrderBy(), limit=Limit(), select=Select(("#score",)))
    grouped = replace(search, limit=Limit(), select=Select(("#score",)))
    scores = dict(zip(*(engine.search(plain)[column] for column in ("ids", "scores")), strict=True))
    found = engine.search(grouped)
    for each, score in zip(found["ids"], found["scores"], strict=True):
        assert repr(scores[each]) == repr(score)


def test_a_collection_never_written_to_gives_empty_columns():
    answer = EngineCollection().search(Search(rank=Knn([1.0, 2.0, 3.0])).select_all())
    assert answer["ids"] == answer["documents"] == answer["scores"] == []
