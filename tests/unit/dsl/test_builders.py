"""The Python spelling: what the operators build, what they refuse, and that nodes are values."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_search.dsl import (
    Abs,
    And,
    Bm25,
    Decay,
    Div,
    Eq,
    Exp,
    Field,
    GroupBy,
    Gt,
    Gte,
    If,
    In,
    K,
    Key,
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
    Or,
    OrderBy,
    Pow,
    Rrf,
    Search,
    Select,
    SortKey,
    Sqrt,
    Sub,
    Sum,
    Val,
    decay,
)
from chroma_search.errors import InvalidArgumentError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector

A, B, C = Eq("a", 1), Eq("b", 2), Eq("c", 3)
X, Y = Field("x"), Field("y")


# --- filters ---


def test_comparisons_of_a_key_build_filters():
    key = K("a")
    assert [key == 1, key != 1, key > 1, key >= 1, key < 1, key <= 1] == [
        kind("a", 1) for kind in (Eq, Ne, Gt, Gte, Lt, Lte)
    ]
    assert (key.is_in([1, 2]), key.not_in((1,))) == (In("a", (1, 2)), Nin("a", (1,)))


@pytest.mark.parametrize(
    ("built", "node"),
    [
        ((A & B) & C, And((A, B, C))),
        (A & (B & C), And((A, B, C))),
        ((A | B) | C, Or((A, B, C))),
        (A | (B | C), Or((A, B, C))),
        ((A & B) | C, Or((And((A, B)), C))),
        (~(A & B) & C, And((Not(And((A, B))), C))),
    ],
)
def test_and_and_or_join_with_neighbours_of_their_own_kind(built, node):
    assert built == node


@pytest.mark.parametrize("other", [True, 1, None, "a = 1", {"a": 1}])
def test_a_filter_combines_with_filters_only(other):
    with pytest.raises(WrongTypeError, match="parentheses"):
        _ = A & other
    with pytest.raises(WrongTypeError, match="parentheses"):
        _ = A | other


def test_a_document_contains_strings_only():
    with pytest.raises(WrongTypeError, match="#document requires a string"):
        K.DOCUMENT.contains(5)  # type: ignore[arg-type]
    with pytest.raises(WrongTypeError, match="#document requires a string"):
        K.DOCUMENT.not_contains(None)


def test_a_key_is_hashable_by_its_name():
    assert hash(K("a")) == hash(Key("a"))
    assert repr(K.SCORE) == "Key('#score')"


# --- nodes are values ---


def test_operands_of_different_types_make_different_filters():
    filters = [Eq("a", 1), Eq("a", 1.0), Eq("a", True), Eq("a", "1"), Eq("a", None)]
    assert len(set(filters)) == 5
    assert all((one == other) == (one is other) for one in filters for other in filters)


def test_a_nan_equals_itself_and_minus_zero_is_not_zero():
    nan = float("nan")
    assert Val(nan) == Val(-nan) == Val(float("nan"))
    assert hash(Val(nan)) == hash(Val(float("nan")))
    assert Val(0.0) != Val(-0.0)
    assert Knn([nan]) == Knn(np.array([-nan], np.float32))


def test_classes_with_the_same_fields_are_different():
    assert Eq("a", 1) != Ne("a", 1)
    assert Sum((X, Y)) != Mul((X, Y))
    assert MinK("a", 1) != MaxK("a", 1)
    assert Eq("a", 1) != "a = 1"


def test_the_hash_of_a_deep_filter_takes_no_time_exponential_in_its_depth():
    one, other = Not(A), Not(A)
    for _ in range(90):
        one, other = Not(one), Not(other)
    assert hash(one) == hash(other)
    assert one == other


def test_an_int_of_another_class_equals_the_plain_one():
    class Level(int):
        pass

    assert Eq("a", Level(3)) == Eq("a", 3)


def test_the_order_of_select_has_no_meaning():
    assert Select(["a", "#score", "a"]) == Select(["#score", "a"])
    assert Select(["a", "#score", "a"]).names == ("a", "#score")
    assert Select(["b", "a", "#score", "#document"]).echo() == ["#document", "#score", "a", "b"]


def test_a_sparse_dict_equals_the_vector_it_means():
    vector = SparseVector([1, 7], [0.5, 2.0])
    assert Knn(vector, "s") == Knn(vector.to_dict(), "s") == Knn({"indices": [1, 7], "values": [0.5, 2.0]}, "s")
    assert len({Knn(vector, "s"), Knn(vector.to_dict(), "s")}) == 1
    assert Knn({"indices": [1]}, "s") != Knn(vector, "s")


def test_an_array_changed_later_does_not_change_the_query():
    array = np.array([1.0, 2.0])
    knn = Knn(array)
    array[0] = 5
    assert knn == Knn([1.0, 2.0])


def test_nodes_are_frozen():
    with pytest.raises(AttributeError):
        A.value = 5  # type: ignore[misc]


# --- ranks ---


@pytest.mark.parametrize(
    ("built", "node"),
    [
        (X + Y + 1, Sum((X, Y, Val(1)))),
        (X + (Y + 1), Sum((X, Y, Val(1)))),
        (1 + X, Sum((Val(1), X))),
        (2 * X * Y, Mul((Val(2), X, Y))),
        (2 - X, Sub(Val(2), X)),
        (X - 2 - Y, Sub(Sub(X, Val(2)), Y)),
        (1 / X / 2, Div(Div(Val(1), X), Val(2))),
        (X**2, Pow(X, Val(2))),
        (X.pow(Y), Pow(X, Y)),
        (-(X * Y), Mul((Val(-1), Mul((X, Y))))),
        ((-X) * Y, Mul((Val(-1), X, Y))),
        (abs(X), Abs(X)),
        (X.abs(), Abs(X)),
        (X.exp().log().sqrt(), Sqrt(Log(Exp(X)))),
        (X.max(0).max(Y), Max((X, Val(0), Y))),
        (X.min(1).max(0), Max((Min((X, Val(1))), Val(0)))),
    ],
)
def test_operators_of_ranks_build_nodes(built, node):
    assert built == node


def test_a_key_in_a_rank_is_the_field():
    key = K("x")
    assert key + 1 == X + 1
    assert 1 + key == 1 + X
    assert 1 - key == 1 - X
    assert key - 1 == X - 1
    assert 2 * key == 2 * X
    assert key * 2 == X * 2
    assert key / 2 == X / 2
    assert 2 / key == 2 / X
    assert key**2 == X**2
    assert -key == -X
    assert abs(key) == abs(X)
    assert key.log() == Log(X)
    assert key.exp() == Exp(X)
    assert key.sqrt() == Sqrt(X)
    assert key.max(0).min(1) == X.max(0).min(1)
    assert key.rank(default=0) == Field("x", 0)
    assert Knn([1.0]) - 0.1 * key.log() == Sub(Knn([1.0]), Mul((Val(0.1), Log(X))))
    assert Search(rank=key).clauses.rank == X


@pytest.mark.parametrize("other", ["x", None, True, [1], {"$val": 1}])
def test_a_rank_combines_with_ranks_and_numbers_only(other):
    with pytest.raises(WrongTypeError, match="a rank combines with"):
        _ = X + other


def test_a_numpy_number_in_a_rank_is_told_how_to_become_one():
    with pytest.raises(WrongTypeError, match=r"got float32: convert it with \.item\(\)"):
        _ = X + np.float32(1)  # type: ignore[operator]  # what is wrong here is the point


def test_rrf_of_one_rank_or_of_a_text_asks_for_a_list():
    for wrong, kind in ((Knn([1.0]), "Knn"), (5, "int"), ("knn([1])", "str")):
        with pytest.raises(WrongTypeError, match=f"Rrf takes a list of ranks, got {kind}"):
            Rrf(wrong)  # type: ignore[arg-type]


def test_a_list_in_select_is_told_how_to_be_given():
    with pytest.raises(WrongTypeError, match=r"select takes names one by one, got list: write select\(\*names\)"):
        Search().select(["a", "b"])  # type: ignore[arg-type]


@pytest.mark.parametrize("where", [not A, K("a").name == "a"])
def test_a_bool_as_a_filter_is_told_of_the_operators(where):
    with pytest.raises(WrongTypeError, match=r"got bool: join filters with & \| ~, not and, or, not"):
        Search(where=where)


def test_names_may_be_given_as_keys():
    assert Knn("q", K.EMBEDDING) == Knn("q", "#embedding")
    assert Bm25("q", K("title")) == Bm25("q", "title")
    assert decay(K("ts"), 5, 2, kind="gauss") == Decay("ts", 5, 2, kind="gauss")
    assert GroupBy([K("a"), "b"], MinK(K.SCORE, 2)) == GroupBy(("a", "b"), MinK(["#score"], 2))


@pytest.mark.parametrize("keys", [5, None, {"a"}])
def test_keys_of_another_type_are_refused(keys):
    with pytest.raises(WrongTypeError, match="keys must be a field"):
        MinK(keys, 1)


def test_a_condition_of_if_must_be_a_filter():
    assert If(A, K("x"), 5) == If(A, X, Val(5))  # type: ignore[arg-type]  # as the operators of ranks take them
    with pytest.raises(WrongTypeError, match="needs a filter"):
        If(True, X, Y)  # type: ignore[arg-type]


def test_a_fusion_expands_to_arithmetic():
    fused = Rrf([X, Y], k=10, weights=[3, 1], normalize=True)
    assert fused.expanded() == -(Val(0.75) / (Val(10) + X) + Val(0.25) / (Val(10) + Y))
    assert Rrf([X]).expanded() == -(Val(1.0) / (Val(60) + X))
    assert fused.to_dict() == fused.expanded().to_dict()
    assert fused.to_dict(expand_rrf=False) == {
        "$rrf": {"ranks": [X.to_dict(), Y.to_dict()], "k": 10, "weights": [3, 1], "normalize": True}
    }


# --- whole searches ---


def test_each_builder_method_gives_a_new_search_and_replaces_its_clause():
    first = Search().where(A).limit(5)
    second = first.where(B).limit(3, offset=1).rank(X).select("a").order_by(K("b").desc(), "c")
    assert first == Search(where=A, limit=5)
    assert second.clauses.where == B
    assert second.clauses.limit == Limit(1, 3)
    assert second.clauses.order_by == OrderBy([SortKey("b", True), SortKey("c")])
    assert second.where(None).rank(None).group_by(None).clauses.where is None


def test_dicts_stand_for_nodes():
    search = Search(
        where={"a": 1},
        rank={"$val": 2},
        group_by={"keys": ["a"], "aggregate": {"$max_k": {"keys": ["b"], "k": 1}}},
        limit={"limit": 5},
        select={"keys": ["a"]},
        order_by={"keys": ["a", {"key": "b", "descending": True}]},
    )
    assert search == Search(
        where=A, rank=Val(2), group_by=GroupBy("a", MaxK("b", 1)), limit=5, select={"a"}, order_by=["a", K("b").desc()]
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"where": 5},
        {"rank": 5},
        {"group_by": ["a"]},
        {"limit": "5"},
        {"select": "abc"},
        {"order_by": "a"},
        {"order_by": [5]},
    ],
)
def test_an_argument_of_another_type_is_a_type_error(arguments):
    with pytest.raises(TypeError):
        Search(**arguments)


@pytest.mark.parametrize("arguments", [{"where": {}}, {"limit": 0}, {"limit": {"offset": -1}}, {"select": {"key": []}}])
def test_an_argument_without_a_meaning_is_a_value_error(arguments):
    with pytest.raises(ValueError):
        Search(**arguments)


def test_a_search_is_a_value_and_shows_its_clauses():
    search = Search().where(A).limit(5)
    assert len({search, Search(where=A, limit=5)}) == 1
    assert repr(search) == "Search(where=Eq(key='a', value=1), limit=Limit(offset=0, limit=5))"
    assert search != "WHERE a = 1 LIMIT 5"


def test_an_unknown_clause_in_json_is_refused():
    with pytest.raises(InvalidArgumentError, match="unknown clause 'where'"):
        Search.from_dict({"where": {"a": 1}})
    with pytest.raises(WrongTypeError, match="rank must be a dict"):
        Search.from_dict({"rank": "x"})
    assert Search.from_dict({"filter": {}, "rank": None, "group_by": {}}) == Search()
