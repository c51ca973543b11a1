"""Each rewrite rule on its fixture file: pairs of a search in the text language and the plan after the rule.

A file holds blocks separated by blank lines: the search, a line `=>`, the plan as `show_plan` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_search.dsl.parser import parse_search
from chroma_search.errors import InternalError
from chroma_search.planner import optimizer
from chroma_search.planner.explain import show_plan
from chroma_search.planner.logical import LogicalPlan, lower
from chroma_search.planner.rules import RULES

FIXTURES = Path(__file__).parent / "rules"


def cases() -> Iterator[tuple[str, str, str]]:
    for rule in RULES:
        blocks = (FIXTURES / f"{rule.__name__}.txt").read_text().strip().split("\n\n")
        for block in blocks:
            text, expected = block.split("\n=>\n")
            yield rule.__name__, text, expected


def plan_of(text: str) -> LogicalPlan:
    return lower(parse_search(text, {"q": [1.0, 0.5]} if "$q" in text else None))


@pytest.mark.parametrize(("name", "text", "expected"), list(cases()), ids=lambda value: value[:50])
def test_a_rule_gives_the_plan_of_its_fixture(name, text, expected):
    rule = next(each for each in RULES if each.__name__ == name)
    assert show_plan(rule(plan_of(text))) == expected.rstrip("\n")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_leaves_its_own_result_alone(rule):
    for name, text, _ in cases():
        if name == rule.__name__:
            once = rule(plan_of(text))
            assert rule(once) is once


def test_every_fixture_file_belongs_to_a_rule():
    assert {path.stem for path in FIXTURES.glob("*.txt")} == {rule.__name__ for rule in RULES}


def test_a_rule_that_drops_a_leaf_is_named(monkeypatch):
    def loses_the_rank_leaf(plan: LogicalPlan) -> LogicalPlan:
        return lower(parse_search("RANK 1"))

    monkeypatch.setattr(optimizer, "RULES", (loses_the_rank_leaf,))
    with pytest.raises(InternalError, match="loses_the_rank_leaf broke: the rank reads the same leaves"):
        optimizer.optimize(plan_of("RANK knn($q)"))


def test_rules_that_never_rest_are_an_internal_error(monkeypatch):
    def makes_a_new_plan(plan: LogicalPlan) -> LogicalPlan:
        return lower(parse_search("RANK 1"))

    monkeypatch.setattr(optimizer, "RULES", (makes_a_new_plan,))
    with pytest.raises(InternalError, match="did not come to rest"):
        optimizer.optimize(plan_of("RANK 1"))
