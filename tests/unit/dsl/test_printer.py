"""The canonical text of nodes; that parsing gives the node back is tested in tests/property/test_language.py."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_search.dsl import (
    And,
    Bm25,
    Contains,
    Decay,
    Div,
    Eq,
    Exists,
    Field,
    GroupBy,
    If,
    In,
    K,
    Knn,
    Max,
    MinK,
    Mul,
    Not,
    NotContains,
    Or,
    Pow,
    Rank,
    Rrf,
    Search,
    Sub,
    Sum,
    Val,
)
from chroma_search.dsl.printer import print_group_by, print_rank, print_search, print_where
from chroma_search.errors import InvalidArgumentError
from chroma_search.model.sparse_vector import SparseVector

A, B, C = Eq("a", 1), Eq("b", 2.0), Eq("c", "it's")
X, Y, Z = Field("x"), Field("y"), Field("z")


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (A, "a = 1"),
        (B, "b = 2.0"),
        (C, "c = 'it''s'"),
        (Eq("a", True), "a = true"),
        (Eq("a", None), "a = null"),
        (Eq("a", float("-inf")), "a = -inf"),
        (Eq("a", 1e300), "a = 1e+300"),
        (Eq("limit", 1), '"limit" = 1'),
        (Eq("NOT", 1), '"NOT" = 1'),
        (Eq("my key", 1), '"my key" = 1'),
        (Eq('say "hi"', 1), '"say ""hi""" = 1'),
        (Eq("", 1), '"" = 1'),
        (Eq("meta.author", 1), "meta.author = 1"),
        (Eq("#id", "x"), "#id = 'x'"),
        (Eq("#other", 1), '"#other" = 1'),
        (Eq("größe", 1), "größe = 1"),
        (In("a", (1, "x", True)), "a IN [1, 'x', true]"),
        (In("a", ()), "a IN []"),
        (K("a").not_in([1]), "a NOT IN [1]"),
        (Contains("#document", "fox"), "#document CONTAINS 'fox'"),
        (NotContains("a", 1), "a NOT CONTAINS 1"),
        (K.DOCUMENT.regex("a+"), "#document MATCHES 'a+'"),
        (K.DOCUMENT.not_regex("a+"), "#document NOT MATCHES 'a+'"),
        (Exists("a"), "a EXISTS"),
        (Exists("a", False), "a IS MISSING"),
        (K("a").starts_with("x", ignore_case=True), "a ISTARTS WITH 'x'"),
        (K("a").iequals("x"), "a I= 'x'"),
        ((A & B) | C, "a = 1 AND b = 2.0 OR c = 'it''s'"),
        ((A | B) & C, "(a = 1 OR b = 2.0) AND c = 'it''s'"),
        (~(A & B), "NOT (a = 1 AND b = 2.0)"),
        (~A & B, "NOT a = 1 AND b = 2.0"),
        (Not(Not(A)), "NOT NOT a = 1"),
        (And((And((A, B)), C)), "all(a = 1 AND b = 2.0, c = 'it''s')"),
        (Or((A,)), "any(a = 1)"),
        (And(()), "all()"),
    ],
)
def test_a_filter_is_printed_with_the_fewest_parentheses(where, text):
    assert print_where(where) == text


