"""One language, three spellings, one meaning: Python, JSON and text give the same nodes, and chromadb's JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from chromadb.base_types import SparseVector as UpstreamSparseVector
from chromadb.execution import expression as upstream_language
from chromadb.execution.expression.plan import Search as UpstreamSearch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from chroma_search import dsl
from chroma_search.dsl import And, Eq, Knn, Max, Min, Mul, Not, Or, Rank, Rrf, Search, SearchClauses, Sum, Val, Where
from chroma_search.dsl.node import Node
from chroma_search.dsl.parser import parse_group_by, parse_rank, parse_search, parse_where
from chroma_search.dsl.printer import print_group_by, print_rank, print_search, print_where
from chroma_search.dsl.validation import check_search
from chroma_search.errors import ChromaSearchError
from chroma_search.model.sparse_vector import SparseVector
from tests.property import dsl_strategies as strategies
from tests.property.fuzz_language import Fuzzer

OURS = {**vars(dsl), "SparseVector": SparseVector, "np": np}
UPSTREAM = {**vars(upstream_language), "Search": UpstreamSearch, "SparseVector": UpstreamSparseVector, "np": np}

# --- text ---


@given(strategies.searches())
@example(SearchClauses(limit=dsl.Limit(0, 0), select=dsl.Select([""])))
@example(SearchClauses(rank=Mul((Val(-1), Mul((Val(-1), Val(-1)))))))
@example(SearchClauses(rank=dsl.Pow(Val(float("-inf")), -dsl.Field("inf"))))
@example(
    SearchClauses(
        rank=Rrf([Knn([0.1], return_rank=True), Knn(np.array([0.1], np.float16)), Knn([[float("nan")]])], k=60.0)
    )
)
@example(SearchClauses(rank=dsl.Decay("ts", 1, 2, offset=-0.0)))
def test_printing_then_parsing_a_search_gives_the_same_search(clauses):
    assert parse_search(print_search(clauses)) == clauses


@given(strategies.odd_wheres())
@example(And(()))
@example(Or((And((Eq("a", 1),)),)))
@example(And((And((Eq("a", 1), Eq("b", None))), Not(Not(Eq("c", float("nan")))))))
def test_printing_then_parsing_a_filter_without_meaning_gives_the_same_filter(where):
    assert parse_where(print_where(where)) == where


@given(strategies.odd_ranks())
@example(Sum(()))
@example(Sum((Sum((Val(1), Val(2))), Val(3))))
@example(Max((Min(()),)))
def test_printing_then_parsing_a_rank_without_meaning_gives_the_same_rank(rank):
    assert parse_rank(print_rank(rank)) == rank


@given(st.lists(strategies.names(("#score", "#id")), max_size=2), st.none() | strategies.aggregates())
def test_printing_then_parsing_a_grouping_gives_the_same_grouping(keys, aggregate):
    group_by = dsl.GroupBy(keys, aggregate)
    text = print_group_by(group_by)
    assert (parse_group_by(text) if text else dsl.GroupBy()) == group_by


@given(strategies.searches())
def test_printing_what_was_parsed_gives_the_same_text(clauses):
    text = print_search(clauses)
    assert print_search(parse_search(text)) == text


@given(strategies.searches())
def test_every_node_of_a_parsed_search_spans_the_text_of_its_parts(clauses):
    text = print_search(clauses)
    parsed = parse_search(text)
    for root in (parsed.where, parsed.rank):
        stack: list[Node] = [] if root is None else [root]
        while stack:
            node = stack.pop()
            assert node.span is not None
            assert 0 <= node.span.start < node.span.end <= len(text)
            for child in node.children():
                assert child.span is not None
                assert node.span.start <= child.span.start
                assert child.span.end <= node.span.end
                stack.append(child)


# --- JSON ---


def flattened(node: Any) -> Any:
    """Return a filter or rank as JSON gives it: no node under one of its own kind, none with a single condition."""
    if isinstance(node, (And, Or)):
        parts = [flattened(each) for each in node.conditions]
        leaves = [leaf for part in parts for leaf in (part.conditions if isinstance(part, type(node)) else (part,))]
        return leaves[0] if len(leaves) == 1 else type(node)(leaves)
    if isinstance(node, (Sum, Mul, Max, Min)):
        parts = [flattened(each) for each in node.ranks]
        return type(node)(
            [leaf for part in parts for leaf in (part.ranks if isinstance(part, type(node)) else (part,))]
        )
    if isinstance(node, Rrf):
        return Rrf([flattened(each) for each in node.ranks], node.k, node.weights, node.normalize)
    if isinstance(node, Node) and any(True for _ in node.children()):
        names = [name for name in ("condition", "left", "right", "rank", "then", "otherwise") if hasattr(node, name)]
        return type(node)(*(flattened(getattr(node, name)) for name in names))
    return node


@given(strategies.searches(tagged=True))
def test_reading_the_json_of_a_search_gives_the_same_search(clauses):
    search = Search.of(clauses)
    again = Search.from_dict(search.to_dict(expand_rrf=False)).clauses
    assert flattened(again.where) == flattened(clauses.where)
    assert flattened(again.rank) == flattened(clauses.rank)
    assert again.group_by == clauses.group_by
    assert again.limit == clauses.limit
    assert again.select == clauses.select
    assert again.order_by == clauses.order_by


@given(strategies.searches(tagged=True))
def test_the_json_of_a_search_survives_being_written_to_a_file(clauses):
    form = Search.of(clauses).to_dict(expand_rrf=False)
    assert Search.from_dict(json.loads(json.dumps(form))) == Search.from_dict(form)


@given(strategies.searches())
def test_expanding_rrf_keeps_the_search_readable(clauses):
    check_search(clauses)
    form = Search.of(clauses).to_dict()
    assert "$rrf" not in json.dumps(form["rank"])


# --- Python ---


def calls(template: str, *parts: SearchStrategy[str]) -> SearchStrategy[str]:
    """Give Python expressions made by filling the blanks of `template`."""
    return st.tuples(*parts).map(lambda filled: template.format(*filled))


KEYS = strategies.names(("#id", "#document", "#score")).map(lambda name: f"K({name!r})")
FIELDS = strategies.names().map(lambda name: f"K({name!r})")
NUMBERS = strategies.numbers().map(repr)
STRINGS = strategies.texts().map(repr)
VECTORS = (
    st.lists(strategies.floats(width=32) | st.integers(-9, 9), min_size=1, max_size=3).map(repr)
    | st.lists(st.integers(-9, 9), min_size=1, max_size=3).map(lambda row: f"np.array({row!r})")
    | st.lists(strategies.floats(width=32), min_size=1, max_size=3).map(lambda row: f"np.array({row!r}, np.float32)")
    | st.lists(strategies.floats(width=32), min_size=1, max_size=3).map(lambda row: f"np.array({row!r})")
)
SPARSE = strategies.sparse_vectors().map(lambda v: f"SparseVector({v.indices!r}, {v.values!r}, {v.labels!r})")
OPTIONS = st.sampled_from(
    ["", ", limit=3", ", default=9.5", ", default=1", ", return_rank=True", ", limit=5, default=0"]
)


def conditions() -> SearchStrategy[str]:
    """Give filters that chromadb has, as Python."""
    one = st.one_of(
        *(calls("({} " + sign + " {})", FIELDS, NUMBERS | STRINGS) for sign in ("==", "!=")),
        *(calls("({} " + sign + " {})", FIELDS, NUMBERS) for sign in (">", ">=", "<", "<=")),
        *(calls("{}." + name + "({})", FIELDS, st.lists(NUMBERS).map(_as_list)) for name in ("is_in", "not_in")),
        *(calls("{}." + name + "({})", FIELDS, NUMBERS | STRINGS) for name in ("contains", "not_contains")),
        *(calls("K.DOCUMENT." + name + "({})", STRINGS) for name in ("contains", "not_contains", "regex", "not_regex")),
    )
    return st.recursive(
        one, lambda inner: calls("({} & {})", inner, inner) | calls("({} | {})", inner, inner), max_leaves=5
    )


def _as_list(values: list[str]) -> str:
    return f"[{', '.join(values)}]"


def expressions() -> SearchStrategy[str]:
    """Give ranks that chromadb has, as Python."""
    leaf = st.one_of(
        calls("Knn({}{})", VECTORS, OPTIONS),
        calls("Knn({}, key={!r}{})", SPARSE, strategies.names(), OPTIONS),
        calls("Val({})", NUMBERS),
    )

    def combined(inner: SearchStrategy[str]) -> SearchStrategy[str]:
        signs = st.sampled_from(["+", "-", "*", "/"])
        return st.one_of(
            calls("({} {} {})", inner, signs, inner),
            calls("({} {} {})", inner, signs, NUMBERS),
            calls("({} {} {})", NUMBERS, signs, inner),
            calls("(-{})", inner),
            calls("abs({})", inner),
            *(calls("{}." + name + "()", inner) for name in ("abs", "exp", "log")),
            *(calls("{}." + name + "({})", inner, inner | NUMBERS) for name in ("min", "max")),
            calls(
                "Rrf([{}, {}]{})",
                inner,
                inner,
                st.sampled_from(["", ", k=7", ", weights=[2.0, 1]", ", normalize=True"]),
            ),
        )

    return st.recursive(leaf, combined, max_leaves=5)


def built(expression: str, language: dict[str, Any]) -> Any:
    return eval(expression, dict(language))


def same_json(ours: Any, theirs: Any) -> None:
    """Assert that two JSON forms are written the same, 1 and 1.0 apart; the order in `select` has no meaning."""
    forms = [json.loads(json.dumps(form)) for form in (ours, theirs)]
    for form in forms:
        if "select" in form:
            form["select"]["keys"].sort()
    assert json.dumps(forms[0]) == json.dumps(forms[1])


@given(conditions())
def test_python_filters_have_the_json_of_chromadb(expression):
    ours, theirs = built(expression, OURS), built(expression, UPSTREAM)
    same_json(ours.to_dict(), theirs.to_dict())
    assert Where.from_dict(theirs.to_dict()) == ours


@given(expressions())
@settings(max_examples=200)
def test_python_ranks_have_the_json_of_chromadb(expression):
    ours, theirs = built(expression, OURS), built(expression, UPSTREAM)
    same_json(ours.to_dict(), theirs.to_dict())
    assert flattened(Rank.from_dict(theirs.to_dict())) == flattened(Rank.from_dict(ours.to_dict()))
    same_json(Rank.from_dict(ours.to_dict()).to_dict(), upstream_language.Rank.from_dict(theirs.to_dict()).to_dict())


@given(
    conditions(),
    expressions(),
    KEYS,
    st.sampled_from(["", ".limit(5)", ".limit(3, 2)", ".limit(0)"]),
    st.sampled_from(["", ".select_all()", ".select(K.SCORE, 'title')", ".select('a', 'a', K.DOCUMENT)"]),
    st.sampled_from(["MinK", "MaxK"]),
)
def test_whole_searches_have_the_json_of_chromadb(where, rank, key, limit, select, aggregate):
    group = f"GroupBy(keys=[{key}, 'b'], aggregate={aggregate}(keys=[K.SCORE, {key}], k=2))"
    expression = f"Search().where({where}).rank({rank}).group_by({group}){limit}{select}"
    same_json(built(expression, OURS).to_dict(), built(expression, UPSTREAM).to_dict())


@given(conditions(), expressions())
def test_text_and_json_give_the_nodes_of_the_python_spelling(where, rank):
    search = Search().where(built(where, OURS)).rank(built(rank, OURS)).limit(5)
    assert Search.from_text(search.to_text()) == search
    again = Search.from_dict(search.to_dict(expand_rrf=False)).clauses
    assert again.where == search.clauses.where
    assert flattened(again.rank) == flattened(search.clauses.rank)


@given(st.lists(strategies.floats(width=32), min_size=1, max_size=4))
def test_a_list_and_the_array_made_of_it_are_one_query(row):
    rows = (row, tuple(row), [row], np.array(row), np.array(row, np.float32), np.array([row]))
    assert {Knn(each) for each in rows} == {Knn(row)}
    assert {parse_rank("knn($q)", {"q": each}) for each in rows} == {Knn(row)}


@given(strategies.searches(upstream=True))
def test_strict_accepts_every_search_of_chromadb(clauses):
    check_search(clauses, strict=True)


@given(strategies.searches())
def test_what_validation_accepts_is_accepted_after_printing_and_parsing(clauses):
    check_search(clauses)
    check_search(parse_search(print_search(clauses)))


# --- noise ---


@given(st.text(max_size=60) | st.text("()[]{}'\"`$#-+*/^=<>!,.;: \nabeEfin01", max_size=60))
def test_any_text_gives_a_search_or_a_typed_error(text):
    for parse in (parse_search, parse_where, parse_rank, parse_group_by):
        with suppress(ChromaSearchError):
            parse(text)


@pytest.mark.slow
def test_three_thousand_broken_inputs_give_a_search_or_a_typed_error():
    report = Fuzzer(seed=7).run(3_000)
    assert report.failures == []
    assert report.n_accepted > 100
    assert report.n_refused > 1_000
