"""What each construct of the text language means, as nodes."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from chroma_search.dsl import (
    Abs,
    And,
    Bm25,
    Contains,
    Decay,
    Div,
    EndsWith,
    Eq,
    Exists,
    Exp,
    Field,
    GroupBy,
    Gt,
    Gte,
    IEndsWith,
    IEquals,
    If,
    In,
    IStartsWith,
    ISubstring,
    K,
    Knn,
    Limit,
    Log,
    Lt,
    Lte,
    Max,
    MaxK,
    Min,
    MinK,
    Mul,
    Ne,
    Nin,
    Not,
    NotContains,
    NotRegex,
    Or,
    OrderBy,
    Pow,
    Regex,
    Rrf,
    Search,
    SearchClauses,
    Select,
    SortKey,
    Sqrt,
    StartsWith,
    Sub,
    Substring,
    Sum,
    Val,
)
from chroma_search.dsl.parser import (
    MAX_CHARACTERS,
    parse_group_by,
    parse_rank,
    parse_search,
    parse_where,
    parse_where_document,
)
from chroma_search.model.sparse_vector import SparseVector

A, B, C = Eq("a", 1), Eq("b", 2), Eq("c", 3)

FILTERS = {
    "a = 1": A,
    "a == 1": A,
    "a != 1": Ne("a", 1),
    "a <> 1": Ne("a", 1),
    "a < 1": Lt("a", 1),
    "a <= 1": Lte("a", 1),
    "a > 1": Gt("a", 1),
    "a >= 1": Gte("a", 1),
    "a = 1.0": Eq("a", 1.0),
    "a = -5": Eq("a", -5),
    "a = 1e3": Eq("a", 1000.0),
    "a = .5": Eq("a", 0.5),
    "a = inf": Eq("a", float("inf")),
    "a = 9223372036854775808": Eq("a", 2**63),
    "a = TRUE": Eq("a", True),
    "a = false": Eq("a", False),
    "a = null": Eq("a", None),
    "a = ''": Eq("a", ""),
    "a = 'it''s'": Eq("a", "it's"),
    "a = '-- no comment'": Eq("a", "-- no comment"),
    "a = 'two\nlines'": Eq("a", "two\nlines"),
    "a IN (1, 2.0, 'x', true,)": In("a", (1, 2.0, "x", True)),
    "a IN [1, 2.0, 'x', true,]": In("a", (1, 2.0, "x", True)),
    "a in [ 'x]', -- here ] and '\n 'y' ]": In("a", ("x]", "y")),
    "a IN ()": In("a", ()),
    "a NOT IN ('x')": Nin("a", ("x",)),
    "a CONTAINS 'x'": Contains("a", "x"),
    "a NOT CONTAINS 3": NotContains("a", 3),
    "#document CONTAINS 'fox'": Contains("#document", "fox"),
    "#document MATCHES '^a+$'": Regex("#document", "^a+$"),
    "#id NOT MATCHES 'x'": NotRegex("#id", "x"),
    "a EXISTS": Exists("a", True),
    "a NOT EXISTS": Exists("a", False),
    "a IS MISSING": Exists("a", False),
    "a IS NOT MISSING": Exists("a", True),
    "a SUBSTRING 'x'": Substring("a", "x"),
    "a STARTS WITH 'x'": StartsWith("a", "x"),
    "a ENDS WITH 'x'": EndsWith("a", "x"),
    "a ISUBSTRING 'x'": ISubstring("a", "x"),
    "a ISTARTS WITH 'x'": IStartsWith("a", "x"),
    "a IENDS WITH 'x'": IEndsWith("a", "x"),
    "a I= 'x'": IEquals("a", "x"),
    "a NOT STARTS WITH 'x'": Not(StartsWith("a", "x")),
    "a BETWEEN 1 AND 5": And((Gte("a", 1), Lte("a", 5))),
    "a BETWEEN 1 AND 5 AND b = 2": And((Gte("a", 1), Lte("a", 5), B)),
    "a NOT BETWEEN 1 AND 5": Not(And((Gte("a", 1), Lte("a", 5)))),
    "a = 1 AND b = 2 OR c = 3": Or((And((A, B)), C)),
    "a = 1 AND (b = 2 OR c = 3)": And((A, Or((B, C)))),
    "(a = 1 AND b = 2) AND c = 3": And((A, B, C)),
    "a = 1 AND (b = 2 AND c = 3)": And((A, B, C)),
    "all(all(a = 1, b = 2), c = 3)": And((And((A, B)), C)),
    "all(a = 1) OR any()": Or((And((A,)),)),
    "NOT a = 1 AND b = 2": And((Not(A), B)),
    "NOT (a = 1 AND b = 2)": Not(And((A, B))),
    "NOT NOT a = 1": Not(Not(A)),
    "((((a = 1))))": A,
    "meta.author = 1": Eq("meta.author", 1),
    '"my key" = 1': Eq("my key", 1),
    "`my key` = 1": Eq("my key", 1),
    '"say ""hi""" = 1': Eq('say "hi"', 1),
    '"" = 1': Eq("", 1),
    "\"#document\" CONTAINS 'x'": Contains("#document", "x"),
    "größe = 1": Eq("größe", 1),
    "limit = 1 AND value > 2 AND where = 3": And((Eq("limit", 1), Gt("value", 2), Eq("where", 3))),
    "notes = 1 AND android = 2": And((Eq("notes", 1), Eq("android", 2))),
    "not.here = 1": Eq("not.here", 1),
    "-- first\na = 1 -- last": A,
}


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_text_means_its_nodes(text):
    assert parse_where(text) == FILTERS[text]


