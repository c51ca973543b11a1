"""Every plan on the way from a search to its optimized form gives the same answer."""

from __future__ import annotations

from hypothesis import given

from chroma_search.engine.searching import run_settings
from chroma_search.planner.execute import Execution
from chroma_search.planner.logical import lower
from chroma_search.planner.optimizer import steps
from chroma_search.planner.rules.expand_rrf import expand_rrf
from chroma_search.planner.rules.share_leaves import share_leaves
from chroma_search.requests import RunOptions
from tests.property.record_strategies import histories
from tests.property.search_strategies import searches
from tests.property.test_engine_equals_oracle import layouts, relaxed, replay


@relaxed
@given(histories(), layouts, searches())
def test_every_stage_of_the_optimizer_gives_the_same_records_and_scores(history, layout, search):
    _, engine = replay(history, layout, "l2", "flat")
    execution = Execution(engine.engine.snapshot.segments, run_settings(engine.engine, RunOptions(exact=True)))
    plan = lower(search)
    stages = [("as written", plan), *steps(plan)]
    answers = []
    for name, stage in stages:
        runnable = share_leaves(expand_rrf(stage))  # what the evaluator cannot do without
        ranked = execution.run([runnable])[0].ranked
        answers.append((name, ranked.offset_ids.tolist(), [repr(score) for score in ranked.scores.tolist()]))
    for name, offsets, scores in answers[1:]:
        assert (offsets, scores) == answers[0][1:], name
