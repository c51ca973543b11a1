"""Ranks, groupings and pages that are refused before a search runs."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_search.dsl import (
    Abs,
    Aggregate,
    Bm25,
    Decay,
    Eq,
    Field,
    GroupBy,
    If,
    K,
    Knn,
    Limit,
    Max,
    MaxK,
    MinK,
    OrderBy,
    Pow,
    Rank,
    Rrf,
    Search,
    SearchClauses,
    Select,
    SortKey,
    Sub,
    Sum,
    Val,
)
from chroma_search.dsl.rank import Unary
from chroma_search.dsl.validation import check_rank, check_search
from chroma_search.errors import ChromaSearchError, InvalidArgumentError, InvalidRankError, WrongTypeError
from chroma_search.model.sparse_vector import SparseVector

NAN, INF = float("nan"), float("inf")
X = Field("x")
SPARSE = SparseVector([1], [1.0])


@pytest.mark.parametrize(
    "rank",
    [
        None,
        Val(0),
        Val(NAN),
        Val(-INF),
        Knn([1, 2.5]),
        Knn(np.array([[1.0, NAN]])),
        Knn([1e300]),
        Knn("text"),
        Knn(""),
        Knn("text", "sparse"),
        Knn(SPARSE, "s"),
        Knn(SparseVector([], []), "s"),
        Knn({"indices": [1], "values": [2]}, "s"),
        Knn(SPARSE.to_dict(), "s"),
        Knn([1.0], default=NAN, limit=2**63 - 1),
        Bm25("", k1=0, b=0),
        Bm25("a", "title", b=1),
        Decay("ts", 0, 1e-300),
        Field("views", INF),
        Rrf([X], k=0.5, weights=[0]),
        If(K("a") == 1, X, Val(1)),
        Sum((Sum((X, X)), X)),
        X**2,
    ],
    ids=repr,
)
def test_a_rank_with_a_meaning_passes(rank):
    check_rank(rank)


WITHOUT_MEANING = [
    ("$knn", WrongTypeError, "must be a Rank"),
    (K("a"), WrongTypeError, "must be a Rank"),
    (Val(True), WrongTypeError, "must be a number, got bool"),
    (Val("1"), WrongTypeError, "got str"),  # type: ignore[arg-type]
    (Val(10**400), InvalidRankError, "too large"),
    (Val(np.float32(1)), WrongTypeError, r"\.item\(\)"),  # type: ignore[arg-type]
    (Knn([1.0], limit=0), InvalidRankError, "must be positive, got 0"),
    (Knn([1.0], limit=-(10**5000)), InvalidRankError, "must be positive"),
    (Knn([1.0], limit=2**63), InvalidRankError, "below 2"),
    (Knn([1.0], limit=True), WrongTypeError, "must be an integer, got bool"),
    (Knn([1.0], limit=2.5), WrongTypeError, "must be an integer, got float"),  # type: ignore[arg-type]
    (Knn([1.0], default="1"), WrongTypeError, "default must be a number"),  # type: ignore[arg-type]
    (Knn([1.0], return_rank=1), WrongTypeError, "must be true or false"),  # type: ignore[arg-type]
    (Knn([]), InvalidRankError, "exactly one query embedding"),
    (Knn([[1.0], [2.0]]), InvalidRankError, "exactly one query embedding"),
    (Knn(np.zeros((2, 3))), InvalidRankError, "exactly one query embedding"),
    (Knn(np.array(["a"])), InvalidRankError, "numbers"),
    (Knn(np.array([True])), InvalidRankError, "numbers"),
    (Knn([True, False]), InvalidRankError, "list of floats or ints"),
    (Knn([1.0, None]), InvalidRankError, "list of floats or ints"),
    (Knn(["1", "2"]), InvalidRankError, "list of floats or ints"),
    (Knn([[1], [2, 3]]), InvalidRankError, "vector"),
    (Knn([10**400]), InvalidRankError, "numbers|vector"),
    (Knn(None), WrongTypeError, "got NoneType"),
    (Knn({1, 2}), WrongTypeError, "got set"),
    (Knn({"a": 1}, "s"), InvalidRankError, "indices"),
    (Knn({"indices": [2, 1], "values": [1, 2]}, "s"), InvalidRankError, "ascending"),
    (Knn({"indices": [1], "values": [10**400]}, "s"), InvalidRankError, "64-bit float"),
    (Knn({"#type": "other", "indices": [], "values": []}, "s"), InvalidRankError, "#type"),
    (Knn(SparseVector([1], [1.0], [5]), "s"), WrongTypeError, "token"),  # type: ignore[list-item]
    (Knn(SPARSE), InvalidRankError, "searches a metadata field, not #embedding"),
    (Knn("text", "#document"), InvalidRankError, "#embedding or a metadata field, not #document"),
    (Knn("\ud800"), InvalidRankError, "lone surrogate"),
    (Knn([1.0], key=5), WrongTypeError, "key must be a string"),
    (Bm25(5), WrongTypeError, "query must be a string"),  # type: ignore[arg-type]
    (Bm25("a", "#embedding"), InvalidRankError, "not #embedding"),
    (Bm25("a", k1=-0.1), InvalidRankError, "0 or more"),
    (Bm25("a", k1=NAN), InvalidRankError, "finite"),
    (Bm25("a", b=1.01), InvalidRankError, "between 0 and 1"),
    (Bm25("a", b=NAN), InvalidRankError, "finite"),
    (Bm25("a", limit=0), InvalidRankError, "positive"),
    (Bm25("a", idf="other"), InvalidRankError, "lucene, okapi"),  # type: ignore[arg-type]
    (Decay("ts", 0, 0), InvalidRankError, "above 0"),
    (Decay("ts", INF, 1), InvalidRankError, "finite"),
    (Decay("ts", 0, 1, offset=-1), InvalidRankError, "0 or more"),
    (Decay("ts", 0, 1, factor=1), InvalidRankError, "between 0 and 1"),
    (Decay("ts", 0, 1, factor=0), InvalidRankError, "between 0 and 1"),
    (Decay("ts", 0, 1, kind="step"), InvalidRankError, "exp, gauss, linear"),  # type: ignore[arg-type]
    (Decay("#score", 0, 1), InvalidRankError, "metadata field"),
    (Field("#score"), InvalidRankError, "metadata field"),
    (Field(5), WrongTypeError, "must be a string"),  # type: ignore[arg-type]
    (Rrf([]), InvalidRankError, "at least one rank"),
    (Rrf([X], k=0), InvalidRankError, "k must be positive"),
    (Rrf([X], k=NAN), InvalidRankError, "finite"),
    (Rrf([X], k="60"), WrongTypeError, "must be a number"),  # type: ignore[arg-type]
    (Rrf([X], weights=[]), InvalidRankError, "0 weights for 1 ranks"),
    (Rrf([X, X], weights=[1]), InvalidRankError, "1 weights for 2 ranks"),
    (Rrf([X], weights=[-1]), InvalidRankError, "non-negative"),
    (Rrf([X], weights=[NAN]), InvalidRankError, "finite"),
    (Rrf([X], weights=["1"]), WrongTypeError, "must be a number"),  # type: ignore[list-item]
    (Rrf([X, X], weights=[1e308, 1e308], normalize=True), InvalidRankError, "too large"),
    (Rrf([X], weights=[0], normalize=True), InvalidRankError, "normalised"),
    (Sum(()), InvalidRankError, "at least 2 ranks, got 0"),
    (Max((X,)), InvalidRankError, "at least 2 ranks, got 1"),
    (Sum((X, 5)), WrongTypeError, "got int"),  # type: ignore[arg-type]
    (Sub(X, None), WrongTypeError, "got NoneType"),  # type: ignore[arg-type]
    (Abs(5), WrongTypeError, "got int"),  # type: ignore[arg-type]
    (If(K("a") == NAN, X, X), ChromaSearchError, r"rank\.\$if\.condition\.a"),
    (Rank(), WrongTypeError, "got Rank"),
]


@pytest.mark.parametrize(("rank", "error", "message"), WITHOUT_MEANING, ids=range(len(WITHOUT_MEANING)))
def test_a_rank_without_a_meaning_is_refused(rank, error, message):
    with pytest.raises(error, match=message) as caught:
        check_rank(rank)
    assert isinstance(caught.value, ValueError)


def test_the_error_names_the_path_in_the_rank():
    with pytest.raises(InvalidRankError) as caught:
        check_rank(X - (Val(1) + abs(Knn([1.0], limit=0))))
    assert caught.value.path == "rank.$sub.right.$sum[1].$abs.$knn"


def test_a_fusion_counts_for_the_levels_it_expands_to():
    rank = X
    for _ in range(19):
        rank = Rrf([rank])
    check_rank(rank)
    rank.to_dict()
    with pytest.raises(InvalidArgumentError, match="100 levels"):
        check_rank(Rrf([rank]))


def test_a_new_function_of_one_rank_needs_no_change_here_and_is_ours():
    from chroma_search.dsl.parser import parse_rank
    from chroma_search.dsl.printer import print_rank
    from chroma_search.dsl.rank import RANK_NODES

    class Sign(Unary):
        """-1, 0 or 1."""

        op = "$sign"

    try:
        check_rank(Sign(X))
        assert parse_rank("sign(x)") == Sign(X)
        assert print_rank(Sign(X)) == "sign(x)"
        with pytest.raises(InvalidRankError, match=r"\$sign goes beyond"):
            check_rank(Sign(X), strict=True)
    finally:
        del RANK_NODES["$sign"]


@pytest.mark.parametrize(
    ("rank", "feature"),
    [
        (Bm25("a"), "$bm25"),
        (X, "$field"),
        (Decay("ts", 0, 1), "$decay"),
        (Pow(Val(1), Val(2)), "$pow"),
        (Val(1).sqrt(), "$sqrt"),
        (If(Eq("a", 1), Val(1), Val(2)), "$if"),
        (Rrf([Knn([1.0]), Bm25("a")]), "$bm25"),
    ],
)
def test_strict_names_the_rank_that_upstream_lacks(rank, feature):
    check_rank(rank)
    with pytest.raises(InvalidArgumentError) as caught:
        check_rank(rank, strict=True)
    assert f"{feature} goes beyond Chroma's Search API" in str(caught.value)


# --- grouping, page, columns ---

GROUPED = GroupBy("a", MinK("#score", 2))


@pytest.mark.parametrize(
    "clauses",
    [
        SearchClauses(),
        SearchClauses(group_by=GROUPED),
        SearchClauses(group_by=GroupBy("a")),
        SearchClauses(group_by=GroupBy("#id", MaxK("a", 1))),
        SearchClauses(limit=Limit(0, 0)),
        SearchClauses(limit=Limit(2**63 - 1)),
        SearchClauses(select=Select(["#score", "#id", "", "x"])),
        SearchClauses(order_by=OrderBy([SortKey("#score"), SortKey("#id", True), SortKey("x")])),
    ],
)
def test_a_search_with_a_meaning_passes(clauses):
    check_search(clauses)


@pytest.mark.parametrize(
    ("clauses", "error", "message"),
    [
        (SearchClauses(group_by=GroupBy("#score", MinK("a", 1))), InvalidArgumentError, "not by #score"),
        (SearchClauses(group_by=GroupBy(["a", "#document"], MinK("a", 1))), InvalidArgumentError, "not by #document"),
        (SearchClauses(group_by=GroupBy("a", MinK("#metadata", 1))), InvalidArgumentError, "not #metadata"),
        (SearchClauses(group_by=GroupBy("a", MinK([], 1))), InvalidArgumentError, "cannot be empty"),
        (SearchClauses(group_by=GroupBy("a", MinK("b", 0))), InvalidArgumentError, "positive"),
        (SearchClauses(group_by=GroupBy("a", MinK("b", True))), WrongTypeError, "must be an integer"),
        (SearchClauses(group_by=GroupBy("a", Aggregate("b", 1))), WrongTypeError, "MinK or MaxK"),
        (SearchClauses(group_by=GroupBy([5], MinK("b", 1))), WrongTypeError, "group key must be a string"),  # type: ignore[list-item]
        (SearchClauses(limit=Limit(-1)), InvalidArgumentError, "offset must be non-negative, got -1"),
        (SearchClauses(limit=Limit(0, -1)), InvalidArgumentError, "limit must be non-negative, got -1"),
        (SearchClauses(limit=Limit(True)), WrongTypeError, "got bool"),
        (SearchClauses(limit=Limit(0, 2.0)), WrongTypeError, "got float"),  # type: ignore[arg-type]
        (SearchClauses(limit=Limit(2**63)), InvalidArgumentError, "below 2"),
        (SearchClauses(select=Select([5])), WrongTypeError, "must be a string"),  # type: ignore[list-item]
        (SearchClauses(select=Select(["\udc00"])), InvalidArgumentError, "lone surrogate"),
        (SearchClauses(order_by=OrderBy([SortKey("#document")])), InvalidArgumentError, "not by #document"),
        (SearchClauses(order_by=OrderBy(["a"])), WrongTypeError, "SortKey"),  # type: ignore[list-item]
        (SearchClauses(order_by=OrderBy([SortKey("a", 1)])), WrongTypeError, "true or false"),  # type: ignore[arg-type]
        (SearchClauses(limit=5), WrongTypeError, "must be a Limit"),  # type: ignore[arg-type]
        (SearchClauses(group_by=None), WrongTypeError, "must be a GroupBy"),  # type: ignore[arg-type]
        (SearchClauses(where=K("a") == NAN), InvalidArgumentError, "finite"),
        (SearchClauses(rank=Knn([])), InvalidRankError, "query embedding"),
    ],
)
def test_a_search_without_a_meaning_is_refused(clauses, error, message):
    with pytest.raises(error, match=message):
        check_search(clauses)


@pytest.mark.parametrize(
    ("clauses", "feature"),
    [
        (SearchClauses(group_by=GROUPED), "grouping without a rank"),
        (SearchClauses(order_by=OrderBy([SortKey("a")])), "order_by"),
        (SearchClauses(where=K("a").exists()), "$exists"),
        (SearchClauses(rank=X), "$field"),
    ],
)
def test_strict_names_the_clause_that_upstream_lacks(clauses, feature):
    check_search(clauses)
    with pytest.raises(InvalidArgumentError) as caught:
        check_search(clauses, strict=True)
    assert f"{feature} goes beyond Chroma's Search API" in str(caught.value)


def test_strict_accepts_a_search_of_upstream():
    search = Search(
        where={"$and": [{"a": {"$gte": 1}}, {"#document": {"$contains": "x"}}]},
        rank=Rrf([Knn([1.0], return_rank=True), Knn(SPARSE, "s", return_rank=True)], weights=[2, 1]) * 2 - 1,
        group_by=GROUPED,
        limit=5,
        select=["#score"],
    )
    check_search(search.clauses, strict=True)