@pytest.mark.parametrize("word", ["and", "AND", "aNd"])
def test_keywords_are_read_in_any_case(word):
    assert parse_where(f"a = 1 {word} b = 2") == And((A, B))


DOCUMENT_FILTERS = {
    "CONTAINS 'fox'": Contains("#document", "fox"),
    "NOT CONTAINS 'fox'": NotContains("#document", "fox"),
    "NOT (CONTAINS 'fox')": Not(Contains("#document", "fox")),
    "NOT NOT CONTAINS 'fox'": Not(NotContains("#document", "fox")),
    "MATCHES 'a' AND NOT MATCHES 'b'": And((Regex("#document", "a"), NotRegex("#document", "b"))),
    "SUBSTRING 'a' OR (EXISTS AND ISTARTS WITH 'b')": Or(
        (Substring("#document", "a"), And((Exists("#document", True), IStartsWith("#document", "b"))))
    ),
    "NOT IS MISSING": Not(Exists("#document", False)),
    "IS NOT MISSING": Exists("#document", True),
    "any(CONTAINS 'a', all(CONTAINS 'b'))": Or((Contains("#document", "a"), And((Contains("#document", "b"),)))),
}


@pytest.mark.parametrize("text", DOCUMENT_FILTERS)
def test_a_document_filter_needs_no_key(text):
    assert parse_where_document(text) == DOCUMENT_FILTERS[text]


X, Y, Z = Field("x"), Field("y"), Field("z")
QUERY = Knn([1.0, 2.0])

