"""The tables of docs/language.md hold what they say: the three spellings of a row make the same node."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chroma_search import dsl
from chroma_search.dsl import GroupBy, Rank, Search, Where
from chroma_search.dsl.parser import parse_group_by, parse_rank, parse_where, parse_where_document
from chroma_search.dsl.rank import RANK_NODES, as_rank
from chroma_search.dsl.rank_functions import FUNCTIONS
from chroma_search.dsl.validation import check_search, where_document_to_where
from chroma_search.dsl.where import FILTER_OPERATORS
from chroma_search.errors import InvalidArgumentError
from chroma_search.model.sparse_vector import SparseVector

PAGE = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
PYTHON = {**vars(dsl), "SparseVector": SparseVector}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the rows of the first table under a heading, without backticks around code."""
    section = PAGE.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.split("\n") if line.startswith("|")][2:]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[cell.strip().strip("`").replace("\\|", "|") for cell in row] for row in cells]


def built(code: str) -> Any:
    return eval(code, dict(PYTHON))


@pytest.mark.parametrize(("code", "form", "text", "meaning"), rows("Filters"))
def test_the_spellings_of_a_filter_make_the_same_node(code, form, text, meaning):
    assert built(code) == Where.from_dict(json.loads(form)) == parse_where(text)
    assert_marked(meaning, Search(where=built(code)))


@pytest.mark.parametrize(("code", "form", "text", "meaning"), rows("Ranks"))
def test_the_spellings_of_a_rank_make_the_same_node(code, form, text, meaning):
    assert as_rank(built(code)) == Rank.from_dict(json.loads(form)) == parse_rank(text)
    if "K(" not in code or "ours" in meaning:  # K("a") stands for any rank in the rows of the operators
        assert_marked(meaning, Search(rank=built(code)))


@pytest.mark.parametrize(("code", "form", "text", "meaning"), rows("Grouping, order, page, columns"))
def test_the_spellings_of_a_grouping_make_the_same_node(code, form, text, meaning):
    assert built(code) == GroupBy.from_dict(json.loads(form)) == parse_group_by(text)


@pytest.mark.parametrize(("code", "form", "text", "meaning"), rows("Clauses")[2:-1])
def test_the_spellings_of_a_clause_make_the_same_search(code, form, text, meaning):
    search = built(f"Search(){code}")
    assert search == Search.from_dict(json.loads(f"{{{form}}}")) == Search.from_text(text)


@pytest.mark.parametrize(("form", "text"), rows("`where_document`"))
def test_the_spellings_of_a_document_filter_make_the_same_node(form, text):
    assert where_document_to_where(json.loads(form)) == parse_where_document(text)


def assert_marked(meaning: str, search: Search) -> None:
    """Assert that a row is marked as ours when, and only when, `strict` refuses it."""
    check_search(search.clauses)
    try:
        check_search(search.clauses, strict=True)
    except InvalidArgumentError:
        assert meaning.startswith("ours")
    else:
        assert not meaning.startswith("ours")


def test_every_filter_operator_stands_in_the_table():
    shown = {word for row in rows("Filters") for word in re.findall(r'"(\$\w+)"', row[1])}
    assert shown == {*FILTER_OPERATORS, "$and", "$or", "$not"}


def test_every_rank_node_stands_in_the_table():
    shown = {word for row in rows("Ranks") for word in re.findall(r'"(\$\w+)"', row[1])}
    assert shown == set(RANK_NODES)


def test_every_function_is_named_on_the_page():
    assert [name for name in FUNCTIONS if f"{name}(" not in PAGE] == []


def test_the_table_of_strict_names_every_feature_of_ours():
    table = {word for row in rows("Strict") for cell in row for word in re.findall(r"\$\w+", cell)}
    for row in [*rows("Filters"), *rows("Ranks")]:
        if row[3].startswith("ours") and "strings have" not in row[3]:
            assert table & set(re.findall(r"\$\w+", row[1])), row