@pytest.mark.parametrize(
    ("rank", "text"),
    [
        (Val(0.5), "0.5"),
        (Val(1), "1"),
        (Val(float("nan")), "nan"),
        (Val(-1e-7), "-1e-07"),
        (X, "x"),
        (Field("log"), "log"),
        (Field("inf"), '"inf"'),
        (Field("x", -1), "field(x, default=-1)"),
        (Knn([1, 2.5]), "knn([1, 2.5])"),
        (Knn(np.array([0.1, 1e10], np.float32)), "knn([0.1, 10000000000.0])"),
        (Knn(np.array([0.1, 2.0])), "knn([0.1, 2.0])"),
        (Knn([[1, 2]]), "knn([1, 2])"),
        (Knn("a", "s", 5, 1.5, True), "knn('a', key=s, limit=5, default=1.5, return_rank=true)"),
        (Knn(SparseVector([1, 7], [0.5, 2])), "knn(sparse({1: 0.5, 7: 2}))"),
        (Knn(SparseVector([1], [0.5], ["it's"]), "my key"), "knn(sparse({1: 0.5}, tokens=['it''s']), key=\"my key\")"),
        (Knn({"indices": [1], "values": [2]}, "s"), "knn(sparse({1: 2}), key=s)"),
        (Bm25("a"), "bm25('a')"),
        (Bm25("a", "title", k1=2.0, idf="okapi"), "bm25('a', key=title, k1=2.0, idf='okapi')"),
        (Decay("ts", 5, 2.0, kind="gauss"), "decay(ts, origin=5, scale=2.0, kind='gauss')"),
        (X + Y + 1, "x + y + 1"),
        (X - Y - Z, "x - y - z"),
        (X - (Y - Z), "x - (y - z)"),
        (X - (Y + Z), "x - (y + z)"),
        (X + (Y - Z), "x + (y - z)"),
        (Sum((Sum((X, Y)), Z)), "sum(x + y, z)"),
        (Sum((X,)), "sum(x)"),
        (X * Y / Z, "x * y / z"),
        (X / (Y * Z), "x / (y * z)"),
        ((X + Y) * Z, "(x + y) * z"),
        (Mul((Mul((X, Y)), Z)), "mul(x * y, z)"),
        (-X, "-x"),
        (-(X + Y), "-(x + y)"),
        (-(X * Y), "-(x * y)"),
        (-Val(5), "-(5)"),
        (Mul((Val(-1), -X)), "-(-x)"),
        (-Field("info"), "-(info)"),
        ((-X) * Y, "-1 * x * y"),
        (X - -Y, "x - -y"),
        (X - -5, "x - -5"),
        (X.pow(2), "x ^ 2"),
        (Pow(Pow(X, Y), Z), "(x ^ y) ^ z"),
        (Pow(X, Pow(Y, Z)), "x ^ y ^ z"),
        (Pow(Val(-5), Val(2)), "(-5) ^ 2"),
        (-X.pow(2), "-x ^ 2"),
        (Pow(Val(2), -X), "2 ^ -x"),
        (Div(Val(1), -X), "1 / -x"),
        (abs(X).exp().log().sqrt(), "sqrt(log(exp(abs(x))))"),
        (X.max(0).min(1), "min(max(x, 0), 1)"),
        (Max((Max((X, Y)), Z)), "max(max(x, y), z)"),
        (If(A | B, X, Val(0)), "if(a = 1 OR b = 2.0, x, 0)"),
        (Rrf([Knn("a", return_rank=True), Bm25("b")]), "rrf(knn('a'), bm25('b', return_rank=false))"),
        (Rrf([X * 2, Y], 10, [1, 0.5], True), "rrf(x * 2, y, k=10, weights=[1, 0.5], normalize=true)"),
        (Rrf([X], 60.0), "rrf(x, k=60.0)"),
    ],
)
def test_a_rank_is_printed_with_the_fewest_parentheses(rank, text):
    assert print_rank(rank) == text


def test_the_clauses_are_printed_in_a_fixed_order():
    search = (
        Search()
        .select("title", K.SCORE)
        .limit(20, offset=10)
        .order_by(K("year").desc(), K.SCORE)
        .group_by(GroupBy(K("area"), MinK(K.SCORE, 2)))
        .rank(Rrf([Knn([1.0]), Bm25("sso")]))
        .where((K("year") >= 2024) & K("tags").contains("x"))
    )
    assert print_search(search.clauses) == search.to_text()
    assert search.to_text() == (
        "WHERE year >= 2024 AND tags CONTAINS 'x' RANK rrf(knn([1.0], return_rank=false), bm25('sso', "
        "return_rank=false)) GROUP BY area KEEP 2 MIN #score ORDER BY year DESC, #score LIMIT 20 OFFSET 10 "
        "SELECT title, #score"
    )


def test_an_empty_search_is_an_empty_text():
    assert Search().to_text() == ""
    assert print_group_by(GroupBy()) == ""


class Unknown(Rank):
    """A rank that the language does not know."""


@pytest.mark.parametrize(
    "node",
    [
        Eq("a", [1]),
        Eq("a", {"b": 1}),
        Eq("a", np.int64(5)),
        Eq(5, 1),  # type: ignore[arg-type]
        In("a", "abc"),
        Exists("a", 1),  # type: ignore[arg-type]
        K("a").regex(5),  # type: ignore[arg-type]
        And(("a",)),  # type: ignore[arg-type]
        Eq("a", 10**5000),
    ],
)
def test_a_filter_without_a_spelling_is_refused(node):
    with pytest.raises(InvalidArgumentError):
        print_where(node)


@pytest.mark.parametrize(
    "node",
    [
        Val("a"),  # type: ignore[arg-type]
        Val(True),
        Knn(None),
        Knn([1, "a", None, object()]),
        Knn(np.zeros((2, 2))),
        Knn({"a": 1}),
        Knn("a", limit=2.5),  # type: ignore[arg-type]
        Knn("a", return_rank=1),  # type: ignore[arg-type]
        Sum((X, "y")),  # type: ignore[arg-type]
        Sub(X, 5),  # type: ignore[arg-type]
        Unknown(),
    ],
)
def test_a_rank_without_a_spelling_is_refused(node):
    with pytest.raises(InvalidArgumentError):
        print_rank(node)


def test_a_node_nested_too_deep_is_refused_and_no_recursion_error():
    node = A
    for _ in range(5000):
        node = Not(node)
    with pytest.raises(InvalidArgumentError, match="nested more than 100 levels"):
        print_where(node)