RANKS = {
    "knn([1, 2])": QUERY,
    "KNN( [ 1.0 , 2 ] , )": QUERY,
    "knn('hello')": Knn("hello"),
    "knn(query='hello', key=#embedding)": Knn("hello"),
    "knn('hello', 'sparse', 5, 2.5, true)": Knn("hello", "sparse", 5, 2.5, True),
    "knn('hello', key=sparse, limit=5, default=null, return_rank=false)": Knn("hello", "sparse", 5),
    'knn(\'hello\', key="my key")': Knn("hello", "my key"),
    "knn([nan, -inf, 1e-3])": Knn([float("nan"), float("-inf"), 0.001]),
    "knn(sparse({7: 2.0, 1: 0.5}), key=s)": Knn(SparseVector([1, 7], [0.5, 2.0]), "s"),
    "knn({7: 2.0, 1: 0.5}, key=s)": Knn(SparseVector([1, 7], [0.5, 2.0]), "s"),
    "knn(sparse({7: 2.0, 1: 0.5}, tokens=['b', 'a']), key=s)": Knn(SparseVector([1, 7], [0.5, 2.0], ["a", "b"]), "s"),
    "knn(sparse({}), key=s)": Knn(SparseVector([], []), "s"),
    "bm25('sso saml')": Bm25("sso saml"),
    "bm25('a', key=title, k1=2, b=0.5, limit=9, idf=okapi)": Bm25("a", "title", 2, 0.5, 9, idf="okapi"),
    "decay(ts, 5, 2)": Decay("ts", 5, 2),
    "decay(ts, origin=5, scale=2, kind='gauss', factor=0.1)": Decay("ts", 5, 2, kind="gauss", factor=0.1),
    "x": X,
    "#score": Field("#score"),
    "field(x)": X,
    "field(x, default=0)": Field("x", 0),
    'field("my key", -1.5)': Field("my key", -1.5),
    "0.5": Val(0.5),
    "val(0.5)": Val(0.5),
    "-5": Val(-5),
    "-inf": Val(float("-inf")),
    "- 5": Mul((Val(-1), Val(5))),
    "-(5)": Mul((Val(-1), Val(5))),
    "-x": Mul((Val(-1), X)),
    "x + y + z": Sum((X, Y, Z)),
    "x + (y + z)": Sum((X, Y, Z)),
    "sum(x, sum(y, z))": Sum((X, Sum((Y, Z)))),
    "x * y * 2": Mul((X, Y, Val(2))),
    "x - y - z": Sub(Sub(X, Y), Z),
    "x - (y - z)": Sub(X, Sub(Y, Z)),
    "x - y + z + x": Sum((Sub(X, Y), Z, X)),
    "x + y - z + x": Sum((Sub(Sum((X, Y)), Z), X)),
    "x / y / z": Div(Div(X, Y), Z),
    "x * y / z * x": Mul((Div(Mul((X, Y)), Z), X)),
    "x + y * z": Sum((X, Mul((Y, Z)))),
    "-x * y": Mul((Val(-1), X, Y)),
    "-(x * y)": Mul((Val(-1), Mul((X, Y)))),
    "x -5": Sub(X, Val(5)),
    "x - -5": Sub(X, Val(-5)),
    "x ^ y ^ z": Pow(X, Pow(Y, Z)),
    "x ** 2": Pow(X, Val(2)),
    "-x ^ 2": Mul((Val(-1), Pow(X, Val(2)))),
    "-5 ^ 2": Pow(Val(-5), Val(2)),
    "2 ^ -x": Pow(Val(2), Mul((Val(-1), X))),
    "pow(x, 2) - div(x, y) + sub(x, mul(y, z))": Sum((Sub(Pow(X, Val(2)), Div(X, Y)), Sub(X, Mul((Y, Z))))),
    "abs(exp(log(sqrt(x))))": Abs(Exp(Log(Sqrt(X)))),
    "min(x, 1, max(y, 0))": Min((X, Val(1), Max((Y, Val(0))))),
    "if(a = 1 AND b = 2, x, -1)": If(And((A, B)), X, Val(-1)),
    "max + min * limit": Sum((Field("max"), Mul((Field("min"), Field("limit"))))),
    "rrf(knn([1, 2]), bm25('a'))": Rrf([Knn([1, 2], return_rank=True), Bm25("a", return_rank=True)]),
    "rrf((knn([1, 2])), knn([1, 2]) * 1)": Rrf([Knn([1, 2], return_rank=True), Mul((QUERY, Val(1)))]),
    "rrf(knn([1, 2], return_rank=false), knn([1, 2], #embedding, 16, null, false))": Rrf([QUERY, QUERY]),
    "rrf(x, y, k=10, weights=[2, 0.5], normalize=true)": Rrf([X, Y], 10, [2, 0.5], True),
    "created-at": Sub(Field("created"), Field("at")),
}  # fmt: skip


@pytest.mark.parametrize("text", RANKS)
def test_a_rank_text_means_its_nodes(text):
    assert parse_rank(text) == RANKS[text]


SEARCHES = {
    "": SearchClauses(),
    "-- nothing": SearchClauses(),
    "WHERE a = 1": SearchClauses(where=A),
    "rank x where a = 1": SearchClauses(where=A, rank=X),
    "LIMIT 5": SearchClauses(limit=Limit(0, 5)),
    "OFFSET 10": SearchClauses(limit=Limit(10)),
    "OFFSET 10 LIMIT 5": SearchClauses(limit=Limit(10, 5)),
    "LIMIT 0": SearchClauses(limit=Limit(0, 0)),
    "LIMIT -1": SearchClauses(limit=Limit(0, -1)),
    "SELECT #document, title, title": SearchClauses(select=Select(["#document", "title"])),
    "SELECT *": SearchClauses(select=Select(["#document", "#embedding", "#metadata", "#score"])),
    "SELECT limit, select": SearchClauses(select=Select(["limit", "select"])),
    "ORDER BY year DESC, #score, #id ASC": SearchClauses(
        order_by=OrderBy([SortKey("year", True), SortKey("#score"), SortKey("#id")])
    ),
    "GROUP BY area": SearchClauses(group_by=GroupBy("area")),
    "GROUP BY KEEP 2 MIN a": SearchClauses(group_by=GroupBy((), MinK("a", 2))),
    "GROUP BY area, kind KEEP 2 MAX #score, x LIMIT 1": SearchClauses(
        group_by=GroupBy(["area", "kind"], MaxK(["#score", "x"], 2)), limit=Limit(0, 1)
    ),
}


@pytest.mark.parametrize("text", SEARCHES)
def test_a_search_text_means_its_clauses(text):
    assert parse_search(text) == SEARCHES[text]


def test_a_grouping_can_be_parsed_alone():
    assert parse_group_by("area KEEP 2 MIN #score") == GroupBy("area", MinK("#score", 2))


def test_the_builders_take_texts():
    search = Search(where="a = 1", rank="x", group_by="area KEEP 2 MIN #score")
    assert search == Search().where(K("a") == 1).rank(K("x")).group_by(GroupBy("area", MinK("#score", 2)))


# --- parameters ---


@pytest.mark.parametrize("value", ["' OR x = 1 --", 5, 2.5, True, None, [1], float("nan")])
def test_a_parameter_stands_for_any_value_as_it_is(value):
    assert parse_where("a = $v AND b CONTAINS $v", {"v": value}) == And((Eq("a", value), Contains("b", value)))


def test_a_parameter_in_a_list_is_one_element():
    assert parse_where("a IN ('x', $v) OR b IN [$v]", {"v": "y"}) == Or((In("a", ("x", "y")), In("b", ("y",))))


@pytest.mark.parametrize("values", [["x", "y"], ("x", "y"), []])
def test_a_parameter_can_be_the_whole_list(values):
    assert parse_where("a NOT IN $v", {"v": values}) == Nin("a", tuple(values))


def test_parameters_stand_for_counts_numbers_flags_and_names():
    text = "RANK knn($q, key=$key, limit=$n, return_rank=$flag) * $w LIMIT $n OFFSET $m"
    clauses = parse_search(text, {"q": "a", "key": "s", "n": 5, "flag": True, "w": 0.5, "m": 2})
    assert clauses == SearchClauses(rank=Mul((Knn("a", "s", 5, None, True), Val(0.5))), limit=Limit(2, 5))


SPARSE = SparseVector([1, 7], [0.5, 2.0])


@pytest.mark.parametrize(
    "query",
    [SPARSE, SPARSE.to_dict(), {"indices": [1, 7], "values": [0.5, 2.0]}, {7: 2.0, 1: 0.5}],
    ids=["SparseVector", "tagged", "untagged", "entries"],
)
def test_a_parameter_can_be_a_sparse_vector_in_every_form(query):
    assert parse_rank("knn($q, key=s)", {"q": query}) == Knn(SPARSE, "s")


@pytest.mark.parametrize("query", [[1, 2], (1.0, 2.0), np.array([1, 2]), np.array([[1.0, 2.0]])])
def test_a_parameter_can_be_a_dense_vector_in_every_form(query):
    assert parse_rank("knn($q)", {"q": query}) == QUERY


def test_one_text_gives_different_searches_for_different_parameters():
    first, second = (parse_where("a = $v", {"v": value}) for value in (1, 2))
    assert (first, second) == (Eq("a", 1), Eq("a", 2))


# --- spans ---


def test_nodes_know_where_they_stood():
    text = "WHERE a = 1 AND NOT (b IN (1, 2)) RANK -x + log( y )"
    clauses = parse_search(text)
    assert clauses.where is not None
    assert clauses.rank is not None

    def stood(node):
        return text[node.span.start : node.span.end]

    assert stood(clauses.where) == "a = 1 AND NOT (b IN (1, 2)"  # a parenthesis belongs to no node
    assert [stood(each) for each in clauses.where.children()] == ["a = 1", "NOT (b IN (1, 2)"]
    assert stood(clauses.rank) == "-x + log( y )"
    assert [stood(each) for each in clauses.rank.children()] == ["-x", "log( y )"]


def test_spans_take_no_part_in_equality():
    assert parse_where("a   =   1") == parse_where("a=1")


# --- cost ---


def test_importing_the_language_does_not_load_lark():
    code = "import sys, chroma_search.dsl.parser, chroma_search.dsl.printer; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_vector_of_three_thousand_numbers_is_read(rng):
    vector = rng.standard_normal(3072)
    text = f"knn({vector.tolist()})"
    assert len(text) < MAX_CHARACTERS
    assert parse_rank(text) == Knn(vector)


def test_several_threads_parse_at_once():
    texts = {f"RANK x * {n} + {n} LIMIT {n}": n for n in range(1, 60)}
    wrong = []

    def parse_all():
        for text, n in texts.items():
            expected = SearchClauses(rank=Sum((Mul((X, Val(n))), Val(n))), limit=Limit(0, n))
            if parse_search(text) != expected:
                wrong.append(text)

    threads = [threading.Thread(target=parse_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
